/**
 * Road IN, step 1, and road OUT, step 10: the socket of a connection that lives between HTTP requests. It keeps what it
 * has sent, so that a lost answer is repeated and a dropped stream goes on. It ends when either side closes it, or when
 * no request has come for the grace time.
 */
import { CloseCode } from 'nestjs-realtime-protocol';
import type { HandshakeError } from '../../errors.js';
import { ControlFrame, type Frame } from '../../frame.js';
import { Message } from '../../message.js';
import { rejection } from '../../http/refusals.js';
import type { Node } from '../../node/node.js';
import type { ReplayRing } from '../../node/replay-ring.js';
import type { RealtimeSettings } from '../../settings/settings.js';
import type { Counted, Place, Sink, Socket } from '../../transport.js';
import { newToken } from '../../handshake/token.js';
import { type Entry, entryOf, newRing } from './kept-messages.js';
import { Posts } from './posts.js';
import type { CarryingAnswer } from './watched-answer.js';

/** What the sockets of these transports need of the node. */
export type RequestNode = Pick<Node, 'id' | 'settings' | 'limits' | 'slowConsumers' | 'failed'>;

/** The session of which a socket is only one wire: what is lost with the wire, the session sends again. */
export interface OfSession {
  readonly token: string;
  /** The number of the last message that the client has. */
  readonly position: number;
}

/** How a socket ended; kept for a while, for a client that comes back. */
export type RequestEnd = Readonly<{ code: number; reason: string }>;

/** From here on the client has to take or acknowledge something first, in bytes that wait. */
const FULL_BYTES = 65_536;

export abstract class RequestSocket implements Socket {
  /** The credential of the connection; it cannot be guessed, and is not the public id. */
  readonly token: string;
  readonly protocol = '';
  sentAt = 0;
  end?: RequestEnd;
  /** True once the end was reported to the core. */
  isGone = false;
  /** True while the hooks are behind; messages from the client are then refused. */
  isPaused = false;
  protected readonly settings: RealtimeSettings;
  protected ring: ReplayRing<Entry>;
  /** True where the session, and not this wire, waits for the client. */
  protected isLostAtOnce = false;
  absentSince?: number;
  /** The number of the newest request that has had its turn. */
  private newest = 0;
  private reading?: Posts;
  private sink?: Sink;
  private grace?: NodeJS.Timeout;
  private whenGone: () => void = () => {};
  private whenCarrying: (token: string) => void = () => {};

  /** @param session undefined for a bare client */
  constructor(
    protected readonly node: RequestNode,
    protected readonly session?: OfSession,
  ) {
    this.settings = node.settings;
    this.token = session?.token ?? newToken(node.id);
    this.ring = newRing(session ? undefined : node.slowConsumers, session?.position);
  }

  abstract readonly bufferedBytes: number;

  /** The client has to take, or to acknowledge, something first: then it has drained. */
  get isFull(): boolean {
    const { settings, slowConsumers } = this.node;
    const max = slowConsumers.bytes < settings.maxBufferedBytesTotal ? FULL_BYTES : 1;
    return this.ring.waitingBytes >= max;
  }

  /**
   * Takes a response to send messages with. After the end, sends the messages that the client has not had, and the end.
   *
   * @param id the connection's public id
   * @param position the position that the client has reached; undefined on a new connection
   * @returns false when the connection cannot resume from that position
   */
  abstract open(answer: CarryingAnswer, id: string, position: number | undefined): boolean;

  /** Answers a request that a newer one has overtaken, for example while its guards ran. It changes nothing. */
  abstract turnBack(answer: CarryingAnswer, position: number): void;

  /** Sends a message about the session, which has no number. It may be lost. */
  protected abstract tell(frame: ControlFrame): void;

  /** @returns where the client stands with the next message */
  protected placesWith: (place?: Place) => string = () => '';

  /** Sends the messages that can be sent now. */
  protected abstract flush(): void;

  /** Ends the response, if there is one, with the waiting messages and the end. @returns true when there was one */
  protected abstract sayGoodbye(end: RequestEnd): boolean;

  /** Cuts the response, if there is one. */
  protected abstract cut(): void;

  abstract ping(): void;

  /** The bodies that are being read for it. */
  get posts(): Posts {
    return (this.reading ??= new Posts(this.node));
  }

  /** @param whenCarrying called with the secret of a session that goes on over this wire, and has another token */
  attach(sink: Sink, whenGone: () => void, whenCarrying: (token: string) => void = () => {}): void {
    this.sink = sink;
    this.whenGone = whenGone;
    this.whenCarrying = whenCarrying;
  }

  carry(token: string, seen: number): void {
    if (token === this.token) return;
    this.ring = newRing(undefined, seen);
    this.whenCarrying(token);
  }

  /**
   * Takes note of a request that is about to be opened.
   *
   * @param arrival its number
   * @returns true when a newer request was opened before it, whose client may be the only one that is left
   */
  isOvertaken(arrival: number): boolean {
    if (arrival < this.newest) return true;
    this.newest = arrival;
    return false;
  }

  /** Present for a client library: its messages are numbered. */
  get counted(): Counted | undefined {
    return this.sink?.counted;
  }

  /** Receives a message from the client. */
  receive(data: Buffer, isBinary: boolean): void {
    this.sink?.alive();
    this.sink?.received(new Message(data, isBinary));
  }

  send(frame: Frame, place?: Place): boolean {
    if (this.end) return false;
    if (frame instanceof ControlFrame) this.tell(frame);
    else this.ring.add(entryOf(frame, place, this.placesWith));
    this.flush();
    return true;
  }

  close(code: number, reason: string): void {
    if (this.end) return;
    this.decide({ code, reason });
    this.finishClose();
  }

  /** Ends the connection because the client asks for it. */
  leave(code: number, reason: string): void {
    this.sayGoodbye(this.decide({ code, reason }));
    this.finish(code, reason);
  }

  terminate(): void {
    this.decide({ code: CloseCode.ABNORMAL, reason: '' });
    this.cut();
    this.finish(CloseCode.ABNORMAL, '');
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  /** Frees what an ended socket keeps for a client whose last answer was lost. It is not used after that. */
  forget(): void {
    this.ring.clear();
  }

  protected alive(): void {
    this.sink?.alive();
  }

  protected drained(): void {
    this.sink?.drained();
  }

  /** A request is present: the grace time stops. */
  protected present(): void {
    clearTimeout(this.grace);
    this.absentSince = undefined;
    this.alive();
  }

  /** No request is present: the client has the grace time, or after a `close()` its timeout, to send the next one. */
  protected absent(): void {
    clearTimeout(this.grace);
    if (this.isGone) return;
    this.absentSince = performance.now();
    if (this.isLostAtOnce && !this.end) return this.finish(CloseCode.ABNORMAL, '');
    const seconds = this.end ? this.settings.closeTimeout : this.settings.graceTime;
    this.grace = setTimeout(() => this.finish(CloseCode.ABNORMAL, ''), seconds * 1000);
  }

  /** Finishes a `close()` at once if a request is present, else with the next request or at the end of a timeout. */
  protected finishClose(): void {
    const { end } = this;
    if (!end || this.isGone) return;
    if (this.sayGoodbye(end)) this.finish(end.code, end.reason);
    else this.absent();
  }

  /** The first end holds. From now on no message of the client is taken. */
  private decide(end: RequestEnd): RequestEnd {
    this.end ??= end;
    this.reading?.refuseAll(gone());
    return this.end;
  }

  private finish(code: number, reason: string): void {
    if (this.isGone) return;
    this.decide({ code, reason });
    this.isGone = true;
    clearTimeout(this.grace);
    const { sink, whenGone } = this;
    // This socket may be remembered for a while; the connection should not be
    this.sink = undefined;
    this.whenGone = this.whenCarrying = () => {};
    whenGone();
    // Never inside a call of the core, as with a WebSocket: what onClose pushes must not overtake the push under way
    queueMicrotask(() => sink!.closed(code, reason));
  }
}

/** Returns the refusal of what arrives for a connection that has ended. */
export function gone(): HandshakeError {
  return rejection(404, 'Connection not found or already closed');
}

/** Returns the refusal of a poll or stream of a session whose client has another wire, or is about to open one. */
export function wireGone(): HandshakeError {
  return rejection(409, 'This connection has no such wire any more: open another one with its hello');
}
