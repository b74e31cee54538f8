/**
 * The body of a relayed response, as the owner writes it: no more is on its way than the other node has given credit for;
 * the rest waits here, so that a client that is too slow is noticed as everywhere. Road OUT, step 10.
 */
import { Writable } from 'node:stream';

/** Where it goes. Its methods MUST NOT throw. */
export interface WriterSink {
  /** Sends the parts of one turn of the event loop. */
  send(bytes: Buffer): void;
  /** All has been sent. */
  end(): void;
}

/** From here on a writer has to wait, in bytes. */
const HIGH_WATER = 16_384;

export class RelayWriter extends Writable {
  /** What credit was taken for, and is sent at the end of this turn. */
  private turn: Buffer[] = [];
  private isTurnDue = false;
  /** What waits for credit, and who is told when it has gone. */
  private rest?: { bytes: Buffer; done: () => void };

  /**
   * @param credit how many bytes may be sent at once
   * @param soon calls a task at the end of this turn of the event loop
   */
  constructor(
    private readonly sink: WriterSink,
    private credit: number,
    private readonly soon: (task: () => void) => void,
  ) {
    super({ highWaterMark: HIGH_WATER, decodeStrings: true });
  }

  /** So many bytes more may be sent. */
  grant(bytes: number): void {
    this.credit += bytes;
    const { rest } = this;
    this.rest = undefined;
    if (rest) this.put(rest.bytes, rest.done);
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.put(bytes, done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
    this.put(Buffer.concat(chunks.map(({ chunk }) => chunk)), done);
  }

  override _final(done: () => void): void {
    this.flush();
    this.sink.end();
    done();
  }

  private put(bytes: Buffer, done: () => void): void {
    const now = bytes.subarray(0, this.credit);
    this.credit -= now.length;
    if (now.length > 0) this.add(now);
    if (now.length === bytes.length) done();
    else this.rest = { bytes: bytes.subarray(now.length), done };
  }

  private add(bytes: Buffer): void {
    this.turn.push(bytes);
    if (this.isTurnDue) return;
    this.isTurnDue = true;
    this.soon(() => {
      this.isTurnDue = false;
      this.flush();
    });
  }

  private flush(): void {
    const { turn } = this;
    if (turn.length === 0 || this.destroyed) return;
    this.turn = [];
    this.sink.send(turn.length === 1 ? turn[0]! : Buffer.concat(turn));
  }
}
