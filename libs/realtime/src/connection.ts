/** What the application sees of a client while it is connected. */
import type { DataOf, EmitArgs, EventOf } from './contract.js';
import { RealtimeError } from './errors.js';
import type { Payload, PushOptions } from './frame.js';

/** As `WebSocket.readyState`: 1 open, 2 closing, 3 closed. No hook ever sees 0 (connecting). */
export type ReadyState = 1 | 2 | 3;

/** The `readyState` values by name. */
export const ReadyState = { OPEN: 1, CLOSING: 2, CLOSED: 3 } as const;

/** Options of `connection.join()`. */
export interface JoinOptions {
  /**
   * How many of the room's last messages the client is sent, at least 1 and at most `REALTIME_MAX_RECOVERY_ENTRIES`; only
   * in a room with history. A client that comes back from where it stood gets what it has missed instead. Default: none.
   */
  readonly last?: number;
}

/**
 * One client. Hooks receive it as a parameter; `RealtimeServer.connections` has all that are open on this node.
 *
 * @typeParam T the type of `data`, where the application keeps what it needs; or a contract, which types `emit` too
 */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- as `socket.data` elsewhere: the application types it
export abstract class Connection<T = any> {
  /** Opaque and unique: no connection on any node, before or after a restart, has the same id. It is not a secret. */
  abstract readonly id: string;
  /** The transport: `websocket`, `sse` or `polling`. */
  abstract readonly transport: string;
  /** The path of the gateway, for example `/rooms/:id`. */
  abstract readonly path: string;
  /** The parameters of the path, decoded, for example `{ id: '7' }`. */
  abstract readonly params: Readonly<Record<string, string>>;
  /** The request target of the handshake: path and query. */
  abstract readonly url: string;
  /** The client's IP address, by the platform's rule for trusted proxies. */
  abstract readonly address: string;
  /** The agreed subprotocol; an empty string when there is none. */
  abstract readonly protocol: string;
  /** 1 open, 2 closing, 3 closed. */
  abstract readonly readyState: ReadyState;
  /** True as long as `send` may succeed: it is neither closing nor closed. */
  get isOpen(): boolean {
    return this.readyState === ReadyState.OPEN;
  }

  /** When it was opened, in milliseconds since 1970. */
  abstract readonly openedAt: number;
  /** The user it is bound to, by the handshake or by `RealtimeServer.bind()`; undefined for none. */
  abstract readonly userId: string | undefined;
  /** The rooms it is in; in `onClose`, the rooms that it was in when it ended. */
  abstract readonly rooms: ReadonlySet<string>;
  /** Bytes that wait in this process until the client reads them; 0 when the connection is closed. */
  abstract readonly bufferedBytes: number;
  /** It is aborted when the connection has ended; use it to stop timers and streams. */
  abstract readonly signal: AbortSignal;
  /** Anything the application wants to keep with the connection; its first value is `Identity.data`, or `{}`. */
  abstract data: DataOf<T>;

  /**
   * Sends a message to this client. It does not pass the broker, and it never throws.
   *
   * @param data a string is sent as text, bytes are sent as binary, a received message is passed on unchanged. Bytes
   *   are not copied while they wait: do not change them afterwards
   * @param options `slow`: what happens if the client is too slow; default: the gateway's policy
   * @returns true when the message was sent or waits for a client that is behind; false when the connection is closing
   *   or closed, the data cannot be sent (the log says why), or the client is too slow (by default it is then closed
   *   with 4001)
   * @example if (!connection.send('hello')) this.queue.keep(userId, 'hello');
   */
  abstract send(data: Payload, options?: PushOptions): boolean;

  /**
   * Sends a `{ event, data }` envelope as text.
   *
   * @param event the event's name, 1 to `REALTIME_MAX_NAME_LENGTH` characters
   * @param data anything that JSON can hold
   * @param options as for `send`
   * @returns as for `send`; also false when the name is not valid or `data` cannot be encoded (the log says why)
   */
  abstract emit<E extends EventOf<T>>(event: E, ...args: EmitArgs<T, E>): boolean;

  /**
   * Joins a room. Nothing happens when the connection is in it already, or has ended.
   *
   * @param room the room's name, 1 to `REALTIME_MAX_NAME_LENGTH` characters
   * @param options `last`: how many of the room's last messages the client is sent
   * @returns resolves when messages of all nodes come, and what was missed has been sent; it never waits for a broker
   *   that is away
   * @throws RealtimeError `bad_name` for any other name, `too_many_rooms` above `REALTIME_MAX_ROOMS_PER_CONNECTION`,
   *   `no_history` for `last` in a room that keeps none; RangeError for a `last` that is not allowed
   * @example await connection.join('chat:1', { last: 20 });
   */
  abstract join(room: string, options?: JoinOptions): Promise<void>;

  /** Leaves a room. Nothing happens when the connection is not in it. */
  abstract leave(room: string): Promise<void>;

  /**
   * Presents a state in a room with `presence`: others see it on the user. Of several connections of one user, the one
   * that presented last counts, on whatever node. The state goes when the connection leaves the room or ends.
   *
   * @param room a room that the connection is in
   * @param state anything that JSON can hold, at most `REALTIME_MAX_PRESENCE_BYTES`; undefined or null: none. Default: none
   * @throws RealtimeError `no_presence` for a room without, `not_in_room`, `bad_state` for what JSON cannot hold, `too_big`
   * @example connection.present('doc:7', { editing: true });
   */
  abstract present(room: string, state?: unknown): void;

  /** Stops reading from the client: its messages wait in the network. The heartbeat does not close it meanwhile. */
  abstract pause(): void;

  /** Reads from the client again, after `pause()`. */
  abstract resume(): void;

  /**
   * Closes the connection with the closing handshake (RFC 6455 §7.1.2). Messages that were sent before leave first.
   * Nothing happens when the connection is closing already.
   *
   * @param code 1000 (default) to 1014 except 1004–1006, or 3000 to 4999
   * @param reason at most 123 bytes of UTF-8; default: an empty string
   * @throws RangeError for a code that may not be sent; TypeError for a reason that is not a string or is too long
   */
  abstract close(code?: number, reason?: string): void;

  /**
   * Moves the time at which the connection is closed with 4502, for example when the client has sent a newer token. With
   * `REALTIME_EXPIRY_NOTICE` the client gets `{"event":"rt:expires","data":{"inMs":…}}` before.
   *
   * @param date undefined for never; a date in the past closes the connection now
   * @throws RealtimeError `bad_date` for anything that is not a valid Date
   * @example connection.expireAt(new Date(token.exp * 1000));
   */
  abstract expireAt(date: Date | undefined): void;

  /** Cuts the connection without a close frame: the client sees 1006, and messages that wait for it are lost. */
  abstract terminate(): void;
}

/** The hook in the place of each event that a socket of `ws` or Socket.IO emits. */
const HOOK_OF: ReadonlyMap<string, string> = new Map([
  ['open', 'onOpen'],
  ['message', 'onMessage'],
  ['drain', 'onDrain'],
  ...['close', 'error', 'disconnect', 'disconnecting'].map((event) => [event, 'onClose'] as const),
]);

/** What listens to a socket of `ws`, and stops listening. */
const LISTENING = [
  ...['on', 'once', 'addListener', 'prependListener', 'prependOnceListener', 'addEventListener'],
  ...['off', 'removeListener', 'removeAllListeners', 'removeEventListener'],
];

function noEvents(call: string, event: string): never {
  const hook = HOOK_OF.get(event) ?? 'onOpen, onMessage or onClose';
  throw new RealtimeError('no_events', `A Connection has no events: instead of ${call} write the hook ${hook}`);
}

// Code that was written for ws or Socket.IO calls these; the type does not have them, so that the compiler objects first
for (const method of LISTENING) {
  const value = (event: unknown) => noEvents(`${method}('${String(event)}')`, String(event));
  Object.defineProperty(Connection.prototype, method, { value, configurable: true, writable: true });
}
for (const event of ['open', 'message', 'close', 'error']) {
  const set = () => noEvents(`on${event} = …`, event);
  Object.defineProperty(Connection.prototype, `on${event}`, { set, configurable: true });
}

/**
 * A connection as `RealtimeServer.info()` and `list()` report it. It is plain data, because it may come from another
 * node.
 */
export interface ConnectionInfo {
  readonly id: string;
  /** `websocket`, `sse` or `polling`. */
  readonly transport: string;
  /** The path of the gateway. */
  readonly path: string;
  /** The client's IP address. */
  readonly address: string;
  /**
   * The port of the TCP connection that opened it; behind a proxy it is the proxy's. Undefined on a unix socket.
   */
  readonly remotePort?: number;
  /** The agreed subprotocol; an empty string when there is none. */
  readonly protocol: string;
  readonly userId?: string;
  readonly rooms: readonly string[];
  /** A connection that is closing still counts, until its wire is gone; it takes no messages. */
  readonly state: 'open' | 'closing';
  /** When it was opened, in milliseconds since 1970. */
  readonly openedAt: number;
  /** Milliseconds since the client's last sign of life. */
  readonly silentForMs: number;
  /** When bytes of messages were last written to its wire, in milliseconds since 1970; undefined if there were none. */
  readonly lastSentAt?: number;
  /** Bytes that wait until the client reads them. */
  readonly bufferedBytes: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
  /** Payload bytes. */
  readonly bytesIn: number;
  /** Payload bytes. */
  readonly bytesOut: number;
}
