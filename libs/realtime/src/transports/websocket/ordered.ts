/**
 * The `WebSocket` of ws with one owner instead of listeners: an event is a call, and a connection costs no closure per
 * event. What ws writes to the network itself (close frames) comes after what waits.
 */
import { WebSocket } from 'ws';
import type { RealtimeSettings } from '../../settings/settings.js';
import { reasonOf } from './broken-rule.js';

/** Who hears of everything that happens on a WebSocket. */
export interface WebSocketOwner {
  received(data: Buffer, isBinary: boolean): void;
  pinged(data: Buffer): void;
  ponged(): void;
  failed(error: Error): void;
  closed(code: number, reason: Buffer): void;
  /** Writes what waits for the end of the turn. */
  writeOut(): void;
}

/** A WebSocket whose own frames come after what waits. */
export interface OrderedWebSocket extends WebSocket {
  owner?: WebSocketOwner;
}

/**
 * ws closes on a broken rule with an empty reason; this gives it one. It also cuts, without a word, who sends pings faster
 * than it reads pongs; here pings are answered, counted and bounded by the socket (websocket-socket.ts).
 */
export function orderedWebSocket(settings: RealtimeSettings): typeof WebSocket {
  return class extends WebSocket implements OrderedWebSocket {
    owner?: WebSocketOwner = undefined;

    override emit(event: string | symbol, first?: unknown, second?: unknown): boolean {
      const { owner } = this;
      if (!owner) return super.emit(event, first, second);
      if (event === 'message') owner.received(first as Buffer, second as boolean);
      else if (event === 'pong') owner.ponged();
      else if (event === 'ping') owner.pinged(first as Buffer);
      else if (event === 'close') owner.closed(first as number, second as Buffer);
      else if (event === 'error') owner.failed(first as Error);
      return true;
    }

    override close(code?: number, reason?: string | Buffer): void {
      this.owner?.writeOut();
      super.close(code, reason ?? (code !== undefined && code <= 1009 ? reasonOf(code, settings) : undefined));
    }

    override pong(...args: Parameters<WebSocket['pong']>): void {
      this.owner?.writeOut();
      super.pong(...args);
    }
  } as typeof WebSocket;
}
