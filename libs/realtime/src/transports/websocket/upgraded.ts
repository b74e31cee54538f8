/**
 * Road IN, step 1: what ws makes of a handshake. With compression it is the WebSocket that reads, with one owner instead
 * of listeners; without, it leaves the network socket to plain-socket.ts, and is forgotten.
 */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
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

/** A stream has these methods if it is a network socket. */
type NetworkStream = Duplex & Partial<Pick<Socket, 'setTimeout' | 'setNoDelay'>>;

type SetSocket = (this: WebSocket, stream: Duplex, head: Buffer, options: object) => void;

const { setSocket } = WebSocket.prototype as unknown as { setSocket: SetSocket };

/**
 * Makes the class that ws creates its WebSockets from. ws closes on a broken rule with an empty reason; this class adds
 * one. ws also cuts a client that sends pings faster than it reads pongs, without a reason; here `socket.ts` answers,
 * counts and limits pings.
 */
export function upgradedWebSocket(settings: RealtimeSettings): typeof WebSocket {
  return class extends WebSocket implements UpgradedWebSocket {
    owner?: WebSocketOwner = undefined;

    /** Called when the 101 is written. */
    setSocket(stream: NetworkStream, head: Buffer, options: object): void {
      if (this.extensions === '') leaveSocket(stream, head);
      else setSocket.call(this, stream, head, options);
    }

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

/** Does what ws does when it takes a socket, except for taking it. */
function leaveSocket(stream: NetworkStream, head: Buffer): void {
  stream.setTimeout?.(0);
  stream.setNoDelay?.();
  if (head.length > 0) stream.unshift(head);
}
