import type { brokenRule } from '../../libs/realtime/src/transports/websocket/broken-rule.js';
import type { Receiver, ReceiverBounds } from '../../libs/realtime/src/transports/websocket/receiver.js';

export interface Reader {
  readonly events: (string | number)[][];
  readonly isOver: boolean;
  feed(chunk: Buffer): Promise<void> | void;
}

export declare class PlainReader implements Reader {
  constructor(modules: { Receiver: typeof Receiver; READ: Buffer; HEADROOM: number }, bounds: ReceiverBounds);
  readonly events: (string | number)[][];
  readonly isOver: boolean;
  feed(chunk: Buffer): void;
}

export declare class WsReader implements Reader {
  constructor(modules: { brokenRule: typeof brokenRule }, bounds: ReceiverBounds, isCompressed?: boolean);
  readonly events: (string | number)[][];
  readonly isOver: boolean;
  feed(chunk: Buffer): Promise<void> | void;
}
