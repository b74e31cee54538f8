/**
 * Road IN, step 2: the way in, for transports. The gate finds the gateway of a request, sends the request through the
 * application's middleware to the door (handshake.ts), limits the time for that, and takes a place. Next: engine.open().
 */
import { AsyncResource } from 'node:async_hooks';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { type Awaitable, settle } from '../awaitable.js';
import { AnsweredError } from '../errors.js';
import type { Gateway } from '../gateway.js';
import type { HandshakeRequest } from '../handshake-request.js';
import type { Identity } from '../hooks.js';
import type { HttpAnswer, HttpExchange } from '../http/exchange.js';
import { addressOf, LazyRequest, type PlatformRequest, splitTarget, targetOf } from '../http/platform-request.js';
import { answerFor, isClientsFault, refusal, RefusalLog, unavailable } from '../http/refusals.js';
import type { UpgradeResponse } from '../http/upgrade-response.js';
import { field } from '../log.js';
import type { Node } from '../node/node.js';
import { AdmissionLimits } from './admission-limits.js';
import type { Admission, Guest, Verdict } from './admission.js';
import { Admissions } from './admissions.js';
import { Attempts, whenGone } from './attempts.js';
import { type Attempt, Handshake } from './handshake.js';
import type { Examine, Platform } from './platform.js';
import { Routes } from './routes.js';
import { Sessions } from './sessions.js';

/** A request that was refused. */
type Refused = Pick<Attempt, 'incoming' | 'address'> & { readonly transport: string | undefined };

/** A plain request, which the platform has already sent through the middleware. */
export type Arrived = Pick<HttpExchange, 'incoming' | 'raw' | 'response'>;

export class Gate {
  /** Guests add and remove themselves. */
  readonly guests = new Set<Guest>();
  readonly refusals: RefusalLog;
  readonly sessions: Sessions;
  private platform?: Platform;
  private state: 'starting' | 'running' | 'stopping' = 'starting';
  private readonly routes = new Routes();
  private readonly limits: AdmissionLimits;
  private readonly handshake: Handshake;
  private readonly admissions: Admissions;
  private arrivals = 0;
  private readonly attempts: Attempts<IncomingMessage, Verdict>;

  constructor(private readonly node: Node) {
    this.refusals = new RefusalLog(node);
    this.sessions = new Sessions(node);
    this.limits = new AdmissionLimits(node);
    this.handshake = new Handshake(node, this.limits);
    this.admissions = new Admissions(node, this.limits, this.handshake, this.sessions);
    const timeMs = node.settings.handshakeTimeout * 1000;
    this.attempts = new Attempts(timeMs, ({ socket }, refuse) => this.late(socket, refuse));
  }

  // --- what it serves, and when ---

  /** Adds a gateway. @throws OptionsError when another one has its path */
  bind(gateway: Gateway): void {
    this.routes.add(gateway);
  }

  /** Puts the HTTP application in front of the handshakes. */
  usePlatform(platform: Platform): void {
    this.platform = platform;
    this.limits.trustsPeer = (request) => platform.trustsPeerOf(request);
  }

  /** From now on requests are admitted. */
  start(): void {
    if (this.state === 'starting') this.state = 'running';
  }

  /** From now on every handshake gets 503, including those in progress. */
  stop(): void {
    this.state = 'stopping';
    this.attempts.refuseAll(unavailable('The server is shutting down: try again later'));
  }

  /** False before the application is ready and from the first moment of a shutdown. */
  get isRunning(): boolean {
    return this.state === 'running';
  }

  /** Handshakes in progress, including admitted ones that are not connections yet. */
  get underWay(): number {
    return this.attempts.size + this.limits.places.taken - this.node.hub.connections.size;
  }

  /** Returns whether a path belongs to a gateway. */
  serves(path: string): boolean {
    return this.routes.find(path) !== undefined;
  }

  /** Returns whether a plain GET on this path is answered as a handshake would be. */
  answersGet(path: string): boolean {
    return this.routes.answersGet(path);
  }

  /** Returns whether the gateway of a request accepts a transport. @throws HandshakeError 404 */
  speaks(incoming: IncomingMessage, transport: string): boolean {
    const { gateway } = this.routes.of(incoming);
    if (gateway.answersGet === false) return transport === 'websocket';
    const spoken: readonly string[] = gateway.transports ?? this.node.settings.transports;
    return spoken.includes(transport);
  }

  // --- the ways in ---

  /**
   * Admits an upgrade: at once where no middleware and no hook waits.
   *
   * @throws HandshakeError with the HTTP answer; AnsweredError when the application has answered. So does the promise
   */
  admit(upgrade: UpgradeResponse): Awaitable<Admission> {
    const attempt = this.attempt(upgrade.request, 'websocket');
    // An async context that middleware enters is for this handshake, not for what the node does afterwards
    const scope = new AsyncResource('WebSocketHandshake');
    const examine = () => scope.runInAsyncScope(() => this.send(upgrade, attempt));
    return this.examine(attempt, examine, (error) => (error instanceof AnsweredError ? error : answerFor(error)));
  }

  /** Admits a plain request for a connection over this transport. @throws the error that the platform should answer */
  async admitRequest({ incoming, raw, response }: Arrived, transport: string): Promise<Admission> {
    const attempt = this.attempt(incoming, transport);
    return this.examine(attempt, () => this.handshake.examine(attempt, LazyRequest.of(raw), () => response));
  }

  /** @param answerOf what it throws for an error; default: the error */
  private examine(attempt: Attempt, task: () => Awaitable<Verdict>, answerOf = itself): Awaitable<Admission> {
    return settle(
      () => {
        this.enter(attempt);
        return this.attempts.run(attempt.incoming, task);
      },
      (verdict) => this.hold(verdict, attempt),
      (error) => {
        attempt.isOver = true;
        this.refused(attempt, error);
        throw answerOf(error);
      },
    );
  }

  /**
   * Gives a plain request on a gateway's path the answer that its handshake would get.
   *
   * @throws always: the refusal, or HandshakeError 426 if the handshake would be admitted
   */
  async probe(arrived: Arrived): Promise<never> {
    const { place } = await this.admitRequest(arrived, 'websocket');
    place.release();
    throw refusal(426, 'This path expects a WebSocket handshake: connect with a WebSocket', { Upgrade: 'websocket' });
  }

  /**
   * Runs the origin check and the guards on a further request of a connection.
   *
   * @returns the request as the application sees it
   * @throws the error that the platform should answer
   */
  async recheck({ incoming, raw, response }: Arrived, transport: string): Promise<HandshakeRequest> {
    return this.handshake.examineAgain(this.attempt(incoming, transport), LazyRequest.of(raw), response);
  }

  /** Sets the CORS headers for an origin that may connect. @throws HandshakeError 403 for one that may not */
  allowOrigin(incoming: IncomingMessage, raw: PlatformRequest, answer: Pick<HttpAnswer, 'header'>): void {
    this.handshake.allowOrigin(incoming, raw, answer);
  }

  /**
   * Accepts the identity that `onAuthenticate` returned for an admitted client.
   *
   * @throws HandshakeError when the identity is not acceptable
   */
  accept(answer: Identity | void, admission: Admission): Admission {
    return this.admissions.identified(answer, admission);
  }

  /** Counts a failed handshake for an admitted client whose first message did not identify it. */
  failed(request: HandshakeRequest): void {
    this.limits.failed(request.incoming, request.address);
  }

  /**
   * Counts and logs a refusal that a transport decided by itself.
   *
   * @param transport undefined where the request does not say it
   * @param raw the platform's request, if there is one: it knows the client's address
   */
  noteRefusal(incoming: IncomingMessage, transport: string | undefined, error: unknown, raw?: PlatformRequest): void {
    this.refused({ incoming, transport, address: addressOf(incoming.socket, raw?.ip) }, error);
  }

  private attempt(incoming: IncomingMessage, transport: string): Attempt {
    return { incoming, route: this.routes.of(incoming), transport, arrival: ++this.arrivals };
  }

  /** Checks the first limits, before any code of the application runs. */
  private enter(attempt: Attempt): void {
    const { incoming } = attempt;
    this.requireRunning();
    this.admissions.enter(attempt, this.underWay);
    const address = this.platform ? this.platform.addressOf(incoming) : addressOf(incoming.socket);
    if (address === undefined) return;
    attempt.address = addressOf(incoming.socket, address);
    this.limits.requireAddress(incoming, attempt.address, attempt.session !== undefined);
  }

  /** A hook may have begun the shutdown. */
  private hold(verdict: Verdict, attempt: Attempt): Admission {
    this.requireRunning();
    return this.admissions.hold(verdict, attempt, this.underWay);
  }

  /** @throws HandshakeError 503 before the application is ready, and from the first moment of a shutdown */
  private requireRunning(): void {
    if (this.state === 'starting') throw unavailable('The server is starting: try again later');
    if (this.state === 'stopping') throw unavailable('The server is shutting down: try again later');
  }

  /** Sends an upgrade through, or around, the application's middleware to the door. */
  private send(upgrade: UpgradeResponse, attempt: Attempt): Awaitable<Verdict> {
    const examine: Examine = (raw, responseOf) => this.handshake.examine(attempt, raw, responseOf);
    if (!this.platform) return examine(LazyRequest.of(upgrade.request), () => upgrade.response);
    return attempt.route.gateway.middleware === false
      ? this.platform.bypass(upgrade, examine)
      : this.platform.pass(upgrade, examine);
  }

  /** Ends a handshake whose time, from the middleware to `onHandshake`, is over. */
  private late(socket: Socket, refuse: (error: Error) => void): void {
    if (this.node.limits.reached('handshakeTime', `seconds=${this.node.settings.handshakeTimeout}`)) {
      refuse(unavailable('The handshake took too long: try again later'));
    } else whenGone(socket, () => refuse(unavailable('The client has gone')));
  }

  /** Counts and logs a refusal; one that is the client's fault also counts against its address. */
  private refused({ incoming, transport, address = addressOf(incoming.socket) }: Refused, error: unknown): void {
    const isFlood = this.limits.hasFailedTooOften(address);
    if (isClientsFault(error)) this.limits.failed(incoming, address);
    const at = `path=${field(splitTarget(targetOf(incoming)).path)} ip=${address}`;
    this.refusals.refused({ transport, at }, error, isFlood);
  }
}

const itself = (error: unknown): unknown => error;
