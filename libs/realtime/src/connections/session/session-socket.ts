/**
 * Road OUT, between steps 9 and 10, and road IN, between steps 1 and 4: the socket of a client library. Wires come and
 * go below it, on any transport, and the connection above goes on: messages are numbered in both directions, kept until
 * they are acknowledged, and sent again over the next wire.
 */
import { CloseCode } from 'nestjs-realtime-protocol';
import { detached } from '../../async-context.js';
import type { CloseInitiator } from '../../close-info.js';
import type { ControlFrame, Frame } from '../../frame.js';
import type { Message } from '../../message.js';
import type { Admission } from '../../handshake/admission.js';
import type { Session, SessionOwner, Sessions } from '../../handshake/sessions.js';
import type { Node } from '../../node/node.js';
import { ReplayRing } from '../../node/replay-ring.js';
import type { Sink, Socket } from '../../transport.js';
import { ackFrame, openFrame, pongFrame } from './control.js';
import { ReceivedMessages } from './received-messages.js';
import { type SessionConnection, type SessionFacts, WIRE_LEFT } from './session-connection.js';
import { SessionWire, type WireOwner } from './session-wire.js';

export class SessionSocket implements Socket, Session, WireOwner {
  readonly token: string;
  readonly id: string;
  readonly owner: SessionOwner;
  readonly protocol: string;
  end?: { readonly code: number; readonly reason: string };
  private readonly ring: ReplayRing;
  readonly incoming: ReceivedMessages;
  connection?: SessionConnection;
  private wire?: SessionWire;
  /** True once the wire has everything that was sent before it was there. */
  private isWhole = false;
  /** Tells the connection that its wire is whole. */
  private greet: (() => void) | undefined;
  /** The number of the newest request that came for it. */
  private newest: number;
  private lostAt = 0;
  private lastSentAt = 0;
  private isPaused = false;
  private isGone = false;
  private grace?: NodeJS.Timeout;

  constructor(
    { token, id, owner, protocol, arrival }: SessionFacts,
    private readonly sessions: Sessions,
    private readonly node: Pick<Node, 'settings' | 'limits' | 'slowConsumers'>,
  ) {
    this.token = token;
    this.id = id;
    this.owner = owner;
    this.protocol = protocol;
    this.newest = arrival;
    this.ring = new ReplayRing((bytes) => (node.slowConsumers.bytes += bytes));
    this.incoming = new ReceivedMessages(this, node.settings.maxControlRate);
  }

  /** True while it waits for another wire. */
  get isDetached(): boolean {
    return this.wire === undefined && !this.isGone;
  }

  get bufferedBytes(): number {
    return this.isWhole ? this.wire!.socket.bufferedBytes : this.ring.bytes;
  }

  get isFull(): boolean {
    return this.isWhole && this.wire!.socket.isFull;
  }

  get sentAt(): number {
    return this.wire?.socket.sentAt || this.lastSentAt;
  }

  // --- wires ---

  /** Begins on its first wire. @returns the sink to which the wire reports from now on */
  begin(connection: SessionConnection, socket: Socket, transport: string): Sink {
    this.connection = connection;
    this.sessions.add(this);
    this.greet = undefined;
    return (this.wire = new SessionWire(socket, transport, this));
  }

  canResume(seen: number): boolean {
    return this.ring.reaches(seen);
  }

  goOn(admission: Admission, socket: Socket, transport: string): Sink | undefined {
    const { arrival, seen } = admission.ticket!;
    if (arrival < this.newest || !this.canResume(seen)) return undefined;
    this.newest = arrival;
    const absentMs = this.wire ? 0 : performance.now() - this.lostAt;
    this.leaveWire()?.cut();
    clearTimeout(this.grace);
    this.sessions.attach(this);
    this.ring.acknowledge(seen);
    socket.carry?.(this.token, seen);
    if (this.isPaused) socket.pause();
    this.greet = () => this.connection?.resumed(admission, transport, absentMs);
    return (this.wire = new SessionWire(socket, transport, this));
  }

  opened(): void {
    const { connection, greet } = this;
    this.isWhole = true;
    this.incoming.wasTold();
    this.wire!.socket.send(openFrame(this, greet !== undefined, this.incoming.count, this.node.settings));
    for (const frame of this.ring.all()) this.wire!.socket.send(frame);
    if (!greet) return connection?.opened();
    greet();
    if (this.end) this.wire?.socket.close(this.end.code, this.end.reason);
    else connection?.drained();
  }

  wireClosed(code: number, reason: string, absentSince = performance.now()): void {
    this.leaveWire();
    const isLost = code === CloseCode.ABNORMAL || code === WIRE_LEFT;
    if (isLost && !this.end) this.detach('client', absentSince);
    else this.finish(code, reason);
  }

  lose(): void {
    this.leaveWire()?.cut();
    if (!this.end) this.detach('heartbeat', performance.now());
  }

  private leaveWire(): SessionWire | undefined {
    const { wire } = this;
    this.lastSentAt = this.sentAt;
    this.wire = undefined;
    this.isWhole = false;
    return wire;
  }

  private detach(why: CloseInitiator, absentSince: number): void {
    this.lostAt = absentSince;
    const leftMs = this.node.settings.graceTime * 1000 - (performance.now() - absentSince);
    if (leftMs <= 0 || !this.sessions.detach(this)) return this.finish(CloseCode.ABNORMAL, '');
    this.grace = detached(() => setTimeout(() => this.finish(CloseCode.ABNORMAL, ''), leftMs));
    this.connection?.detached(why);
    // What waits for a slow wire is kept for the next one
    this.connection?.drained();
  }

  // --- in ---

  message(message: Message): void {
    this.connection?.received(message);
  }

  acknowledged(n: number): void {
    this.ring.acknowledge(n);
  }

  pinged(): void {
    this.tell(pongFrame());
  }

  flooded(): void {
    if (!this.node.limits.reached('controlRate', `id=${this.id}`)) return;
    this.failed(CloseCode.RATE_LIMIT, 'too many control messages', 'limit');
    this.wire?.socket.close(CloseCode.RATE_LIMIT, 'too many control messages');
  }

  acknowledge(n: number): void {
    this.tell(ackFrame(n));
  }

  alive(): void {
    this.connection?.alive();
  }

  failed(code: number, reason: string, initiator: CloseInitiator): void {
    this.end ??= { code, reason };
    this.connection?.failed(code, reason, initiator);
  }

  // --- out ---

  send(frame: Frame): boolean {
    if (this.end) return false;
    frame.keep();
    this.ring.add(frame);
    if (this.isWhole) this.wire!.socket.send(frame);
    this.bound();
    return true;
  }

  /** Sends what is not counted, unless the client reads too slowly. */
  private tell(frame: ControlFrame): void {
    if (this.isWhole && !this.isFull) this.wire!.socket.send(frame);
  }

  /** What the wire has taken may be forgotten; without a wire nothing may, and the connection ends. */
  private bound(): void {
    const { ring, sessions } = this;
    while (this.isWhole && ring.bytes > sessions.maxBytes && !ring.isEmpty) ring.forgetOldest();
    if (this.isWhole || ring.bytes <= this.node.settings.maxReplayBytes) return;
    if (this.node.limits.reached('replayBytes', `id=${this.id} bytes=${ring.bytes}`))
      this.finish(CloseCode.ABNORMAL, '');
  }

  ping(): void {
    this.wire?.socket.ping();
  }

  pause(): void {
    this.isPaused = true;
    this.wire?.socket.pause();
  }

  resume(): void {
    this.isPaused = false;
    this.wire?.socket.resume();
  }

  // --- the end ---

  close(code: number, reason: string): void {
    if (this.end) return;
    this.end = { code, reason };
    if (this.wire) this.wire.socket.close(code, reason);
    else this.finish(code, reason);
  }

  terminate(): void {
    this.end ??= { code: CloseCode.ABNORMAL, reason: '' };
    if (this.wire) this.wire.socket.terminate();
    else this.finish(CloseCode.ABNORMAL, '');
  }

  forget(): void {
    this.ring.clear();
  }

  private finish(code: number, reason: string): void {
    if (this.isGone) return;
    this.isGone = true;
    this.end ??= { code, reason };
    clearTimeout(this.grace);
    this.incoming.stop();
    this.leaveWire()?.cut();
    const { connection } = this;
    // This socket may be remembered for a while; the connection should not be
    this.connection = undefined;
    this.sessions.ends(this);
    // Never inside a call of the core: what onClose pushes must not overtake the push under way
    queueMicrotask(() => connection?.closed(code, reason));
  }
}
