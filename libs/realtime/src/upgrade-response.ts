/**
 * An upgrade request has no response in Node; the application needs one. This is a true `ServerResponse` over a Duplex
 * of our own: what the application answers reaches the client byte for byte. Once the request is admitted its answer is
 * kept back, and thrown away if it is still a 101 in the end, because that one is not HTTP's to write.
 */
import { type IncomingMessage, type OutgoingHttpHeader, type OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { lingerAndClose } from './refusal-writer.js';

export class UpgradeResponse {
  readonly response: ServerResponse;
  /** Resolves when the application has ended the response, or the client has gone. */
  readonly ended: Promise<void>;
  private readonly tap: Tap;
  private readonly gone = () => void this.tap.destroy();

  constructor(
    readonly request: IncomingMessage,
    private readonly stream: Duplex,
  ) {
    this.tap = new Tap(stream);
    this.response = new ServerResponse(request);
    rememberHeaders(this.response);
    this.response.shouldKeepAlive = false;
    this.response.assignSocket(this.tap as unknown as Socket);
    this.ended = new Promise((resolve) => {
      this.response.once('finish', () => resolve(this.finish()));
      this.response.once('close', resolve);
    });
    // As Node's server does for its own responses: without it a streamed answer stops at the first full buffer
    this.tap.on('drain', () => this.response.writableNeedDrain && this.response.emit('drain'));
    stream.once('close', this.gone);
  }

  /** True once a byte of an answer has left for the client. */
  get hasStarted(): boolean {
    return this.tap.hasForwarded;
  }

  /** True when the response has ended as a 101, and nothing else was written before. */
  get isAdmitted(): boolean {
    return this.tap.mode === 'hold' && this.response.writableFinished && this.response.statusCode === 101;
  }

  /** True when the client has not got, and will not get, the end of an answer. */
  get isCut(): boolean {
    return !this.response.writableFinished;
  }

  /** The request is admitted, unless its answer turns out to be no 101: an error in a hook that runs on sending. */
  hold(): void {
    if (!this.response.headersSent) this.tap.mode = 'hold';
  }

  /** Ends the response of an admitted request, so that middleware that waits for its end (a session store) runs. */
  admit(): void {
    this.hold();
    if (!this.response.headersSent) this.response.statusCode = 101;
    this.response.end();
  }

  /** The request will get no answer of the application: what it still does is thrown away, and it learns that. */
  abandon(): void {
    this.stream.off('close', this.gone);
    this.tap.mode = 'discard';
    this.tap.destroy();
  }

  /** What middleware set and what makes sense beside a 101: not what describes a body or the connection. */
  headers(): string[] {
    return Object.entries(this.response.getHeaders()).flatMap(([name, value]) => headerLines(name, value));
  }

  private finish(): void {
    this.response.detachSocket(this.tap as unknown as Socket);
    process.nextTick(() => this.response.emit('close'));
    if (this.tap.mode === 'discard' || this.isAdmitted) return;
    this.tap.forward();
    lingerAndClose(this.stream);
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

type HeadersToWrite = OutgoingHttpHeaders | OutgoingHttpHeader[];

/** `getHeaders()` does not tell the headers that `writeHead()` brings, as all of Fastify's are; from now on it does. */
function rememberHeaders(response: ServerResponse): void {
  const writeHead = response.writeHead.bind(response) as typeof response.writeHead;
  response.writeHead = (status: number, reason?: string | HeadersToWrite, headers?: HeadersToWrite) => {
    const brought = typeof reason === 'object' ? reason : headers;
    if (!brought || Array.isArray(brought)) return writeHead(status, reason as string, headers);
    for (const [name, value] of Object.entries(brought)) response.setHeader(name, value!);
    return writeHead(status, typeof reason === 'string' ? reason : undefined);
  };
}

/** The socket of the response. */
class Tap extends Duplex {
  mode: 'forward' | 'hold' | 'discard' = 'forward';
  hasForwarded = false;
  private held: Buffer[] = [];

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

  /** What was kept back leaves after all. */
  forward(): void {
    this.mode = 'forward';
    for (const chunk of this.held.splice(0)) this._write(chunk, 'utf8', () => {});
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, done: () => void): void {
    if (this.mode === 'forward' && this.stream.writable) {
      this.hasForwarded = true;
      this.stream.write(chunk, encoding, () => done());
      return;
    }
    if (this.mode === 'hold') this.held.push(chunk);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (this.mode !== 'discard') this.stream.destroy();
    done(error);
  }
}
