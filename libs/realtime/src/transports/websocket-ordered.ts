/** ws writes pongs and close frames to the network itself: here what was sent before them goes first. */
import { type ClientOptions, WebSocket } from 'ws';
import type { RealtimeSettings } from '../settings.js';
import { reasonOf } from './websocket-errors.js';

/** Something that waits for the end of the turn. */
export interface Waiting {
  writeOut(): void;
}

/** A WebSocket whose own frames come after what waits. */
export interface OrderedWebSocket extends WebSocket {
  waiting?: Waiting;
}

/**
 * ws closes on a broken rule with an empty reason; this gives it one. It also cuts, without a word, who sends pings faster
 * than it reads pongs; here pings are answered, counted and bounded by the socket (websocket-socket.ts).
 */
export function orderedWebSocket(settings: RealtimeSettings): typeof WebSocket {
  return class extends WebSocket implements OrderedWebSocket {
    waiting?: Waiting;

    constructor(address: null, protocols: undefined, options: ClientOptions) {
      super(address as never, protocols, { ...options, autoPong: false });
    }

    override close(code?: number, reason?: string | Buffer): void {
      this.waiting?.writeOut();
      super.close(code, reason ?? (code !== undefined && code <= 1009 ? reasonOf(code, settings) : undefined));
    }

    override pong(...args: Parameters<WebSocket['pong']>): void {
      this.waiting?.writeOut();
      super.pong(...args);
    }
  } as typeof WebSocket;
}
