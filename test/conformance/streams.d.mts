import type { brokenRule } from '../../libs/realtime/src/transports/websocket/broken-rule.js';
import type { Receiver } from '../../libs/realtime/src/transports/websocket/receiver.js';

export interface Modules {
  readonly Receiver: typeof Receiver;
  readonly READ: Buffer;
  readonly HEADROOM: number;
  readonly brokenRule: typeof brokenRule;
}

export declare function seeded(seed: number): () => number;
export declare function streamOf(random: () => number): Buffer[];
export declare function compare(modules: Modules, chunks: readonly Buffer[]): 'same' | 'early' | 'chunks';
