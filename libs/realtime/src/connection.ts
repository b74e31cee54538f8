/** What the application sees of a client for as long as it is attached. */
import { RealtimeError } from './errors.js';
import type { Payload, PushOptions } from './frame.js';

/** As `WebSocket.readyState`: 1 open, 2 closing, 3 closed. A connection that a hook can see is never 0. */
export type ReadyState = 1 | 2 | 3;

/** The `readyState` values by name. */
export const ReadyState = { OPEN: 1, CLOSING: 2, CLOSED: 3 } as const;

/**
 * One client. It is made by the engine; hooks and `RealtimeServer.connections` hand it out.
 *
 * @typeParam Data what the application keeps in `data`
 */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- as `socket.data` elsewhere: typed by who asks for it
export abstract class Connection<Data = any> {
  /** Opaque, unique over nodes and restarts, never used again. Not a secret. */
  abstract readonly id: string;
  /** The wire: `websocket`. */
  abstract readonly transport: string;
  /** The path of the gateway. */
  abstract readonly path: string;
  /** Parameters of the path. */
  abstract readonly params: Readonly<Record<string, string>>;
  /** The request target of the handshake, query included. */
  abstract readonly url: string;
  /** The client's IP address. */
  abstract readonly address: string;
  /** The agreed subprotocol; empty when there is none. */
  abstract readonly protocol: string;
  abstract readonly readyState: ReadyState;
  /** When it was opened, in milliseconds since 1970. */
  abstract readonly openedAt: number;
  /** The user it is bound to, by the handshake or by `RealtimeServer.bind()`. */
  abstract readonly userId: string | undefined;
  /** The rooms it is in; still what they were in `onClose`. */
  abstract readonly rooms: ReadonlySet<string>;
  /** Bytes that wait for the client to read them. */
  abstract readonly bufferedBytes: number;
  /** Aborted when the connection has ended: stop timers and streams with it. */
  abstract readonly signal: AbortSignal;
  /** Whatever the application wants to keep with the connection; starts as `Identity.data`. */
  abstract data: Data;

  /**
   * Sends to this client; never leaves the process, never throws.
   *
   * @param data a string goes as text, bytes go as binary, a message as it came. Bytes are not copied as long as they
   *   wait: do not change them afterwards
   * @param options what to do when the client is too slow
   * @returns false when it was not sent: the connection is closing or closed, or the client is too slow (then the policy
   *   decides: by default it is closed with 4001)
   * @example if (!connection.send('hello')) this.queue.keep(userId, 'hello');
   */
  abstract send(data: Payload, options?: PushOptions): boolean;

  /**
   * Sends a `{ event, data }` envelope as text.
   *
   * @param event the event's name
   * @param data anything JSON can hold
   * @returns as `send`; also false when `data` cannot be encoded
   */
  abstract emit(event: string, data?: unknown, options?: PushOptions): boolean;

  /** Joins a room. @throws RealtimeError `bad_name` for an empty or too long name, `too_many_rooms` above the bound */
  abstract join(room: string): Promise<void>;

  /** Leaves a room; nothing happens when it is not in it. */
  abstract leave(room: string): Promise<void>;

  /** Stops reading from the client; what it sends waits in the network. Its silence then closes nothing. */
  abstract pause(): void;

  /** Reads from the client again. */
  abstract resume(): void;

  /**
   * Closes with the closing handshake (RFC 6455 §7.1.2); what was sent before goes first.
   *
   * @param code 1000 (default) to 1014 without 1004–1006, or 3000 to 4999
   * @param reason at most 123 bytes of UTF-8
   * @throws RangeError for a code that may not be sent; TypeError for a reason that is no string or too long
   */
  abstract close(code?: number, reason?: string): void;

  /** Cuts the connection without a close frame: the client sees 1006, and what still waits for it is lost. */
  abstract terminate(): void;

  /** @internal A raw WebSocket has it; here the hooks are the events. */
  on(event: string): never {
    const hooks: Readonly<Record<string, string>> = { message: 'onMessage', close: 'onClose', error: 'onClose' };
    const hook = Object.hasOwn(hooks, event) ? hooks[event] : 'onOpen, onMessage or onClose';
    throw new RealtimeError(
      'no_events',
      `A Connection has no events: instead of on('${event}') write the hook ${hook}`,
    );
  }
}

/** What `RealtimeServer.info()` and `list()` tell of a connection. Plain data: it may come from another node. */
export interface ConnectionInfo {
  readonly id: string;
  readonly transport: string;
  readonly path: string;
  readonly address: string;
  readonly protocol: string;
  readonly userId?: string;
  readonly rooms: readonly string[];
  /** Milliseconds since 1970. */
  readonly openedAt: number;
  /** Milliseconds since the last sign of life. */
  readonly silentForMs: number;
  readonly bufferedBytes: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}
