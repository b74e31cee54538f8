/**
 * Road IN, step 4, and road OUT, step 9: a connection as its node runs it. Received messages are queued for the hooks
 * (hook-queue.ts) and outgoing messages may wait for the client (outbox.ts), both within limits; the side that ends the
 * connection first decides code and initiator (ending.ts).
 */
import { CloseCode } from 'nestjs-realtime-protocol';
import type { CloseInitiator } from '../close-info.js';
import type { Action } from '../command.js';
import { type JoinOptions, ReadyState } from '../connection.js';
import type { Payload, PushOptions } from '../frame.js';
import type { Admission } from '../handshake/admission.js';
import { checkClose, checkDate } from '../limits/checks.js';
import type { Message } from '../message.js';
import type { NodeConnection } from '../node/answers.js';
import type { Beating } from '../node/heartbeat.js';
import type { Node } from '../node/node.js';
import type { Socket } from '../transport.js';
import type { ConnectionEvents } from './connection-events.js';
import { Credential } from './credential.js';
import { Ending } from './ending.js';
import { type HookedConnection, HookQueue } from './hook-queue.js';
import { KnownConnection } from './known-connection.js';
import { logClosed, logDetached, logExpired, logMessage, logResumed } from './log-lines.js';
import { Membership } from './membership.js';
import { MessageRate } from './message-rate.js';
import { obeyOrder } from './obeyed-order.js';
import { openingOf } from './opening.js';
import { Outbox, type OutboxOwner } from './outbox.js';
import { envelopeFrame, payloadFrame } from './outgoing.js';
import type { Rechecks } from './rechecks.js';
import type { SessionConnection } from './session/session-connection.js';

export class LiveConnection
  extends KnownConnection
  implements SessionConnection, Beating, NodeConnection, HookedConnection, OutboxOwner
{
  isPausedByUser = false;
  private readonly hooks: HookQueue;
  private readonly outbox: Outbox;
  protected readonly membership: Membership;
  private readonly ending = new Ending();
  private rate: MessageRate | undefined = undefined;
  private readonly credential: Credential;

  constructor(
    transport: string,
    /** Gone once it is opened: the request in it is not kept. */
    private admission: Admission | undefined,
    socket: Socket,
    private readonly node: Node,
    private readonly events: ConnectionEvents<LiveConnection>,
    rechecks: Rechecks,
  ) {
    super(transport, admission!, socket);
    const { gateway, identity, scope } = admission!;
    this.outbox = new Outbox(this, socket, node, gateway.slowConsumer);
    this.hooks = new HookQueue(gateway, this, node, gateway.keepContext ? scope : undefined);
    this.membership = new Membership(this, node, admission!, this.outbox);
    this.membership.begin(identity);
    this.credential = new Credential(this, this.outbox, node.settings, rechecks, admission!);
    node.heartbeat.add(this);
  }

  get userId(): string | undefined {
    return this.membership.userId;
  }

  get rooms(): ReadonlySet<string> {
    return this.membership.rooms;
  }

  get readyState(): ReadyState {
    return this.ending.readyState;
  }

  get signal(): AbortSignal {
    return this.ending.signal;
  }

  get bufferedBytes(): number {
    return this.readyState === ReadyState.CLOSED ? 0 : this.outbox.bytes;
  }

  get isPaused(): boolean {
    return this.hooks.isPaused || this.isPausedByUser;
  }

  // --- in ---

  opened(): void {
    const { admission } = this;
    this.admission = undefined;
    const onOpen = this.membership.opening(openingOf(admission!, this, this.outbox, this.node));
    admission!.scope.runInAsyncScope(() => this.hooks.start(onOpen));
    this.events.opened(this);
  }

  received(message: Message): void {
    if (this.readyState !== ReadyState.OPEN) return;
    this.countIn(message.size, this.node.counters);
    logMessage(this.node, this, message);
    this.rate ??= new MessageRate(this, this.node, (dropped) => this.hooks.gateway.requestId?.(dropped));
    if (this.rate.allows(message, this.lastSeenAt)) this.hooks.push(message);
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
    const close = this.ending.complete(code, reason);
    if (!close) return;
    this.node.heartbeat.remove(this);
    this.membership.end();
    this.credential.end();
    this.outbox.gone();
    this.node.counters.closed[close.initiator]++;
    logClosed(this.node, this, close);
    this.ending.abort();
    this.hooks.close(close);
  }

  pause(): void {
    this.isPausedByUser = true;
    this.socket.pause();
  }

  resume(): void {
    this.isPausedByUser = false;
    this.readOn();
  }

  readOn(): void {
    if (this.isPaused) return;
    // The client was silent because it was not read
    this.alive();
    this.socket.resume();
  }

  ended(): void {
    this.events.ended(this);
  }

  // --- the wires of a client library ---

  detached(why: CloseInitiator): void {
    this.node.heartbeat.remove(this);
    this.isDetached = true;
    logDetached(this.node, this, why);
  }

  resumed(admission: Admission, transport: string, absentMs: number): void {
    const { node } = this;
    this.moved(transport, admission.request);
    this.credential.renew(admission);
    node.heartbeat.remove(this);
    this.alive();
    node.heartbeat.add(this);
    node.counters.resumed++;
    logResumed(node, this, absentMs);
  }

  // --- out ---

  send(data: Payload, options?: PushOptions): boolean {
    if (this.readyState !== ReadyState.OPEN) return false;
    const frame = payloadFrame(this, this.node, data, options);
    return frame !== undefined && this.outbox.send(frame);
  }

  emit(event: string, data?: unknown, options?: PushOptions): boolean {
    if (this.readyState !== ReadyState.OPEN) return false;
    const frame = envelopeFrame(this, this.node, event, data, options);
    return frame !== undefined && this.outbox.send(frame);
  }

  ping(): void {
    this.socket.ping();
  }

  // --- rooms and users ---

  join(room: string, options?: JoinOptions): Promise<void> {
    return this.node.promise('join', this, () => this.membership.join(room, options));
  }

  leave(room: string): Promise<void> {
    return this.node.promise('leave', this, () => this.membership.leave(room));
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

  recheck(): Promise<boolean> | undefined {
    if (!this.hooks.gateway.guard) return Promise.resolve(true);
    return this.credential.recheck();
  }

  expireAt(date: Date | undefined): void {
    if (date) checkDate(date);
    if (this.readyState !== ReadyState.CLOSED) this.credential.expireAt(date);
  }

  /** Ends the connection after the messages that were sent before. Nothing happens when it is ending already. */
  end(code: number, reason: string, initiator: CloseInitiator): void {
    if (this.decide(code, reason, initiator)) this.outbox.close(code, reason);
  }

  expire(silentMs: number): void {
    if (this.readyState !== ReadyState.OPEN) return;
    logExpired(this.node, this, silentMs);
    if (this.socket.lose) this.socket.lose();
    else this.end(CloseCode.HEARTBEAT_TIMEOUT, 'heartbeat timeout', 'heartbeat');
  }

  private decide(code: number, reason: string, initiator: CloseInitiator): boolean {
    if (!this.ending.decide(code, reason, initiator)) return false;
    this.hooks.drop();
    if (this.isPausedByUser) this.resume();
    return true;
  }

  /** Applies a command. Never throws: the sender validated it. */
  obey(action: Action): boolean {
    if (action.kind === 'push') return this.readyState === ReadyState.OPEN && this.outbox.send(action.frame);
    return obeyOrder(this, this.membership, action);
  }
}
