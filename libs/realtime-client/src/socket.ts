/** What the application holds: events, requests, rooms and the state of one connection, across its wires. */
import type * as Typed from './contract.js';
import { Conversation } from './conversation.js';
import type { Environment } from './environment.js';
import { ClientError } from './errors.js';
import { Listeners, Reader } from './listeners.js';
import type { ConnectOptions } from './options.js';
import type { Answers } from './replies.js';
import type { Room } from './rooms.js';
import type { Outgoing } from './session.js';
import type { State } from './state.js';
import type { OpenTransport, Transport } from './wire.js';

/** What is known of a message beside its data. */
export interface Meta {
  readonly event: string;
  /** The room, for a message of a room with history. */
  readonly room?: string;
  /** Where the message stands in the history of its room: opaque. */
  readonly position?: string;
}

/** Options of `emit` and `send`. */
export interface EmitOptions {
  /**
   * True: when the connection is lost for longer than the server keeps its session, the message is sent again on the
   * new connection, and may then be handled twice. Default false: it is sent at most once.
   */
  readonly retry?: boolean;
}

/** Options of `request`. */
export interface RequestOptions {
  /** How long to wait for the answer, in milliseconds; default: the option of `connect`. */
  readonly timeout?: number;
  readonly signal?: AbortSignal;
}

const TIMEOUT_MS = 10_000;

/**
 * A connection that comes back by itself. `connect()` makes one.
 *
 * @typeParam C the contract of the application
 */
export class RealtimeSocket<C extends Typed.Contract = Typed.AnyContract> {
  #listeners = new Listeners();
  #conversation: Conversation;

  /** @internal Made by `connect()`. */
  constructor(url: string | URL, settings: ConnectOptions, open: OpenTransport, environment: Environment) {
    this.#conversation = new Conversation(url, settings, open, environment, this.#listeners);
  }

  /** The state: an object that is replaced when it changes. */
  get state(): State {
    return this.#conversation.state;
  }

  /** How many messages came twice after a reconnection, and were dropped. */
  get duplicates(): number {
    return this.#conversation.allRooms.repeated;
  }

  /** The history of this client's own user: `recovered` and `gap` as of a room. */
  get user(): Room<C> {
    return this.#conversation.allRooms.user as Room<C>;
  }

  /**
   * Listens to the state. It needs no `this`, so it fits React's `useSyncExternalStore`.
   *
   * @returns how to stop listening
   * @example const state = useSyncExternalStore(socket.onState, () => socket.state);
   */
  readonly onState = (listener: (state: State) => void): (() => void) => this.#listeners.on('rt:state', listener);

  /**
   * Listens to an event from the server.
   *
   * @returns how to stop listening
   * @example const off = socket.on('message', ({ text }, { room }) => show(room, text));
   */
  on<E extends Typed.ServerEvent<C>>(
    event: E,
    listener: (data: Typed.ServerEvents<C>[E], meta: Meta) => void,
  ): () => void {
    return this.#listeners.on(event, listener);
  }

  /**
   * Iterates over the data of an event. Listening begins with the call, and ends when the loop is left or the client is
   * closed.
   *
   * @throws ClientError `too_slow` in the loop when more than 1,000 events wait for it
   * @example for await (const { text } of socket.events('message')) show(text);
   */
  events<E extends Typed.ServerEvent<C>>(event: E): AsyncIterableIterator<Typed.ServerEvents<C>[E]> {
    const reader = new Reader<Typed.ServerEvents<C>[E]>(() => {
      off();
      offState();
    });
    const off = this.on(event, (data) => reader.push(data));
    const offState = this.onState(({ status }) => status === 'closed' && reader.finish());
    return reader;
  }

  /** Listens to messages that are not events: texts and bytes of `connection.send()`. */
  onRaw(listener: (data: string | ArrayBuffer, meta: Partial<Meta>) => void): () => void {
    return this.#listeners.on('rt:raw', listener);
  }

  /**
   * Emits an event. While there is no connection it waits in a bounded queue.
   *
   * @returns true when it was sent or waits; false when the client is closed or the queue is full
   * @throws ClientError `too_big` when it is longer than the server takes; TypeError when JSON cannot hold the data
   */
  emit<E extends Typed.ClientEvent<C>>(
    event: E & string,
    ...args: [...Typed.InputArgs<C, E>, options?: EmitOptions]
  ): boolean {
    const [data, options] = args as unknown as [unknown, EmitOptions?];
    const id = options?.retry ? this.#conversation.replies.nextId() : undefined;
    return this.send(JSON.stringify({ event, data, id }), options);
  }

  /** Sends a text or bytes as they are, for a gateway with `onMessage`. @returns as `emit` @throws as `emit` */
  send(data: string | Uint8Array, { retry }: EmitOptions = {}): boolean {
    return this.#conversation.say(this.#outgoing(data, retry));
  }

  /**
   * Asks the server, and waits for the answer.
   *
   * @returns the answer; undefined when the method returned nothing
   * @throws RequestError when the server refuses; ClientError `timeout`, `aborted`, `closed`, `queue_full`, `too_big`, or
   *   `unknown` when the connection was lost and the server may have handled it
   * @example const lines = await socket.request('history', { n: 20 }, { timeout: 5000 });
   */
  request<E extends Typed.RequestName<C>>(
    event: E & string,
    ...args: [...Typed.InputArgs<C, E>, options?: RequestOptions]
  ): Promise<Typed.Answer<C, E>> {
    const [data, { timeout = this.#conversation.settings.timeout ?? TIMEOUT_MS, signal } = {}] = args as unknown as [
      unknown,
      RequestOptions?,
    ];
    return new Promise((resolve, reject) => {
      const id = this.ask(event, data, {
        item: (answer) => {
          resolve(answer as Typed.Answer<C, E>);
          this.#conversation.replies.finish(id);
        },
        finish: (error) => {
          cancelTimer();
          signal?.removeEventListener('abort', abort);
          if (error) reject(error);
          else resolve(undefined as Typed.Answer<C, E>);
        },
      });
      const abort = () => this.cancel(id, new ClientError('aborted', `${event} was aborted`));
      const late = () => this.cancel(id, new ClientError('timeout', `No answer to ${event} in ${timeout} ms`));
      const cancelTimer = this.#conversation.environment.after(timeout, late);
      signal?.addEventListener('abort', abort);
      if (signal?.aborted) abort();
    });
  }

  /** A room, as this client sees it: where it stands in its history, and who is present. The server decides who joins. */
  room(name: string): Room<C> {
    return this.#conversation.allRooms.get(name) as Room<C>;
  }

  /** Connects, when the client is closed; connects at once, when it waits for its next attempt. */
  connect(): this {
    this.#conversation.connect();
    return this;
  }

  /**
   * Closes the connection for good, until `connect()`.
   *
   * @param code 1000 (default) or 3000 to 4999; only a WebSocket carries another one than 1000
   */
  close(code = 1000): void {
    this.#conversation.closeWith(code);
  }

  /** Uses another transport from now on. An open connection moves to it when it can, and stays where it is when not. */
  use(transport: Transport): void {
    this.#conversation.use(transport);
  }

  #outgoing(data: string | Uint8Array, again?: boolean): Outgoing {
    const size = typeof data === 'string' ? new TextEncoder().encode(data).length : data.byteLength;
    const { limit } = this.#conversation;
    if (size <= limit) return { payload: data, size, again };
    throw new ClientError('too_big', `A message of ${size} bytes is longer than the ${limit} that the server takes`);
  }

  /** @internal @returns the id of the request */
  ask(event: string, data: unknown, answer: Answers): string {
    const { replies } = this.#conversation;
    const id = replies.nextId();
    const message = this.#outgoing(JSON.stringify({ event, data, id }));
    this.#conversation.say(replies.add(id, { ...message, ...answer, event }));
    return id;
  }

  /** @internal */
  cancel(id: string, error?: Error): void {
    this.#conversation.cancel(id, error);
  }
}
