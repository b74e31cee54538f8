/**
 * An upgrade request has no response in Node; the application needs one. This is a true `ServerResponse` over a Duplex
 * of our own: what the application answers reaches the client byte for byte, until the request is admitted; from then
 * on it is thrown away, because the 101 is not HTTP's to write.
 */
import { type IncomingMessage, type OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { lingerAndClose } from './refusal-writer.js';

export class UpgradeResponse {
  readonly response: ServerResponse;
  /** Resolves when the application has ended the response, or the client has gone. */
  readonly ended: Promise<void>;
  private readonly tap: Tap;

  constructor(
    readonly request: IncomingMessage,
    private readonly stream: Duplex,
  ) {
    this.tap = new Tap(stream);
    this.response = new ServerResponse(request);
    this.response.shouldKeepAlive = false;
    this.response.assignSocket(this.tap as unknown as Socket);
    this.ended = new Promise((resolve) => {
      this.response.once('finish', () => resolve(this.finish()));
      this.response.once('close', resolve);
    });
    stream.once('close', () => this.tap.destroy());
  }

  /** True once a byte of an answer has left for the client. */
  get hasStarted(): boolean {
    return this.tap.hasForwarded;
  }

  /** From now on nothing that the application writes reaches the client. */
  discard(): void {
    this.tap.isForwarding = false;
  }

  /** Ends the response of an admitted request, so that middleware that waits for its end (a session store) runs. */
  admit(): void {
    this.discard();
    this.response.statusCode = 101;
    this.response.end();
  }

  /** The request will get no answer of the application: what it still does is thrown away, and it learns that. */
  abandon(): void {
    this.discard();
    this.tap.destroy();
  }

  /** What middleware set and what makes sense beside a 101: not what describes a body or the connection. */
  headers(): string[] {
    return Object.entries(this.response.getHeaders()).flatMap(([name, value]) => headerLines(name, value));
  }

  private finish(): void {
    this.response.detachSocket(this.tap as unknown as Socket);
    process.nextTick(() => this.response.emit('close'));
    if (this.tap.isForwarding) lingerAndClose(this.stream);
  }
}

/** Headers that describe a body or the connection, in lower case. */
const NOT_FOR_101: ReadonlySet<string> = new Set([
  ...['connection', 'upgrade', 'keep-alive', 'transfer-encoding', 'trailer', 'date', 'etag', 'last-modified'],
  ...['type', 'length', 'encoding', 'language', 'range', 'location', 'disposition'].map((name) => `content-${name}`),
]);

function headerLines(name: string, value: OutgoingHttpHeaders[string]): string[] {
  if (NOT_FOR_101.has(name) || name.startsWith('sec-websocket-')) return [];
  const values = Array.isArray(value) ? value : [value];
  return values.filter((item) => item !== undefined).map((item) => `${name}: ${item}`);
}

/** The socket of the response. */
class Tap extends Duplex {
  isForwarding = true;
  hasForwarded = false;

  constructor(private readonly stream: Duplex) {
    super({ allowHalfOpen: true });
    this.on('error', () => {});
  }

  get remoteAddress(): string | undefined {
    return (this.stream as Socket).remoteAddress;
  }

  get encrypted(): boolean {
    return 'encrypted' in this.stream;
  }

  /** Called by `response.setTimeout()`: the handshake has a deadline of its own. */
  setTimeout(): this {
    return this;
  }

  destroySoon(): void {
    this.destroy();
  }

  override _read(): void {}

  override _write(chunk: Buffer, encoding: BufferEncoding, done: () => void): void {
    if (!this.isForwarding || !this.stream.writable) {
      done();
      return;
    }
    this.hasForwarded = true;
    this.stream.write(chunk, encoding, () => done());
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (this.isForwarding) this.stream.destroy();
    done(error);
  }
}
