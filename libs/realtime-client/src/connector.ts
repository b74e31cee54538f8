/** Keeps a wire to the server: what the end of one means, and when and how the next is tried. */
import { mayReconnect } from 'nestjs-realtime-protocol';
import type { Attempt, AttemptOptions } from './attempt.js';
import { UnauthorizedError } from './errors.js';
import { Ladder } from './ladder.js';
import { Liveness } from './liveness.js';
import { watchPage } from './page.js';
import { probe } from './probe.js';
import { Retry } from './retry.js';
import type { State } from './state.js';
import type { Upper } from './upper.js';
import { DETACH, type Refusal, type Transport, type WireEnd } from './wire.js';
import { Wires } from './wires.js';
import { hintOf, wordsOf } from './words.js';

/** A connection that lived this long was a good one: the next delay is short again. */
const STABLE_MS = 10_000;
/** A line of this length may be refused by a proxy. */
const LONG_HELLO = 2048;
/** Codes that the network gives, not the server: the session may live. */
const WIRE_LOST = new Set([1005, 1006, 1014, 1015]);
const PING = '{"event":"rt:ping"}';

export class Connector {
  state: State = { status: 'closed', code: 1000, reason: 'not connected yet' };
  #openedAt = 0;
  /** The server refused the token, and no connection has been stable since. */
  #isRefused = false;
  /** The transport to move to, as soon as there is nothing else under way. */
  #wanted: Transport | undefined;
  #unwatch: (() => void) | undefined;
  #ladder: Ladder;
  #retry: Retry;
  #liveness: Liveness;
  #wires: Wires;

  constructor(
    transports: readonly Transport[],
    private readonly options: AttemptOptions,
    private readonly upper: Upper,
  ) {
    const { environment } = options;
    this.#ladder = new Ladder(transports);
    this.#retry = new Retry(environment, () => this.#try());
    const dead = () => this.#cut({ code: 1006, reason: 'the server does not answer any more' });
    this.#liveness = new Liveness(environment, () => this.send(PING), dead);
    this.#wires = new Wires(options, upper, {
      heard: () => this.#liveness.heard(),
      replaced: () => this.#liveness.stop(),
      stayed: () => this.#follow(),
      ended: (attempt, end) => this.#ended(attempt, end),
      failed: (error) => this.#failed(error),
    });
  }

  /** Connects now, unless there is a connection or an attempt. */
  connect(): void {
    if (this.#wires.now) return;
    this.#unwatch ??= watchPage(this.options.environment, {
      woken: () => this.#woken(),
      offline: () => this.#offline(),
      left: (isKept) => this.#left(isKept),
      shown: () => this.#ladder.better && this.#move(this.#ladder.better),
    });
    this.#try();
  }

  /** Ends the connection for good. */
  close(code: number): void {
    this.#drop(code);
    this.#finish(code, 'closed on purpose');
  }

  /** Whether messages may be sent. */
  get isWritable(): boolean {
    return this.#wires.isWritable;
  }

  send(data: string | Uint8Array, n?: number): void {
    this.#wires.now?.send(data, n);
  }

  /** The connection is open. @param pingMs the server's ping time; 0: it cannot be asked for a sign of life */
  ready(id: string | undefined, isResumed: boolean, pingMs: number): void {
    const now = this.#wires.now!;
    const wasOpen = now.isOpen;
    now.opened();
    if (!wasOpen) this.#openedAt = this.options.environment.now();
    this.#ladder.opened(now.transport, Boolean(this.upper.session()));
    this.#liveness.start(pingMs);
    if (!wasOpen || !isResumed) this.#set({ status: 'open', transport: now.transport, id, isResumed });
    this.#follow();
  }

  /** Uses another transport from now on; an open connection moves there when it can. */
  use(transport: Transport): void {
    this.#wanted = transport;
    this.#follow();
  }

  /** The server says that the token expires. */
  expires(): void {
    const { now } = this.#wires;
    if (!this.options.token.isRenewable || !now) return;
    this.options.token.renew('expires');
    this.use(this.#wanted ?? now.transport);
  }

  #try(): void {
    if (this.#wanted) this.#ladder.choose(this.#wanted);
    this.#wanted = undefined;
    this.#retry.stop();
    this.#set({ status: 'connecting', attempt: this.#retry.attempts });
    this.#wires.open(this.#ladder.transport, this.#ladder.mode);
  }

  /** The present wire stays until the next one is open. */
  #move(transport: Transport): void {
    if (this.#isMovable) this.#wires.open(transport, this.#ladder.mode);
  }

  get #isMovable(): boolean {
    return this.isWritable && Boolean(this.upper.session());
  }

  /** Moves to the transport that was asked for, unless another move is under way: then after it. */
  #follow(): void {
    const wanted = this.#wanted;
    if (!wanted || !this.#isMovable) return;
    this.#wanted = undefined;
    this.#move(wanted);
  }

  #ended(attempt: Attempt, end: WireEnd): void {
    this.#liveness.stop();
    if (attempt.isUp) this.#lost(end);
    else void this.#notOpened(attempt, end);
  }

  /** There was no handshake: no token, or no transport. */
  #failed(error: Error): void {
    if (error instanceof UnauthorizedError) this.#finish(4501, error.message);
    else this.#wait(0, error.message);
  }

  #drop(code: number): void {
    this.#liveness.stop();
    this.#wires.drop(code);
  }

  #cut(end: WireEnd): void {
    this.#drop(DETACH);
    this.#lost(end);
  }

  /** A connection has ended. */
  #lost({ code, reason }: WireEnd): void {
    if (this.#openedAt > 0 && this.options.environment.now() - this.#openedAt >= STABLE_MS) {
      this.#retry.attempts = 0;
      this.#isRefused = false;
    }
    this.#openedAt = 0;
    if (!WIRE_LOST.has(code)) this.upper.forget();
    const words = wordsOf(code, reason);
    if (code === 4501 || code === 4502) this.#unauthorized(code, words);
    else if (mayReconnect(code)) this.#wait(hintOf(reason), words);
    else this.#finish(code, words);
  }

  /** A connection was not made. */
  async #notOpened({ transport }: Attempt, { refusal, reason }: WireEnd): Promise<void> {
    const { environment, url, token } = this.options;
    const before = this.state;
    const known = await token.get().catch(() => undefined);
    const seen = transport === 'websocket' ? await probe(environment, url, known) : refusal;
    if (this.state === before) this.#refused(seen ?? { status: 0, isBlocked: false, words: reason });
  }

  #refused({ status, retryAfterMs = 0, isBlocked, words }: Refusal): void {
    if (isBlocked) this.#ladder.blocked(this.upper.hello().length > LONG_HELLO);
    else this.#ladder.refused();
    if (status === 401) this.#unauthorized(4501, words);
    else if (status === 403) this.#finish(4501, words);
    else this.#wait(retryAfterMs, words);
  }

  /** Asks for another token, once. */
  #unauthorized(code: number, words: string): void {
    if (this.#isRefused || !this.options.token.isRenewable) return this.#finish(code, words);
    this.#isRefused = true;
    this.options.token.renew('refused');
    this.#wait(0, words);
  }

  #wait(hintMs: number, reason: string): void {
    const retryAt = this.#retry.wait(hintMs);
    this.#set({ status: 'waiting', attempt: this.#retry.attempts, retryAt, reason });
  }

  #finish(code: number, reason: string): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.#retry.stop();
    this.#retry.attempts = 0;
    this.#isRefused = false;
    this.upper.forget();
    this.#set({ status: 'closed', code, reason });
  }

  #woken(): void {
    const retryAt = this.#retry.wake();
    if (retryAt !== undefined && this.state.status === 'waiting') this.#set({ ...this.state, retryAt });
    this.#liveness.check();
  }

  #offline(): void {
    if (this.#retry.pause()) this.#set({ ...this.state, retryAt: undefined } as State);
    this.#liveness.check();
  }

  /** The page is left; out of the back/forward cache it may come back, and its wires cannot. */
  #left(isKept: boolean): void {
    const { now } = this.#wires;
    if (!now || (!isKept && now.transport === 'websocket')) return;
    this.#drop(isKept ? DETACH : 1000);
    if (isKept) this.#wait(0, 'the page was left');
  }

  #set(state: State): void {
    this.state = state;
    this.upper.changed(state);
  }
}
