/**
 * Road IN, before step 3, for gateways with `onAuthenticate`: the wire is open, but there is no connection yet. The
 * first message identifies the client; until then nothing is pushed to it, and its handshake counts as unfinished.
 */
import { CloseCode } from 'nestjs-realtime-protocol';
import { HandshakeError, MessageError } from '../errors.js';
import { errorField, label } from '../log.js';
import { Message } from '../message.js';
import type { Node } from '../node/node.js';
import { owned } from '../owned.js';
import type { Counted, Sink, Socket } from '../transport.js';
import type { Admission } from './admission.js';
import type { Gate } from './gate.js';

/** Turns an admitted client into a connection. */
export type Establish = (admission: Admission) => Sink | undefined;

export class FirstMessage implements Sink {
  private connection?: Sink;
  private isAsked = false;
  private hasEnded = false;
  private readonly waiting: Message[] = [];
  private readonly timer: NodeJS.Timeout;

  constructor(
    /** Undefined once there is a connection, so that its request does not stay in memory. */
    private admission: Admission | undefined,
    private readonly socket: Socket,
    private readonly gate: Pick<Gate, 'accept' | 'failed' | 'isRunning' | 'guests' | 'refusals'>,
    private readonly node: Pick<Node, 'settings' | 'limits' | 'counters' | 'prepare'>,
    private readonly open: Establish,
  ) {
    this.timer = setTimeout(() => this.late(), node.settings.authenticateTimeout * 1000);
    gate.guests.add(this);
  }

  get counted(): Counted | undefined {
    return this.connection?.counted;
  }

  /** Its hooks run later: there is no connection yet. */
  opened(): void {}

  received(message: Message): void {
    if (this.connection) this.connection.received(message);
    else if (this.hasEnded) return;
    else if (this.isAsked) this.waiting.push(ownedMessage(message));
    else {
      this.isAsked = true;
      this.socket.pause();
      void this.authenticate(this.admission!, ownedMessage(message));
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
    this.gate.guests.delete(this);
    if (this.connection) this.connection.closed(code, reason);
    else this.admission?.place.release();
  }

  private async authenticate(admission: Admission, message: Message): Promise<void> {
    const { gateway, request } = admission;
    try {
      const identified = this.gate.accept(await gateway.onAuthenticate!(message, request), admission);
      const subscribed = this.node.prepare(gateway.path, identified.identity);
      if (subscribed) await subscribed;
      if (!this.gate.isRunning) this.refuse('server shutting down', CloseCode.GOING_AWAY);
      else if (!this.hasEnded) this.establish(identified);
    } catch (error) {
      const { code, reason } = endOf(error);
      this.note(admission, error, code);
      this.refuse(reason, code);
    }
  }

  /** Only what the client did counts against its address. */
  private note({ gateway, request }: Admission, error: unknown, code: number): void {
    const who = label(request.transport);
    const at = `code=${code} path=${gateway.path} ip=${request.address}`;
    if (code === CloseCode.UNAUTHORIZED) this.gate.failed(request);
    const { refusals } = this.gate;
    if (code === CloseCode.INTERNAL_ERROR) refusals.failed(`${who} onAuthenticate failed ${at}`, error);
    else refusals.warn(`${who} connection refused ${at} reason=${errorField(error)}`);
  }

  /** Closes the wire because the server shuts down. */
  goAway(reason: string, code: number): void {
    this.refuse(reason, code);
  }

  private late(): void {
    const { gateway, request } = this.admission!;
    const at = `path=${gateway.path} ip=${request.address}`;
    if (!this.node.limits.reached('authenticateTime', at)) return;
    // A hook that hangs is not the client's fault
    if (this.isAsked) return this.refuse('authentication took too long', CloseCode.TRY_AGAIN_LATER);
    this.gate.failed(request);
    this.refuse('no credential in time');
  }

  private establish(admission: Admission): void {
    this.admission = undefined;
    clearTimeout(this.timer);
    this.gate.guests.delete(this);
    this.connection = this.open(admission);
    if (!this.connection) return this.socket.terminate();
    // Before the hooks run: one of them may pause it again
    this.socket.resume();
    this.connection.opened();
    for (const message of this.waiting.splice(0)) this.connection.received(message);
  }

  private refuse(reason: string, code: number = CloseCode.UNAUTHORIZED): void {
    if (this.connection || this.hasEnded) return;
    this.hasEnded = true;
    this.waiting.length = 0;
    this.node.counters.refused++;
    clearTimeout(this.timer);
    this.socket.resume();
    this.socket.close(code, reason);
  }
}

/**
 * How an error of `onAuthenticate` ends the wire. Who is not who they say they are stays away (401, 403, a wrong
 * message); who comes at a bad time comes back (429, 503); anything else is a fault of the application.
 */
function endOf(error: unknown): { code: number; reason: string } {
  const status = error instanceof MessageError ? 401 : error instanceof HandshakeError ? error.status : 500;
  if (status === 401 || status === 403) return { code: CloseCode.UNAUTHORIZED, reason: 'unauthorized' };
  if (status === 429 || status === 503) return { code: CloseCode.TRY_AGAIN_LATER, reason: 'try again later' };
  return { code: CloseCode.INTERNAL_ERROR, reason: 'onAuthenticate failed' };
}

/** A message that waits must not keep the memory that it shares with others. */
function ownedMessage(message: Message): Message {
  return new Message(owned(message.bytes()), message.isBinary);
}
