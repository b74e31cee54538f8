/**
 * Road IN, step 4, and road OUT, step 9: a connection as its node runs it. What comes in is bounded and queued for the
 * hooks (hook-queue.ts), what goes out is bounded (outbox.ts); the first side that ends it decides code and initiator.
 */
import { CloseCode } from 'nestjs-realtime-protocol';
import { CloseInfo, type CloseInitiator } from '../close-info.js';
import type { Action } from '../command.js';
import { Connection, ReadyState } from '../connection.js';
import { eventFrame, Frame, type Payload, type PushOptions } from '../frame.js';
import type { Admission } from '../handshake/gate.js';
import { checkClose, checkSize } from '../limits/checks.js';
import { errorField } from '../log.js';
import { Message } from '../message.js';
import type { Beating } from '../node/heartbeat.js';
import type { Host } from '../node/node.js';
import type { Sink, Socket } from '../transport.js';
import { type HookedConnection, HookQueue } from './hook-queue.js';
import { Membership } from './membership.js';
import { MessageRate } from './message-rate.js';
import { Outbox, type OutboxOwner } from './outbox.js';

export class LiveConnection extends Connection implements Sink, Beating, HookedConnection, OutboxOwner {
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
  readonly url: string;
  readonly address: string;
  readonly protocol: string;
  readonly openedAt = Date.now();
  readyState: ReadyState = ReadyState.OPEN;
  data: unknown;
  lastSeenAt = performance.now();
  beatSlot = -1;
  beatPingAt = 0;
  isPausedByUser = false;
  messagesIn = 0;
  messagesOut = 0;
  bytesIn = 0;
  bytesOut = 0;
  private readonly hooks: HookQueue;
  private readonly outbox: Outbox;
  private readonly membership: Membership;
  private rate: MessageRate | undefined = undefined;
  private aborter?: AbortController;
  /** How this side decided to end it. */
  private ending?: Pick<CloseInfo, 'code' | 'reason' | 'initiator'>;

  constructor(
    readonly id: string,
    readonly transport: string,
    { gateway, request, identity, scope }: Admission,
    private readonly socket: Socket,
    private readonly host: Host,
  ) {
    super();
    this.path = gateway.path;
    this.params = request.params;
    this.url = request.url;
    this.address = request.address;
    this.protocol = socket.protocol;
    this.data = identity.data;
    this.outbox = new Outbox(this, socket, host, gateway.slowConsumer);
    this.hooks = new HookQueue(gateway, this, socket, this.outbox, host, gateway.keepContext ? scope : undefined);
    this.membership = new Membership(this, host);
    host.hub.add(this);
    host.heartbeat.add(this);
    this.membership.begin(identity);
  }

  get userId(): string | undefined {
    return this.membership.userId;
  }

  get rooms(): ReadonlySet<string> {
    return this.membership.rooms;
  }

  get signal(): AbortSignal {
    this.aborter ??= new AbortController();
    if (this.readyState === ReadyState.CLOSED) this.aborter.abort();
    return this.aborter.signal;
  }

  get bufferedBytes(): number {
    return this.readyState === ReadyState.CLOSED ? 0 : this.outbox.bytes;
  }

  get isPaused(): boolean {
    return this.hooks.isPaused || this.isPausedByUser;
  }

  // --- in ---

  /** Runs `onOpen`. Called once, by the engine. */
  start(admission: Pick<Admission, 'request' | 'session'>): void {
    this.hooks.start(admission);
  }

  received(data: Buffer, isBinary: boolean): void {
    if (this.readyState !== ReadyState.OPEN) return;
    this.messagesIn++;
    this.bytesIn += data.length;
    const message = new Message(data, isBinary);
    this.host.heard(this, message);
    this.rate ??= new MessageRate(this, this.host);
    if (this.rate.allows(data.length, this.lastSeenAt)) this.hooks.push(message);
  }

  alive(): void {
    this.lastSeenAt = performance.now();
  }

  drained(): void {
    this.outbox.drained();
  }

  caughtUp(): void {
    if (this.readyState === ReadyState.OPEN) this.hooks.drained();
  }

  failed(code: number, reason: string, initiator: CloseInitiator): void {
    if (this.decide(code, reason, initiator)) this.outbox.clear();
  }

  closed(code: number, reason: string): void {
    if (this.readyState === ReadyState.CLOSED) return;
    this.readyState = ReadyState.CLOSED;
    const ending = this.ending ?? { code, reason, initiator: 'client' };
    const close = new CloseInfo(ending.code, ending.reason, code !== CloseCode.ABNORMAL, ending.initiator);
    this.host.heartbeat.remove(this);
    this.host.hub.remove(this);
    this.outbox.gone();
    this.host.left(this, close);
    this.aborter?.abort();
    this.hooks.close(close);
  }

  pause(): void {
    this.isPausedByUser = true;
    this.socket.pause();
  }

  resume(): void {
    this.isPausedByUser = false;
    this.alive();
    if (!this.hooks.isPaused) this.socket.resume();
  }

  openFailed(): void {
    this.end(CloseCode.INTERNAL_ERROR, 'onOpen failed', 'error');
  }

  ended(): void {
    this.host.ended(this);
  }

  // --- out ---

  send(data: Payload, options?: PushOptions): boolean {
    if (this.readyState !== ReadyState.OPEN) return false;
    try {
      return this.dispatch(Frame.of(data, options?.slow));
    } catch (error) {
      return this.notSent('send', error);
    }
  }

  emit(event: string, data?: unknown, options?: PushOptions): boolean {
    if (this.readyState !== ReadyState.OPEN) return false;
    try {
      return this.dispatch(eventFrame(event, data, options?.slow, this.host));
    } catch (error) {
      return this.notSent('emit', error);
    }
  }

  deliver(frame: Frame): boolean {
    frame.isShared = true;
    return this.readyState === ReadyState.OPEN && this.outbox.send(frame);
  }

  private dispatch(frame: Frame): boolean {
    checkSize(frame, this.host);
    return this.outbox.send(frame);
  }

  private notSent(verb: string, error: unknown): false {
    this.host.faultLines.report(this, verb, error);
    return false;
  }

  ping(): void {
    this.socket.ping();
  }

  // --- rooms and users ---

  async join(room: string): Promise<void> {
    this.membership.join(room);
  }

  async leave(room: string): Promise<void> {
    this.membership.leave(room);
  }

  bind(userId: string): void {
    this.membership.bind(userId);
  }

  // --- the end ---

  close(code: number = CloseCode.NORMAL, reason = ''): void {
    checkClose(code, reason);
    this.end(code, reason, 'server');
  }

  terminate(): void {
    this.decide(CloseCode.ABNORMAL, '', 'server');
    if (this.readyState !== ReadyState.CLOSED) this.socket.terminate();
  }

  /** Ends it from this side, after what was sent before. Nothing happens when it has ended already. */
  end(code: number, reason: string, initiator: CloseInitiator): void {
    if (this.decide(code, reason, initiator)) this.outbox.close(code, reason);
  }

  expire(silentMs: number): void {
    if (this.readyState !== ReadyState.OPEN) return;
    this.host.expired(this, silentMs);
    this.end(CloseCode.HEARTBEAT_TIMEOUT, 'heartbeat timeout', 'heartbeat');
  }

  /** The first decision holds. */
  private decide(code: number, reason: string, initiator: CloseInitiator): boolean {
    if (this.ending || this.readyState !== ReadyState.OPEN) return false;
    this.ending = { code, reason, initiator };
    this.readyState = ReadyState.CLOSING;
    this.hooks.drop();
    if (this.isPausedByUser) this.resume();
    return true;
  }

  /** Does what a command says. Never throws: what can be known of it was checked where it was made. */
  obey(action: Action): void {
    if (action.kind === 'push') this.deliver(action.frame);
    else if (action.kind === 'leave') this.membership.leave(action.room);
    else if (action.kind === 'disconnect') this.end(action.code, action.reason, 'server');
    else this.join(action.room).catch((error) => this.host.log.warn(`WebSocket join failed ${errorField(error)}`));
  }
}
