/**
 * Road IN, step 3: turns an admitted request into a connection, and looks after all of this node until their last
 * `onClose` has settled. It is the Gate of the transports and the Host of the connections.
 */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { CloseCode } from 'nestjs-realtime-protocol';
import type { Broker } from './broker.js';
import type { CloseInfo } from './close-info.js';
import { channelOf } from './command.js';
import { drain, farewell } from './connections/drain.js';
import { endAt } from './connections/expiry.js';
import { LiveConnection } from './connections/live-connection.js';
import { closedLine, openedLine } from './connections/log-lines.js';
import type { Gateway } from './gateway.js';
import type { HandshakeRequest } from './handshake-request.js';
import { FirstMessage } from './handshake/first-message.js';
import type { Admission, Gate } from './handshake/gate.js';
import { Handshake } from './handshake/handshake.js';
import type { Platform } from './handshake/platform.js';
import { type Route, Routes } from './handshake/routes.js';
import type { Identity } from './hooks.js';
import type { HttpAnswer } from './http/exchange.js';
import { addressOf, type PlatformRequest, splitTarget, targetOf } from './http/platform-request.js';
import { refusal } from './http/refusals.js';
import type { UpgradeResponse } from './http/upgrade-response.js';
import { Hub } from './hub.js';
import { Limits } from './limits/limits.js';
import { errorField, field, type Log } from './log.js';
import type { Message } from './message.js';
import { FaultLog } from './node/fault-log.js';
import { Heartbeat } from './node/heartbeat.js';
import type { Host } from './node/node.js';
import { SlowConsumers } from './node/slow-consumers.js';
import { Counters } from './node/stats.js';
import type { RealtimeSettings } from './settings/settings.js';
import type { Sink, Socket } from './transport.js';

export class Engine implements Gate, Host {
  /** Unique over nodes and restarts; the first part of every connection id. */
  readonly nodeId = randomBytes(9).toString('base64url');
  readonly counters = new Counters();
  readonly hub: Hub;
  readonly heartbeat: Heartbeat;
  readonly limits: Limits;
  readonly faultLines: FaultLog;
  readonly slowConsumers: SlowConsumers;
  private readonly handshake: Handshake;
  private readonly routes = new Routes();
  /** Connections whose `onClose` has not settled yet. */
  private readonly living = new Set<LiveConnection>();
  /** Clients that have not said yet who they are. */
  private readonly guests = new Set<FirstMessage>();
  private opened = 0;
  private stopping?: Promise<void>;

  constructor(
    readonly settings: RealtimeSettings,
    private readonly broker: Broker,
    readonly log: Log,
  ) {
    this.hub = new Hub(broker, log);
    this.heartbeat = new Heartbeat(settings);
    this.limits = new Limits(log, settings.limits === 'report');
    this.faultLines = new FaultLog(log);
    this.slowConsumers = new SlowConsumers(settings.maxSlowTime, this.limits);
    this.handshake = new Handshake(this);
  }

  /** Serves a path. @throws OptionsError when another gateway has it */
  bind(gateway: Gateway): void {
    this.routes.add(gateway);
  }

  /** Puts the HTTP application in front of the handshakes. */
  usePlatform(platform: Platform): void {
    this.handshake.platform = platform;
  }

  serves(path: string): boolean {
    return this.routes.find(path) !== undefined;
  }

  /** Tells whether a plain GET on this path is answered as a handshake would be. */
  answersGet(path: string): boolean {
    const route = this.routes.find(path);
    return route !== undefined && route.gateway.answersGet !== false;
  }

  async start(): Promise<void> {
    await this.broker.start((command) => this.hub.deliver(command));
    this.handshake.start();
  }

  /** From now on handshakes get 503; `stop` ends what is open. */
  stopAdmitting(): void {
    this.handshake.stop();
  }

  /** Refuses new connections, closes all with 1001, waits for their hooks within the shutdown timeout. Once. */
  stop(): Promise<void> {
    return (this.stopping ??= this.drain());
  }

  private async drain(): Promise<void> {
    this.stopAdmitting();
    if (this.living.size > 0) this.log.log(`WebSocket shutdown closes connections=${this.living.size}`);
    for (const guest of this.guests) guest.goAway(farewell(this.settings.reconnectSpread));
    const unfinished = await drain(this.living, this.settings);
    for (const { id } of unfinished) this.log.warn(`WebSocket hook still runs after the shutdown timeout id=${id}`);
    this.heartbeat.stop();
    this.slowConsumers.stop();
    await this.broker.stop();
  }

  async admit(upgrade: UpgradeResponse): Promise<Admission> {
    return this.handshake.admit(upgrade, this.requireRoute(upgrade.request));
  }

  /** What a plain request would get as a handshake. @throws always: what refuses it, or HandshakeError 426 */
  async probe(request: IncomingMessage, raw: PlatformRequest & object, response: unknown): Promise<never> {
    return this.handshake.probe(request, this.requireRoute(request), raw, response);
  }

  noteRefusal(node: IncomingMessage, error: unknown, raw?: PlatformRequest): void {
    this.handshake.noteRefusal({ node, address: addressOf(node.socket, raw?.ip) }, error);
  }

  async admitRequest(node: IncomingMessage, raw: PlatformRequest & object, response: unknown): Promise<Admission> {
    return this.handshake.admitRequest(node, this.requireRoute(node), raw, response);
  }

  async recheck(node: IncomingMessage, raw: PlatformRequest & object, response: unknown): Promise<HandshakeRequest> {
    return this.handshake.recheck(node, this.requireRoute(node), raw, response);
  }

  allowOrigin(node: IncomingMessage, raw: PlatformRequest & object, answer: Pick<HttpAnswer, 'header'>): void {
    this.handshake.allowOrigin(node, raw, answer);
  }

  speaks(node: IncomingMessage, transport: string): boolean {
    const { gateway } = this.requireRoute(node);
    if (gateway.answersGet === false) return transport === 'websocket';
    const spoken: readonly string[] = gateway.transports ?? this.settings.transports;
    return spoken.includes(transport);
  }

  private requireRoute(request: IncomingMessage): Route {
    const route = this.routes.find(splitTarget(targetOf(request)).path);
    if (!route) throw refusal(404, 'No gateway here');
    return route;
  }

  get unfinished(): number {
    return this.handshake.underWay;
  }

  /** False before the application is ready and from the first moment of a shutdown: for readiness probes. */
  get isReady(): boolean {
    return this.handshake.isRunning;
  }

  open(admission: Admission, socket: Socket, transport: string): Sink {
    if (admission.gateway.onAuthenticate) return this.ask(admission, socket, transport);
    return this.establish(admission, socket, transport);
  }

  private ask(admission: Admission, socket: Socket, transport: string): Sink {
    const guest = new FirstMessage(admission, socket, transport, this);
    this.guests.add(guest);
    return guest;
  }

  forget(guest: FirstMessage): void {
    this.guests.delete(guest);
  }

  turnedAway(request: HandshakeRequest): void {
    this.handshake.failed(request.incoming, request.address);
  }

  accept(identity: Identity | void, { request }: Admission): Identity {
    return this.handshake.accept(identity, request);
  }

  /** Makes the connection and runs `onOpen`. */
  establish(admission: Admission, socket: Socket, transport: string): Sink {
    admission.release();
    // Joined, it is one string; added up, V8 would keep its parts as well
    const id = [this.nodeId, (++this.opened).toString(36)].join('.');
    const connection = new LiveConnection(id, transport, admission, socket, this);
    this.living.add(connection);
    this.counters.accepted++;
    this.handshake.addresses.opened(connection.address);
    this.log.log(openedLine(connection));
    const { expiresAt, replace } = admission.identity;
    if (expiresAt) endAt(connection, expiresAt);
    if (replace && connection.userId !== undefined) this.replace(connection, connection.userId);
    admission.scope.runInAsyncScope(() => connection.start(admission));
    if (this.stopping) connection.end(CloseCode.GOING_AWAY, farewell(this.settings.reconnectSpread), 'shutdown');
    return connection;
  }

  /** Closes the user's other connections, on every node. */
  private replace(connection: LiveConnection, userId: string): void {
    const action = { kind: 'disconnect', code: CloseCode.REPLACED, reason: 'replaced by a newer connection' } as const;
    const command = { channel: channelOf.user(userId), except: new Set([connection.id]), action };
    const failed = (error: unknown) =>
      this.log.error(`WebSocket replace failed user=${field(userId)} ${errorField(error)}`);
    this.broker.publish(command).catch(failed);
  }

  heard({ id }: LiveConnection, { size, isBinary }: Message): void {
    this.counters.messagesIn++;
    this.counters.bytesIn += size;
    if (this.log.isVerbose?.() === false) return;
    this.log.verbose(`WebSocket message id=${id} bytes=${size} type=${isBinary ? 'binary' : 'text'}`);
  }

  expired(connection: LiveConnection, silentMs: number): void {
    this.log.warn(`WebSocket heartbeat expired id=${connection.id} silent=${(silentMs / 1000).toFixed(1)}s`);
  }

  left(connection: LiveConnection, close: CloseInfo): void {
    this.counters.closed[close.initiator]++;
    this.handshake.addresses.closed(connection.address);
    this.log.log(closedLine(connection, close));
  }

  ended(connection: LiveConnection): void {
    this.living.delete(connection);
  }
}
