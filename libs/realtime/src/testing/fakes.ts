/** What hooks get, without a server: for unit tests of a gateway. */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { CloseInfo } from '../close-info.js';
import { Connection, ReadyState } from '../connection.js';
import type { DataOf } from '../contract.js';
import { RealtimeError } from '../errors.js';
import { eventFrame, Frame, type Payload, type PushOptions } from '../frame.js';
import { HandshakeRequest } from '../handshake-request.js';
import { checkClose, checkDate, checkName, checkSize, type NameBounds } from '../limits/checks.js';
import { Message } from '../message.js';
import { RealtimeSettings } from '../settings/settings.js';
import type { Received } from './wires/wire.js';

/** The parts of a FakeConnection that a test may choose; each has a default. */
export interface FakeConnectionParts<Data = unknown> {
  /** Default: `fake.1`, `fake.2`, … */
  readonly id?: string;
  /** Default: `websocket`. */
  readonly transport?: string;
  /** The path of the gateway; default `/`. */
  readonly path?: string;
  readonly params?: Readonly<Record<string, string>>;
  /** Default: `path`. */
  readonly url?: string;
  /** Default: `127.0.0.1`. */
  readonly address?: string;
  readonly protocol?: string;
  readonly userId?: string;
  /** The rooms that it is in at the beginning; default: none. */
  readonly rooms?: readonly string[];
  /** Default: an empty object. */
  readonly data?: Data;
}

let made = 0;

/**
 * A connection for unit tests: it takes what a real one takes, refuses what a real one refuses, and records it.
 *
 * @typeParam Data the type of `data`
 * @example
 * const connection = new FakeConnection({ userId: 'ann' });
 * gateway.onOpen(connection);
 * expect(connection.sent).toEqual(['Hello ann']);
 */
export class FakeConnection<Data = unknown> extends Connection<Data> {
  readonly id: string;
  readonly transport: string;
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
  readonly url: string;
  readonly address: string;
  readonly protocol: string;
  readonly openedAt = Date.now();
  readonly rooms: Set<string>;
  userId: string | undefined;
  data: DataOf<Data>;
  readyState: ReadyState = ReadyState.OPEN;
  /** A test may set it. */
  bufferedBytes = 0;
  /** Set to false to simulate a client that is too slow: `send` and `emit` then return false. */
  takesMessages = true;
  /** What `send` has sent, in order: text as a string, binary as bytes. */
  readonly sent: Received[] = [];
  /** What `emit` has sent, in order, as a client would read it from the JSON. */
  readonly emitted: { readonly event: string; readonly data?: unknown }[] = [];
  /** The rooms of all calls of `join`, in order. */
  readonly joined: string[] = [];
  /** The rooms of all calls of `leave`, in order. */
  readonly left: string[] = [];
  /** What `present` was called with, in order. */
  readonly presented: { readonly room: string; readonly state: unknown }[] = [];
  /** How the gateway ended it: by `close`, or by `terminate` with 1006; undefined while it has not. */
  closed?: { readonly code: number; readonly reason: string };
  isPaused = false;
  /** What the gateway has passed to `expireAt`. */
  expiresAt?: Date;
  private readonly aborter = new AbortController();

  constructor(parts: FakeConnectionParts<Data> = {}) {
    super();
    this.id = parts.id ?? `fake.${++made}`;
    this.transport = parts.transport ?? 'websocket';
    this.path = parts.path ?? '/';
    this.params = parts.params ?? {};
    this.url = parts.url ?? this.path;
    this.address = parts.address ?? '127.0.0.1';
    this.protocol = parts.protocol ?? '';
    this.rooms = new Set(parts.rooms);
    this.userId = parts.userId;
    this.data = (parts.data ?? {}) as DataOf<Data>;
  }

  get signal(): AbortSignal {
    return this.aborter.signal;
  }

  send(data: Payload): boolean {
    const frame = this.taken(() => Frame.of(data));
    if (!frame) return false;
    this.sent.push(frame.isBinary ? Buffer.from(frame.data) : frame.text);
    return true;
  }

  emit(event: string, data?: unknown, _options?: PushOptions): boolean {
    const frame = this.taken(() => eventFrame(event, data, undefined, BOUNDS));
    if (!frame) return false;
    this.emitted.push(JSON.parse(frame.text) as { event: string });
    return true;
  }

  async join(room: string): Promise<void> {
    checkName('room', room, BOUNDS);
    this.joined.push(room);
    if (this.readyState !== ReadyState.CLOSED) this.rooms.add(room);
  }

  async leave(room: string): Promise<void> {
    this.left.push(room);
    if (this.readyState !== ReadyState.CLOSED) this.rooms.delete(room);
  }

  present(room: string, state?: unknown): void {
    if (!this.isOpen) return;
    if (!this.rooms.has(room)) throw new RealtimeError('not_in_room', `The connection is not in the room ${room}`);
    this.presented.push({ room, state });
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  expireAt(date: Date | undefined): void {
    if (date) checkDate(date);
    this.expiresAt = date;
  }

  /** As on a real connection, the client still has to answer: `end()` does that. */
  close(code = 1000, reason = ''): void {
    checkClose(code, reason);
    if (this.readyState !== ReadyState.OPEN) return;
    this.closed = { code, reason };
    this.readyState = ReadyState.CLOSING;
  }

  terminate(): void {
    if (this.readyState === ReadyState.CLOSED) return;
    this.closed ??= { code: 1006, reason: '' };
    this.end();
  }

  /**
   * Ends the connection: from now on it is closed, and its `signal` is aborted.
   *
   * @param code the code of a client that closes; default 1006, a client that vanishes. Where the gateway has closed the
   *   connection before, its code counts
   * @param reason default: an empty string
   * @returns what `onClose` gets
   * @example gateway.onClose(connection, connection.end(1000));
   */
  end(code = 1006, reason = ''): CloseInfo {
    const { closed } = this;
    this.readyState = ReadyState.CLOSED;
    this.aborter.abort();
    if (closed) return new CloseInfo(closed.code, closed.reason, closed.code !== 1006, 'server');
    return new CloseInfo(code, reason, code !== 1006, 'client');
  }

  /** As on a real connection, what cannot be sent is not sent. */
  private taken(make: () => Frame): Frame | undefined {
    if (!this.takesMessages || this.readyState !== ReadyState.OPEN) return undefined;
    try {
      const frame = make();
      checkSize(frame, BOUNDS);
      return frame;
    } catch {
      return undefined;
    }
  }
}

/** The bounds of names and messages by default. */
const BOUNDS: NameBounds = { settings: RealtimeSettings.from({ envFile: false }, {}), limits: { reached: () => true } };

/**
 * Makes the message that `onMessage` gets.
 *
 * @param data text, or bytes for a binary message; an object is encoded as JSON
 * @example await gateway.onMessage(connection, fakeMessage({ room: 'news' }));
 */
export function fakeMessage(data: string | Uint8Array | object): Message {
  if (data instanceof Uint8Array) return new Message(Buffer.from(data), true);
  return new Message(Buffer.from(typeof data === 'string' ? data : JSON.stringify(data)), false);
}

/** The parts of a fake handshake; each has a default. */
export interface FakeHandshakeParts {
  /** The path of the gateway; default `/`. */
  readonly path?: string;
  readonly params?: Readonly<Record<string, string>>;
  /** The request target with its query; default: `path`. */
  readonly url?: string;
  /** Request headers; their names are in lower case. */
  readonly headers?: IncomingHttpHeaders;
  /** Default: `127.0.0.1`. */
  readonly address?: string;
  /** What middleware or a guard puts on the request. */
  readonly user?: unknown;
  /** What middleware puts on the request. */
  readonly session?: unknown;
}

/**
 * Makes the request that `onHandshake` and `onOpen` get.
 *
 * @example expect(gateway.onHandshake(fakeHandshake({ url: '/orders?user=ann' }))).toEqual({ userId: 'ann' });
 */
export function fakeHandshake(parts: FakeHandshakeParts = {}): HandshakeRequest {
  const { path = '/', params, url = path, headers = {}, address = '127.0.0.1', user, session } = parts;
  const socket = { remoteAddress: address };
  const incoming = { method: 'GET', url, headers, socket, user, session } as unknown as IncomingMessage;
  return new HandshakeRequest(incoming, { path, params, address });
}
