/** The response to a request that another node serves, as the owner of the connection writes it. Road OUT, step 10. */
import type { Writable } from 'node:stream';
import type { Outcome, SealedAnswer } from '../../relay.js';
import type { RelayControl, RelayId } from './relay-messages.js';
import { RelayWriter } from './relay-writer.js';

/** The way to the node that serves. Its methods MUST NOT throw. */
export interface AnswerLine {
  control(control: RelayControl): void;
  data(seq: number, bytes: Buffer): void;
  /** Calls a task at the end of this turn of the event loop. */
  soon(task: () => void): void;
  /** The era of this node. */
  era(): number;
  /** The answer is over without the client having had all of it: it is forgotten. */
  over(): void;
}

export class OwnedAnswer implements SealedAnswer {
  isClosed = false;
  private readonly headers: Record<string, string> = {};
  private readonly writer: RelayWriter;
  private listener?: () => void;
  private seal = (bytes: Buffer) => bytes;
  private seq = 0;
  private hasOpened = false;
  private hasBegun = false;
  private hasEnded = false;

  /** @param credit how many bytes may be sent before the node that serves gives more */
  constructor(
    readonly id: RelayId,
    private readonly line: AnswerLine,
    credit: number,
  ) {
    const sink = { send: (bytes: Buffer) => this.part(bytes), end: () => this.end({ status: 200 }) };
    this.writer = new RelayWriter(sink, credit, (task) => line.soon(task));
    this.writer.on('error', () => {});
  }

  sealWith(seal: (bytes: Buffer) => Buffer): void {
    this.seal = seal;
  }

  header(name: string, value: string): void {
    this.headers[name.toLowerCase()] = value;
  }

  /** The request is taken; what it is answered with may come later. */
  opened(): void {
    if (this.hasOpened || this.hasEnded || this.isClosed) return;
    this.hasOpened = true;
    this.line.control({ type: 'opened', id: this.id, era: this.line.era() });
  }

  send(status: number, body?: string): void {
    if (this.isClosed || this.hasBegun || this.hasEnded) return;
    if (body === undefined || status !== 200) return this.end({ status });
    this.begin();
    this.writer.end(body);
  }

  stream(): Writable {
    if (!this.isClosed && !this.hasEnded) this.begin();
    return this.writer;
  }

  onClose(listener: () => void): void {
    if (this.isClosed) listener();
    else this.listener = listener;
  }

  /** Ends the request with a status; nothing has been written. */
  end(outcome: Outcome): void {
    if (this.hasEnded || this.isClosed) return;
    this.hasEnded = true;
    this.line.control({ ...outcome, type: 'end', id: this.id, seq: this.seq });
  }

  /** The node that serves gives more credit. */
  grant(bytes: number): void {
    this.writer.grant(bytes);
  }

  cut(): void {
    if (this.isClosed) return;
    this.line.control({ type: 'gone', id: this.id });
    this.line.over();
    this.closed();
  }

  /** The client has taken the response, or is gone. */
  closed(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.writer.destroy();
    this.listener?.();
  }

  private begin(): void {
    this.opened();
    if (this.hasBegun) return;
    this.hasBegun = true;
    this.line.control({ type: 'head', id: this.id, headers: this.headers });
  }

  private part(bytes: Buffer): void {
    if (!this.isClosed) this.line.data(++this.seq, this.seal(bytes));
  }
}
