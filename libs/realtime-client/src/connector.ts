/** Keeps a wire to the server: what the end of one means, and when and how the next is tried. */
import { mayReconnect } from 'nestjs-realtime-protocol';
import type { Attempt, AttemptOptions } from './attempt.js';
import type { Environment, PageEvent } from './environment.js';
import { Ladder } from './ladder.js';
import { type PageWatcher, watchPage } from './page.js';
import { probe, refusalOf } from './probe.js';
import { Retry } from './retry.js';
import type { Session } from './session.js';
import type { State } from './state.js';
import { DETACH, type Refusal, type Transport, type WireEnd } from './wire.js';
import { Wires, type WiresOwner } from './wires.js';
import { hintOf, wordsOf } from './words.js';

/** A connection that lived this long was a good one: the next delay is short again. */
const STABLE_MS = 10_000;
/** A line of this length may be refused by a proxy. */
const LONG_HELLO = 2048;
/** Codes that the network gives, not the server: the session may live. */
const WIRE_LOST = [1005, 1006, 1014, 1015];

export abstract class Connector implements PageWatcher, WiresOwner {
  state: State = { status: 'connecting', attempt: 0 };
  /** When the connection was opened; Infinity when there is none. */
  #openedAt = Infinity;
  /** The server refused the token, and no connection has been stable since. */
  #isRefused: boolean | undefined;
  /** The transport to move to, as soon as there is nothing else under way. */
  #wanted: Transport | undefined;
  #page: AbortController | undefined;
  readonly environment: Environment;
  #ladder: Ladder;
  #retry: Retry;
  #wires: Wires;

  constructor(
    transports: readonly Transport[],
    private readonly attempts: AttemptOptions,
  ) {
    const { environment } = attempts;
    this.environment = environment;
    this.#ladder = new Ladder(transports);
    this.#retry = new Retry(environment, () => this.#try());
    this.#wires = new Wires(attempts, this);
  }

  abstract hello(bearer?: string): string;
  abstract readonly ledger: Pick<Session, 'secret'>;
  abstract firstMessage(): Promise<string | undefined>;
  abstract received(data: string | ArrayBuffer): void;
  abstract acknowledged(n: number): void;
  abstract writable(): void;
  abstract changed(state: State): void;

  /** Connects now, unless there is a connection or an attempt. */
  connect(): void {
    if (this.#wires.present) return;
    this.#page ??= watchPage(this.environment.page, this);
    this.#try();
  }

  /** Ends the connection for good. */
  closeWith(code: number): void {
    this.#wires.drop(code);
    this.#finish(code, 'closed on purpose');
  }

  /** Whether messages may be sent. */
  get isWritable(): boolean {
    return this.#wires.isWritable;
  }

  write(data: string | Uint8Array, n?: number): void {
    this.#wires.present?.write(data, n);
  }

  /** The connection is open. @param pingMs the server's ping time; 0: it cannot be asked for a sign of life */
  ready(id: string | undefined, isResumed: boolean, pingMs: number): void {
    const present = this.#wires.present!;
    const wasOpen = present.isOpen;
    present.ready();
    if (!wasOpen) this.#openedAt = this.environment.time();
    this.#ladder.choose(present.via);
    this.#wires.liveness.start(pingMs);
    if (!wasOpen || !isResumed) this.#set({ status: 'open', transport: present.via, id, isResumed });
    this.stayed();
  }

  /** Uses another transport from now on; an open connection moves there when it can. */
  use(transport: Transport): void {
    this.#wanted = transport;
    this.stayed();
  }

  /** The server says that the token expires. */
  expires(): void {
    const { present } = this.#wires;
    if (present && this.attempts.credential.renew('expires')) this.use(this.#wanted ?? present.via);
  }

  #try(): void {
    if (this.#wanted) this.#ladder.choose(this.#wanted);
    this.#wanted = undefined;
    this.#retry.stop();
    this.#set({ status: 'connecting', attempt: this.#retry.attempts });
    this.#wires.dial(this.#ladder.via, this.#ladder.isShort);
  }

  /** Moves to the transport that was asked for, unless another move is under way: then after it. */
  stayed(): void {
    const wanted = this.#wanted;
    if (!wanted || !this.isWritable) return;
    this.#wanted = undefined;
    this.#wires.dial(wanted);
  }

  ended(attempt: Attempt, end: WireEnd): void {
    if (end.refusal) this.#refused(end.refusal, attempt.via !== 'websocket');
    else if (attempt.isUp || end.code !== 1006) this.#lost(end);
    else void this.#notOpened(attempt, end);
  }

  /** A connection has ended. */
  #lost({ code, reason }: WireEnd): void {
    if (this.environment.time() - this.#openedAt >= STABLE_MS) {
      this.#retry.attempts = 0;
      this.#isRefused = false;
    }
    this.#openedAt = Infinity;
    if (!WIRE_LOST.includes(code)) this.ledger.secret = undefined;
    this.#over(code, wordsOf(code, reason), hintOf(reason));
  }

  /** A connection was not made: why? */
  async #notOpened(attempt: Attempt, { answer, body, reason }: WireEnd): Promise<void> {
    const { state } = this;
    let refusal: Refusal = { words: reason };
    if (answer) refusal = refusalOf(answer, body!);
    // Polling is nothing but plain requests
    else if (attempt.via !== 'polling') refusal = await probe(attempt, this.attempts);
    // A server may have returned between the attempt and its probe
    if (this.state === state) this.#refused(refusal, Boolean(answer));
  }

  /** @param isSure one refusal is enough to give up a transport that is blocked */
  #refused({ status, retryAfterMs = 0, isBlocked, isAbsent, words }: Refusal, isSure: boolean): void {
    const { via } = this.#ladder;
    if (isBlocked || isAbsent) this.#ladder.blocked(isSure || isAbsent, this.hello().length > LONG_HELLO);
    else this.#ladder.tries = 0;
    if (isAbsent && this.#ladder.via !== via) this.#try();
    else if (status === 403) this.#finish(4501, words);
    else this.#over(status === 401 ? 4501 : 1006, words, retryAfterMs);
  }

  /** Comes back, or does not. A token that was refused is asked for again, once. */
  #over(code: number, words: string, hintMs: number): void {
    const mayRenew = (code === 4501 || code === 4502) && !this.#isRefused && this.attempts.credential.renew('refused');
    this.#isRefused ||= mayRenew;
    if (mayRenew || mayReconnect(code)) this.#wait(hintMs, words);
    else this.#finish(code, words);
  }

  #wait(hintMs: number, reason: string): void {
    const retryAt = this.#retry.wait(hintMs);
    this.#set({ status: 'waiting', attempt: this.#retry.attempts, retryAt, reason });
  }

  #finish(code: number, reason: string): void {
    this.#page?.abort();
    this.#page = undefined;
    this.#retry.stop();
    this.#retry.attempts = 0;
    this.#isRefused = false;
    this.ledger.secret = undefined;
    this.#set({ status: 'closed', code, reason });
  }

  /** Also: the page is visible again, or out of the back/forward cache. */
  online(): void {
    if (this.state.status === 'waiting') this.#set({ ...this.state, retryAt: this.#retry.wake() });
    this.#wires.liveness.check();
  }

  offline(): void {
    this.#retry.stop();
    if (this.state.status === 'waiting') this.#set({ ...this.state, retryAt: undefined });
    this.#wires.liveness.check();
  }

  pageshow({ persisted }: PageEvent): void {
    if (persisted) this.online();
  }

  visibilitychange(): void {
    if (this.environment.page?.document?.visibilityState !== 'visible') return;
    this.online();
    const { steps, via } = this.#ladder;
    // The present wire stays until the next one is open
    if (steps[0] !== via && this.isWritable) this.use(steps[0]!);
  }

  /** The page is left; out of the back/forward cache it may come back, and its wires cannot. */
  pagehide({ persisted }: PageEvent): void {
    const { present } = this.#wires;
    if (persisted && present) {
      this.#wires.drop(DETACH);
      this.#wait(0, 'the page was left');
    } else if (present?.via !== 'websocket') this.#wires.drop(1000);
  }

  #set(state: State): void {
    this.state = state;
    this.changed(state);
  }
}
