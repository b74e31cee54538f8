/** Keeps a wire to the server: what the end of one means, and when and how the next is tried. */
import { mayReconnect } from 'nestjs-realtime-protocol';
import type { Attempt, AttemptOptions } from './attempt.js';
import { Ladder } from './ladder.js';
import { Liveness } from './liveness.js';
import { type PageWatcher, watchPage } from './page.js';
import { probe, refusalOf } from './probe.js';
import { Retry } from './retry.js';
import type { State } from './state.js';
import type { Upper } from './upper.js';
import { AWAY, DETACH, type Refusal, type Transport, type WireEnd } from './wire.js';
import { Wires, type WiresOwner } from './wires.js';
import { hintOf, wordsOf } from './words.js';

/** A connection that lived this long was a good one: the next delay is short again. */
const STABLE_MS = 10_000;
/** A line of this length may be refused by a proxy. */
const LONG_HELLO = 2048;
/** Codes that the network gives, not the server: the session may live. */
const WIRE_LOST = new Set([1005, 1006, 1014, 1015]);
const PING = '{"event":"rt:ping"}';

export class Connector implements PageWatcher, WiresOwner {
  state: State = { status: 'connecting', attempt: 0 };
  /** When the connection was opened; Infinity when there is none. */
  #openedAt = Infinity;
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
    const dead = () => {
      this.#drop(DETACH);
      this.#lost({ code: 1006, reason: AWAY });
    };
    this.#liveness = new Liveness(environment, () => this.send(PING), dead);
    this.#wires = new Wires(options, upper, this);
  }

  /** Connects now, unless there is a connection or an attempt. */
  connect(): void {
    if (this.#wires.now) return;
    this.#unwatch ??= watchPage(this.options.environment, this);
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
    now.ready();
    if (!wasOpen) this.#openedAt = this.options.environment.now();
    this.#ladder.choose(now.transport);
    this.#liveness.start(pingMs);
    if (!wasOpen || !isResumed) this.#set({ status: 'open', transport: now.transport, id, isResumed });
    this.stayed();
  }

  /** Uses another transport from now on; an open connection moves there when it can. */
  use(transport: Transport): void {
    this.#wanted = transport;
    this.stayed();
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
    this.#wires.open(this.#ladder.transport, this.#ladder.isShort);
  }

  heard(): void {
    this.#liveness.heard();
  }

  replaced(): void {
    this.#liveness.stop();
  }

  /** Moves to the transport that was asked for, unless another move is under way: then after it. */
  stayed(): void {
    const wanted = this.#wanted;
    if (!wanted || !this.isWritable) return;
    this.#wanted = undefined;
    this.#wires.open(wanted, false);
  }

  ended(attempt: Attempt, end: WireEnd): void {
    this.#liveness.stop();
    if (end.refusal) this.#refused(end.refusal, attempt.transport !== 'websocket');
    else if (attempt.isUp || end.code !== 1006) this.#lost(end);
    else void this.#notOpened(attempt, end);
  }

  #drop(code: number): void {
    this.#liveness.stop();
    this.#wires.drop(code);
  }

  /** A connection has ended. */
  #lost({ code, reason }: WireEnd): void {
    if (this.options.environment.now() - this.#openedAt >= STABLE_MS) {
      this.#retry.attempts = 0;
      this.#isRefused = false;
    }
    this.#openedAt = Infinity;
    if (!WIRE_LOST.has(code)) this.upper.forget();
    this.#over(code, wordsOf(code, reason), hintOf(reason));
  }

  /** A connection was not made: why? */
  async #notOpened(attempt: Attempt, { answer, body, reason }: WireEnd): Promise<void> {
    const { state } = this;
    let refusal: Refusal = { words: reason };
    if (answer) refusal = refusalOf(answer, body!);
    // Polling is nothing but plain requests
    else if (attempt.transport !== 'polling') refusal = await probe(attempt, this.options);
    // A server may have returned between the attempt and its probe
    if (this.state === state) this.#refused(refusal, Boolean(answer));
  }

  /** @param isSure one refusal is enough to give up a transport that is blocked */
  #refused({ status, retryAfterMs = 0, isBlocked, isAbsent = false, words }: Refusal, isSure: boolean): void {
    const { transport } = this.#ladder;
    if (isBlocked || isAbsent) this.#ladder.blocked(isSure || isAbsent, this.upper.hello().length > LONG_HELLO);
    else this.#ladder.tries = 0;
    if (isAbsent && this.#ladder.transport !== transport) this.#try();
    else if (status === 403) this.#finish(4501, words);
    else this.#over(status === 401 ? 4501 : 1006, words, retryAfterMs);
  }

  /** Comes back, or does not. A token that was refused is asked for again, once. */
  #over(code: number, words: string, hintMs: number): void {
    const mayRenew = (code === 4501 || code === 4502) && !this.#isRefused && this.options.token.isRenewable;
    if (mayRenew) {
      this.#isRefused = true;
      this.options.token.renew('refused');
    }
    if (mayRenew || mayReconnect(code)) this.#wait(hintMs, words);
    else this.#finish(code, words);
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

  woken(): void {
    if (this.state.status === 'waiting') this.#set({ ...this.state, retryAt: this.#retry.wake() });
    this.#liveness.check();
  }

  offline(): void {
    this.#retry.stop();
    if (this.state.status === 'waiting') this.#set({ ...this.state, retryAt: undefined });
    this.#liveness.check();
  }

  shown(): void {
    const { better } = this.#ladder;
    // The present wire stays until the next one is open
    if (better && this.isWritable) this.use(better);
  }

  /** The page is left; out of the back/forward cache it may come back, and its wires cannot. */
  left(isKept: boolean): void {
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
