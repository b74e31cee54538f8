/**
 * Road IN, step 4, and road OUT, step 9: a connection as its node runs it. What comes in is counted and queued for the
 * hooks (hook-queue.ts); what goes out is bounded; the first side that ends the connection decides code and initiator.
 */
import { CloseCode, encodeEnvelope } from 'nestjs-realtime-protocol';
import { checkClose, checkName, checkSize } from './checks.js';
import { CloseInfo, type CloseInitiator } from './close-info.js';
import { type Action, channelOf } from './command.js';
import { Connection, type ConnectionInfo, ReadyState } from './connection.js';
import type { HandshakeRequest } from './handshake-request.js';
import type { Beating } from './heartbeat.js';
import { type HookedConnection, HookQueue } from './hook-queue.js';
import type { Host } from './host.js';
import { errorField, stackOf } from './log.js';
import { Message } from './message.js';
import { Frame, type Payload } from './payload.js';
import type { Admission, Sink, Socket } from './transports/transport.js';

const NO_ROOMS: ReadonlySet<string> = new Set();

export class LiveConnection extends Connection implements Sink, Beating, HookedConnection {
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
  readonly url: string;
  readonly address: string;
  readonly protocol: string;
  readonly openedAt = Date.now();
  readyState: ReadyState = ReadyState.OPEN;
  userId: string | undefined = undefined;
  data: unknown;
  lastSeenAt = performance.now();
  messagesIn = 0;
  messagesOut = 0;
  bytesIn = 0;
  bytesOut = 0;
  private readonly hooks: HookQueue;
  private aborter?: AbortController;
  private joined?: Set<string>;
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
    this.hooks = new HookQueue(gateway, this, socket, host, gateway.keepContext ? scope : undefined);
    host.hub.add(this);
    host.heartbeat.add(this);
    if (identity.userId !== undefined) this.bind(identity.userId);
    for (const room of identity.rooms ?? []) this.enter(room);
  }

  get rooms(): ReadonlySet<string> {
    return this.joined ?? NO_ROOMS;
  }

  get signal(): AbortSignal {
    this.aborter ??= new AbortController();
    if (this.readyState === ReadyState.CLOSED) this.aborter.abort();
    return this.aborter.signal;
  }

  get bufferedBytes(): number {
    return this.readyState === ReadyState.CLOSED ? 0 : this.socket.bufferedBytes;
  }

  get isPaused(): boolean {
    return this.hooks.isPaused;
  }

  // --- in ---

  start(request: HandshakeRequest): void {
    this.hooks.start(request);
  }

  received(data: Buffer, isBinary: boolean): void {
    this.lastSeenAt = performance.now();
    if (this.readyState !== ReadyState.OPEN) return;
    this.messagesIn++;
    this.bytesIn += data.length;
    const message = new Message(data, isBinary);
    this.host.heard(this, message);
    this.hooks.push(message);
  }

  alive(): void {
    this.lastSeenAt = performance.now();
  }

  failed(code: number, reason: string, initiator: CloseInitiator): void {
    this.decide(code, reason, initiator);
  }

  closed(code: number, reason: string): void {
    if (this.readyState === ReadyState.CLOSED) return;
    this.readyState = ReadyState.CLOSED;
    const ending = this.ending ?? { code, reason, initiator: 'client' };
    const close = new CloseInfo(ending.code, ending.reason, code !== CloseCode.ABNORMAL, ending.initiator);
    this.host.heartbeat.remove(this);
    this.host.hub.remove(this);
    this.host.left(this, close);
    this.aborter?.abort();
    this.hooks.close(close);
  }

  openFailed(): void {
    this.end(CloseCode.INTERNAL_ERROR, 'onOpen failed', 'error');
  }

  ended(): void {
    this.host.ended(this);
  }

  // --- out ---

  send(data: Payload): boolean {
    return this.attempt('send', () => Frame.of(data));
  }

  emit(event: string, data?: unknown): boolean {
    return this.attempt('emit', () => new Frame(encodeEnvelope(event, data)));
  }

  /** Sends a frame within the bound; over it the client is too slow and is closed with 4001. */
  deliver(frame: Frame): boolean {
    if (this.readyState !== ReadyState.OPEN) return false;
    const max = this.host.settings.maxBufferedBytes;
    if (this.socket.bufferedBytes + frame.size > max) {
      this.end(CloseCode.SLOW_CONSUMER, `slow consumer: more than ${max} bytes wait`, 'limit');
      return false;
    }
    if (!this.socket.send(frame)) return false;
    this.messagesOut++;
    this.bytesOut += frame.size;
    this.host.counters.messagesOut++;
    this.host.counters.bytesOut += frame.size;
    return true;
  }

  private attempt(verb: string, makeFrame: () => Frame): boolean {
    if (this.readyState !== ReadyState.OPEN) return false;
    try {
      const frame = makeFrame();
      checkSize(frame, this.host.settings.maxBufferedBytes);
      return this.deliver(frame);
    } catch (error) {
      this.host.log.error(`WebSocket ${verb} failed id=${this.id} error=${errorField(error)}`, stackOf(error));
      return false;
    }
  }

  ping(): void {
    this.socket.ping();
  }

  // --- rooms and users ---

  async join(room: string): Promise<void> {
    this.enter(room);
  }

  async leave(room: string): Promise<void> {
    if (this.readyState === ReadyState.CLOSED || !this.joined?.delete(room)) return;
    this.host.hub.exit(channelOf.room(room), this);
  }

  /** Binds it to a user, instead of the one it had. */
  bind(userId: string): void {
    checkName('user', userId, this.host.settings.maxNameLength);
    if (this.readyState === ReadyState.CLOSED) return;
    if (this.userId !== undefined) this.host.hub.exit(channelOf.user(this.userId), this);
    this.userId = userId;
    this.host.hub.enter(channelOf.user(userId), this);
  }

  private enter(room: string): void {
    checkName('room', room, this.host.settings.maxNameLength);
    if (this.readyState === ReadyState.CLOSED) return;
    (this.joined ??= new Set()).add(room);
    this.host.hub.enter(channelOf.room(room), this);
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

  /** Ends it from this side. Nothing happens when either side has ended it already. */
  end(code: number, reason: string, initiator: CloseInitiator): void {
    if (this.decide(code, reason, initiator)) this.socket.close(code, reason);
  }

  expire(silentMs: number): void {
    this.host.expired(this, silentMs);
    this.end(CloseCode.HEARTBEAT_TIMEOUT, 'heartbeat timeout', 'heartbeat');
  }

  /** The first decision holds. */
  private decide(code: number, reason: string, initiator: CloseInitiator): boolean {
    if (this.ending || this.readyState !== ReadyState.OPEN) return false;
    this.ending = { code, reason, initiator };
    this.readyState = ReadyState.CLOSING;
    this.hooks.drop();
    return true;
  }

  /** Does what a command says. Never throws: a command was checked where it was made. */
  obey(action: Action): void {
    switch (action.kind) {
      case 'push':
        this.deliver(action.frame);
        return;
      case 'join':
        this.enter(action.room);
        return;
      case 'leave':
        void this.leave(action.room);
        return;
      case 'disconnect':
        this.end(action.code, action.reason, 'server');
    }
  }

  info(): ConnectionInfo {
    const { id, transport, path, address, protocol, userId, openedAt, bufferedBytes } = this;
    const { messagesIn, messagesOut, bytesIn, bytesOut } = this;
    const silentForMs = Math.max(0, Math.round(performance.now() - this.lastSeenAt));
    const traffic = { silentForMs, bufferedBytes, messagesIn, messagesOut, bytesIn, bytesOut };
    return { id, transport, path, address, protocol, userId, rooms: [...this.rooms], openedAt, ...traffic };
  }
}
