/**
 * Road IN, before step 3, for gateways with `onAuthenticate`: the wire is open, but there is no connection yet. The
 * first message says who it is; until then nothing is pushed, and the handshake counts as unfinished.
 */
import { CloseCode } from 'nestjs-realtime-protocol';
import type { HandshakeRequest } from '../handshake-request.js';
import type { Identity } from '../hooks.js';
import type { Limits } from '../limits/limits.js';
import { errorField, type Log } from '../log.js';
import { Message } from '../message.js';
import type { Counters } from '../node/stats.js';
import type { RealtimeSettings } from '../settings/settings.js';
import type { Sink, Socket } from '../transport.js';
import type { Admission } from './gate.js';

/** The engine. */
export interface Establisher {
  readonly settings: RealtimeSettings;
  readonly counters: Counters;
  readonly limits: Limits;
  readonly log: Log;
  /** False from the first moment of a shutdown. */
  readonly isReady: boolean;
  /** @throws HandshakeError when the identity is not acceptable */
  accept(identity: Identity | void, admission: Admission): Identity;
  establish(admission: Admission, socket: Socket, transport: string): Sink;
  /** It has become a connection, or nothing. */
  forget(guest: FirstMessage): void;
  /** The client could not say who it is: it counts as a failed handshake. */
  turnedAway(request: HandshakeRequest): void;
}

export class FirstMessage implements Sink {
  private connection?: Sink;
  private isAsked = false;
  private hasEnded = false;
  private readonly waiting: [Buffer, boolean][] = [];
  private readonly timer: NodeJS.Timeout;

  constructor(
    /** Gone once there is a connection: the request in it is not kept. */
    private admission: Admission | undefined,
    private readonly socket: Socket,
    private readonly transport: string,
    private readonly engine: Establisher,
  ) {
    this.timer = setTimeout(() => this.late(), engine.settings.authenticateTimeout * 1000);
  }

  received(data: Buffer, isBinary: boolean): void {
    if (this.connection) this.connection.received(data, isBinary);
    else if (this.hasEnded) return;
    else if (this.isAsked) this.waiting.push([data, isBinary]);
    else {
      this.isAsked = true;
      this.socket.pause();
      void this.authenticate(this.admission!, new Message(data, isBinary));
    }
  }

  alive(): void {
    this.connection?.alive();
  }

  drained(): void {
    this.connection?.drained();
  }

  failed(...how: Parameters<Sink['failed']>): void {
    this.connection?.failed(...how);
  }

  closed(code: number, reason: string): void {
    this.hasEnded = true;
    clearTimeout(this.timer);
    this.engine.forget(this);
    if (this.connection) this.connection.closed(code, reason);
    else this.admission?.release();
  }

  private async authenticate(admission: Admission, message: Message): Promise<void> {
    const { gateway, request } = admission;
    try {
      const identity = this.engine.accept(await gateway.onAuthenticate!(message, request), admission);
      if (!this.engine.isReady) this.refuse('server shutting down', CloseCode.GOING_AWAY);
      else if (!this.hasEnded) this.establish({ ...admission, identity });
    } catch (error) {
      const at = `code=4501 path=${gateway.path} ip=${request.address}`;
      this.engine.log.warn(`WebSocket connection refused ${at} reason=${errorField(error)}`);
      this.engine.turnedAway(request);
      this.refuse('unauthorized');
    }
  }

  /** The server goes: nobody is asked any more. */
  goAway(reason: string): void {
    this.refuse(reason, CloseCode.GOING_AWAY);
  }

  private late(): void {
    const { gateway, request } = this.admission!;
    const at = `path=${gateway.path} ip=${request.address}`;
    if (!this.engine.limits.reached('authenticateTime', at)) return;
    // A hook that hangs is not the client's fault
    if (!this.isAsked) this.engine.turnedAway(request);
    this.refuse('no credential in time');
  }

  private establish(admission: Admission): void {
    this.admission = undefined;
    clearTimeout(this.timer);
    this.engine.forget(this);
    this.connection = this.engine.establish(admission, this.socket, this.transport);
    for (const [data, isBinary] of this.waiting.splice(0)) this.connection.received(data, isBinary);
    this.socket.resume();
  }

  private refuse(reason: string, code: number = CloseCode.UNAUTHORIZED): void {
    if (this.connection || this.hasEnded) return;
    this.hasEnded = true;
    this.waiting.length = 0;
    this.engine.counters.refused++;
    clearTimeout(this.timer);
    this.socket.resume();
    this.socket.close(code, reason);
  }
}
