/**
 * Road IN, step 1: what ws makes of a handshake with compression: the WebSocket that reads, with one owner instead of
 * listeners.
 */
import { WebSocket } from 'ws';
import type { RealtimeSettings } from '../../settings/settings.js';
import { reasonOf } from './broken-rule.js';

/** The object that is called for everything that happens on a WebSocket of ws. */
export interface WebSocketOwner {
  received(data: Buffer, isBinary: boolean): void;
  pinged(data: Buffer): void;
  ponged(): void;
  failed(error: Error): void;
  closed(code: number, reason: Buffer): void;
  /** Writes the frames that wait for the end of the turn. */
  writeOut(): void;
}

/** A WebSocket that writes its own frames after the frames that wait. */
export interface UpgradedWebSocket extends WebSocket {
  owner?: WebSocketOwner;
}

/**
 * Makes the class that ws creates its WebSockets from. ws closes on a broken rule with an empty reason; this class adds
 * one. ws also cuts a client that sends pings faster than it reads pongs, without a reason; here `socket.ts` answers,
 * counts and limits pings.
 */
export function upgradedWebSocket(settings: RealtimeSettings): typeof WebSocket {
  return class extends WebSocket implements UpgradedWebSocket {
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
