/**
 * Road IN, step 3: the engine turns an admitted request into a connection, and keeps all connections of this node until
 * their `onClose` has settled.
 */
import { CloseCode } from 'nestjs-realtime-protocol';
import type { Broker } from './broker.js';
import type { ConnectionEvents } from './connections/connection-events.js';
import { drain, farewell } from './connections/drain.js';
import { LiveConnection } from './connections/live-connection.js';
import { logOpened } from './connections/log-lines.js';
import { Rechecks } from './connections/rechecks.js';
import { SessionSocket } from './connections/session/session-socket.js';
import type { Admission, Guest, Open } from './handshake/admission.js';
import { FirstMessage } from './handshake/first-message.js';
import { Gate } from './handshake/gate.js';
import { ownerOf } from './handshake/sessions.js';
import { label, type Log } from './log.js';
import { Node, type Replace } from './node/node.js';
import type { RealtimeSettings } from './settings/settings.js';
import type { Sink, Socket } from './transport.js';

export class Engine {
  readonly node: Node;
  /** Road IN, step 2. */
  readonly gate: Gate;
  /** Connections whose `onClose` has not settled yet. */
  private readonly living = new Set<LiveConnection>();
  private readonly events: ConnectionEvents<LiveConnection> = {
    opened: (connection) => this.endWhereStopping(connection),
    ended: (connection) => void this.living.delete(connection),
  };
  private readonly rechecks: Rechecks;
  private leaving?: Promise<void>;
  private stopping?: Promise<void>;
  /** What connections are closed with at a shutdown. */
  private closeCode: number = CloseCode.GOING_AWAY;
  /** Called with every client that is let in. Only nestjs-realtime/testing sets it. */
  onAdmitted?: (admission: Admission) => void;

  constructor(settings: RealtimeSettings, broker: Broker, log: Log) {
    this.node = new Node(settings, broker, log);
    this.gate = new Gate(this.node);
    this.node.underWay = () => this.gate.underWay;
    this.node.detached = () => this.gate.sessions.detached;
    this.rechecks = new Rechecks(this.node);
  }

  async start(): Promise<void> {
    await this.node.start();
    this.gate.start();
  }

  /** Whether new clients should come here: not before the start, and not from the first moment of a shutdown. */
  get isReady(): boolean {
    return this.gate.isRunning && !this.leaving;
  }

  /**
   * Turns readiness down, and refuses new connections after the delay; until then everything goes on as before.
   *
   * @param delay in seconds; the first call decides
   * @returns the same promise, however often it is called
   */
  leave(delay: number = this.node.settings.shutdownDelay): Promise<void> {
    return (this.leaving ??= this.refuseAfter(delay));
  }

  private async refuseAfter(delay: number): Promise<void> {
    if (delay > 0 && this.gate.isRunning) {
      this.node.log.log(`Realtime shutdown begins: readiness is down, connections are closed after ${delay}s`);
      await new Promise((resolve) => setTimeout(resolve, delay * 1000));
    }
    this.gate.stop();
  }

  /**
   * Leaves, then closes the open connections and waits for their hooks, at most the shutdown timeout.
   *
   * @param closeCode default: 1001; the first call decides
   * @param delay of `leave`
   * @returns the same promise, however often it is called
   */
  stop(closeCode: number = CloseCode.GOING_AWAY, delay?: number): Promise<void> {
    if (!this.stopping) {
      this.closeCode = closeCode;
      this.stopping = this.drain(this.leave(delay));
    }
    return this.stopping;
  }

  private async drain(left: Promise<void>): Promise<void> {
    const { settings, log } = this.node;
    // Without a delay the first close frames leave in this turn
    if (this.gate.isRunning) await left;
    this.node.presentUsers?.rooms.drain();
    if (this.living.size > 0) log.log(`Realtime shutdown closes connections=${this.living.size}`);
    for (const guest of this.gate.guests) this.sendAway(guest);
    for (const connection of this.living) if (connection.isDetached) this.endBy(connection);
    const unfinished = await drain(this.living, settings, this.closeCode, (connection, error) =>
      this.node.faultLog.report(connection, 'close', error),
    );
    for (const { id, transport } of unfinished)
      log.warn(`${label(transport)} hook still runs after the shutdown timeout id=${id}`);
    this.rechecks.stop();
    this.gate.sessions.stop();
    await this.node.stop();
  }

  private sendAway(guest: Guest): void {
    try {
      guest.goAway(farewell(this.node.settings.reconnectSpread, this.closeCode), this.closeCode);
    } catch (error) {
      this.node.failed('close')(error);
    }
  }

  /** Opens an admitted request on its socket: as a connection, or as a client that has to authenticate first. */
  readonly open: Open = (admission, socket, transport) => {
    this.onAdmitted?.(admission);
    const establish = (admitted: Admission) => this.establish(admitted, socket, transport);
    if (!admission.gateway.onAuthenticate) return establish(admission);
    return new FirstMessage(admission, socket, this.gate, this.node, establish);
  };

  /** Returns whether nothing of an admitted client is left: it has no connection, and its `onClose` has settled. */
  hasForgotten({ id, place }: Pick<Admission, 'id' | 'place'>): boolean {
    return place.isReleased && ![...this.living].some((connection) => connection.id === id);
  }

  /**
   * Makes the connection, or goes on with the one that the client has; its hooks run once its wire is whole
   * (`Sink.opened`).
   */
  private establish(admission: Admission, socket: Socket, transport: string): Sink | undefined {
    const { ticket } = admission;
    if (!ticket) return this.connect(admission, socket, transport);
    if (ticket.resumes) return ticket.resumes.goOn(admission, socket, transport);
    ticket.supersedes?.terminate();
    const { token, arrival } = ticket;
    const owner = ownerOf(admission.request, admission.identity);
    const facts = { token, arrival, id: admission.id, owner, protocol: socket.protocol };
    const session = new SessionSocket(facts, this.gate.sessions, this.node);
    return session.begin(this.connect(admission, session, transport), socket, transport);
  }

  private connect(admission: Admission, socket: Socket, transport: string): LiveConnection {
    const { node } = this;
    const connection = new LiveConnection(transport, admission, socket, node, this.events, this.rechecks);
    this.living.add(connection);
    node.counters.accepted++;
    logOpened(node, connection);
    const { expiresAt, replace } = admission.identity;
    if (expiresAt) connection.expireAt(expiresAt);
    if (replace) this.replace(connection, replace);
    return connection;
  }

  private endWhereStopping(connection: LiveConnection): void {
    if (this.stopping && !this.gate.isRunning) this.endBy(connection);
  }

  private endBy(connection: LiveConnection): void {
    connection.end(this.closeCode, farewell(this.node.settings.reconnectSpread, this.closeCode), 'shutdown');
  }

  private replace({ userId, id }: LiveConnection, replace: Replace): void {
    const { node } = this;
    if (userId === undefined) return;
    void node.promise('replace', { user: userId }, () => node.replace(userId, id, replace));
  }
}
