/**
 * Road IN, step 1, and road OUT, step 10: long polling. An answer comes when there is news, or after the hold time; it
 * carries a position, and the next request states the position it has: a lost answer is repeated, nothing comes twice.
 */
import type { RealtimeSettings } from '../settings.js';
import type { Answer, Visit } from './answer.js';
import { type Entry, type RequestEnd, RequestSocket } from './request-socket.js';
import { queryOf, type RequestTransport, TOKEN_HEADER } from './requests.js';

/** One message of a batch. */
type Item = string | { readonly binary: string };

export class PollingTransport implements RequestTransport {
  readonly name = 'polling';

  constructor(private readonly settings: RealtimeSettings) {}

  takes(visit: Visit): boolean {
    return queryOf(visit).get('transport') === 'polling';
  }

  ticket(visit: Visit): { token: string; position: number } | undefined {
    const token = visit.node.headers[TOKEN_HEADER];
    const position = Number(queryOf(visit).get('position') ?? 0);
    return typeof token === 'string' ? { token, position } : undefined;
  }

  createSocket(): PollingSocket {
    return new PollingSocket(this.settings);
  }

  answerEnded({ answer }: Visit, close: RequestEnd): void {
    answer.header('Content-Type', 'application/json; charset=utf-8');
    answer.send(200, JSON.stringify({ messages: [], close }));
  }
}

class PollingSocket extends RequestSocket {
  private answer?: Answer;
  private holdTimer?: NodeJS.Timeout;
  /** True for the first answer, which goes at once: it carries the token. */
  private greeting?: { id: string; token: string };
  private turn?: NodeJS.Immediate;

  get bufferedBytes(): number {
    return this.entryBytes;
  }

  open(answer: Answer, id: string, position: number | undefined): boolean {
    if (position !== undefined && !this.acknowledge(position)) return false;
    this.reply();
    this.answer = answer;
    answer.onClose(() => {
      if (this.answer === answer) this.forget();
    });
    if (position === undefined) this.greeting = { id, token: this.token };
    else this.holdTimer = setTimeout(() => this.reply(), this.settings.pollHold * 1000);
    this.present();
    this.flush();
    this.settle();
    return true;
  }

  /** A silent poll is answered and comes back: that is its sign of life. */
  ping(): void {}

  /** All messages of one turn of the event loop go in one answer. */
  protected flush(): void {
    const hasNews = this.greeting !== undefined || this.entries.length > 0;
    if (!this.answer || this.isHeld || !hasNews || this.turn) return;
    this.turn = setImmediate(() => {
      this.turn = undefined;
      if (!this.isHeld) this.reply();
    });
  }

  private acknowledge(position: number): boolean {
    if (!Number.isInteger(position) || position < 0 || position > this.position) return false;
    const before = this.entries.length;
    while (this.entries.length > 0 && this.entries[0]!.position <= position) {
      this.entryBytes -= this.entries.shift()!.frame.size;
    }
    if (this.entries.length < before) this.drained();
    return true;
  }

  private reply(close?: RequestEnd): void {
    const { answer, greeting } = this;
    if (!answer) return;
    this.answer = undefined;
    clearTimeout(this.holdTimer);
    this.greeting = undefined;
    const messages = this.entries.map(itemOf);
    answer.header('Content-Type', 'application/json; charset=utf-8');
    answer.header('Cache-Control', 'no-store');
    answer.send(200, JSON.stringify({ ...greeting, position: this.position, messages, close }));
    this.absent();
  }

  private forget(): void {
    this.answer = undefined;
    clearTimeout(this.holdTimer);
    this.absent();
  }

  protected sayGoodbye(end: RequestEnd): boolean {
    if (!this.answer) return false;
    this.reply(end);
    return true;
  }

  protected dropResponse(): void {
    clearImmediate(this.turn);
    clearTimeout(this.holdTimer);
    const { answer } = this;
    this.answer = undefined;
    answer?.send(204);
  }
}

function itemOf({ frame }: Entry): Item {
  return typeof frame.data === 'string' ? frame.data : { binary: frame.data.toString('base64') };
}
