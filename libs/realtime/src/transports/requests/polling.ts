/**
 * Road IN, step 1, and road OUT, step 10: long polling. A poll is answered when there are messages, or after the hold
 * time. The answer carries a position, and the next poll states the position that the client has reached: a lost answer
 * is repeated, and no message arrives twice.
 */
import type { ControlFrame, Frame } from '../../frame.js';
import type { HttpAnswer, HttpExchange } from '../../http/exchange.js';
import { rejection } from '../../http/refusals.js';
import { type OfSession, type RequestEnd, type RequestNode, RequestSocket } from './request-socket.js';
import { queryOf, type RequestTransport, TOKEN_HEADER } from './request-transport.js';
import { onceForAll } from './shared-text.js';
import type { CarryingAnswer } from './watched-answer.js';

/** What an answer has beside its messages. */
interface BatchHead {
  /** Only in the first answer of a connection: its public id and its credential. */
  readonly id?: string;
  readonly token?: string;
  /** The position of the last message. */
  readonly position: number;
}

export class PollingTransport implements RequestTransport {
  readonly name = 'polling';

  constructor(private readonly node: RequestNode) {}

  takes(exchange: HttpExchange): boolean {
    return queryOf(exchange).get('transport') === 'polling';
  }

  ticket(exchange: HttpExchange): { token: string; position: number } | undefined {
    const token = exchange.incoming.headers[TOKEN_HEADER];
    // What follows is where the client stands in rooms with history, for a node that does not know the token
    const position = Number((queryOf(exchange).get('position') ?? '0').split(';', 1)[0]);
    return typeof token === 'string' ? { token, position } : undefined;
  }

  createSocket(session?: OfSession): PollingSocket {
    return new PollingSocket(this.node, session);
  }
}

export class PollingSocket extends RequestSocket {
  /** The poll that waits for messages. */
  private waiting?: { readonly answer: CarryingAnswer; readonly position: number };
  /** The response of the last poll; the client counts as present until it has taken it. */
  private last?: CarryingAnswer;
  private holdTimer?: NodeJS.Timeout;
  /** The token for the first answer, which is sent at once. */
  private greeting?: { id: string; token: string };
  private turn?: NodeJS.Immediate;
  /** The highest position that the client has stated. */
  private acknowledged = this.ring.last;
  /** Messages without a number: they are in one answer, and not repeated. */
  private controls: ControlFrame[] = [];

  get bufferedBytes(): number {
    return this.ring.bytes;
  }

  protected tell(frame: ControlFrame): void {
    this.controls.push(frame);
  }

  open(answer: CarryingAnswer, id: string, position: number | undefined): boolean {
    if (position !== undefined && !this.acknowledge(position)) return false;
    // Of two polls at once the older is answered without messages: they belong to the newer one
    if (this.waiting) this.reply({ position: this.waiting.position }, []);
    this.waiting = { answer, position: position ?? this.acknowledged };
    if (this.isGone) return this.sayGoodbye(this.end!);
    this.last = answer;
    if (position === undefined) this.greeting = { id, token: this.token };
    else this.holdTimer = setTimeout(() => this.replyAll(), this.holdMs);
    this.present();
    this.flush();
    this.finishClose();
    answer.onClose(() => this.left(answer));
    return true;
  }

  turnBack(answer: CarryingAnswer, position: number): void {
    send(answer, batch({ position }, []));
  }

  /** At most half of the idle time: the next poll is the client's sign of life. */
  private get holdMs(): number {
    const { pollHold, heartbeatIdleTime } = this.settings;
    return Math.min(pollHold, heartbeatIdleTime / 2 || Infinity) * 1000;
  }

  /** Does nothing: a client that answers the end of the hold time with another poll is alive. */
  ping(): void {}

  /** Sends all messages of one turn of the event loop in one answer. */
  protected flush(): void {
    const hasMessages = this.greeting !== undefined || this.controls.length > 0 || !this.ring.isEmpty;
    if (!this.waiting || !hasMessages || this.turn) return;
    this.turn = setImmediate(() => {
      this.turn = undefined;
      this.replyAll();
    });
  }

  /**
   * Forgets the messages that the client has.
   *
   * @returns false when the client cannot have reached this position
   * @throws HandshakeError 409 when a later poll already stated a higher position; the overtaken poll changes nothing
   */
  private acknowledge(position: number): boolean {
    if (!Number.isInteger(position) || position < 0 || position > this.ring.last) return false;
    const { acknowledged } = this;
    if (position < acknowledged)
      throw rejection(409, `Messages up to position ${acknowledged} were already acknowledged`);
    this.ring.acknowledge(position);
    if (position === acknowledged) return true;
    this.acknowledged = position;
    this.counted?.acknowledged(position);
    this.drained();
    return true;
  }

  /** Answers with all messages that the client has not acknowledged. */
  private replyAll(close?: RequestEnd): void {
    if (!this.waiting) return;
    const { ring, greeting } = this;
    const frames = [...this.controls.splice(0), ...ring.all().map(({ frame }) => frame)];
    this.reply({ ...greeting, position: ring.last }, frames.map(itemOf), close);
  }

  private reply(head: BatchHead, texts: readonly string[], close?: RequestEnd): void {
    const answer = this.waiting?.answer;
    if (!answer) return;
    this.waiting = this.greeting = undefined;
    clearTimeout(this.holdTimer);
    if (texts.length > 0) this.sentAt = performance.now();
    send(answer, batch(head, texts, close));
    if (close) answer.cutAfter(this.settings.closeTimeout);
    else answer.cutAfter(this.settings.maxSlowTime, () => this.node.limits.reached('slowTime', 'transport=polling'));
  }

  /** The client has taken the response, or is gone. */
  private left(answer: CarryingAnswer): void {
    if (this.waiting?.answer === answer) this.stopWaiting();
    if (this.last !== answer) return;
    this.last = undefined;
    this.absent();
  }

  private stopWaiting(): void {
    this.waiting = undefined;
    clearTimeout(this.holdTimer);
  }

  protected sayGoodbye(close: RequestEnd): boolean {
    if (!this.waiting) return false;
    this.replyAll(close);
    return true;
  }

  protected cut(): void {
    this.stopWaiting();
    this.last?.cut();
  }
}

/** Encodes a message. */
const itemOf = onceForAll((frame: Frame) => JSON.stringify(frame.isBinary ? { binary: frame.base64 } : frame.text));

function send(answer: HttpAnswer, body: string): void {
  answer.header('Content-Type', 'application/json; charset=utf-8');
  answer.header('Cache-Control', 'no-store');
  answer.send(200, body);
}

/** Writes the body of an answer: `{ id?, token?, position, messages, close? }`. */
function batch(head: BatchHead, texts: readonly string[], close?: RequestEnd): string {
  const start = JSON.stringify(head).slice(0, -1);
  const end = close ? `,"close":${JSON.stringify(close)}}` : '}';
  return `${start},"messages":[${texts.join(',')}]${end}`;
}
