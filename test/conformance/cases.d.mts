import type { ReceiverBounds } from '../../libs/realtime/src/transports/websocket/receiver.js';

export interface ConformanceCase {
  readonly family: string;
  readonly name: string;
  readonly bytes: Buffer;
  readonly events: readonly (readonly (string | number)[])[];
}

export declare const BOUNDS: ReceiverBounds;
export declare const cases: readonly ConformanceCase[];
export declare function described(payload: string | Uint8Array): string;
