/**
 * Node has no response for an upgrade request, but the application needs one. This is a true `ServerResponse` over a
 * stream of our own: what the application answers reaches the client byte for byte. Once the request is admitted, its
 * answer is held back; if it is still a 101 at the end it is discarded, because the transport writes that one.
 */
import { type IncomingMessage, type OutgoingHttpHeader, type OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type Duplex, Writable } from 'node:stream';
import { lingerAndClose } from './refusal-writer.js';

export class UpgradeResponse {
  /** Created on first use: a request that goes around the middleware rarely needs it. */
  private made?: Made;

  constructor(
    readonly request: IncomingMessage,
    private readonly stream: Duplex,
  ) {}

  get response(): ServerResponse {
    return this.open().response;
  }

  /** Resolves when the application has ended the response, or the client has gone. */
  get ended(): Promise<void> {
    return this.open().ended;
  }

  /** True once the application has begun to answer. */
  get isAnswered(): boolean {
    return this.made?.response.headersSent ?? false;
  }

  /** True once a byte of an answer has left for the client. */
  get hasStarted(): boolean {
    return this.made?.tap.hasForwarded ?? false;
  }

  /** True once the response has ended as a 101 and nothing was written before. */
  get isAdmitted(): boolean {
    return this.open().isAdmitted;
  }

  /** True if the client has not received the end of an answer, and never will. */
  get isCut(): boolean {
    return !this.response.writableFinished;
  }

  private open(): Made {
    if (this.made) return this.made;
    const tap = new Tap(this.stream);
    const response = new ServerResponse(this.request);
    response.writeHead = writeHead;
    // A write between the end and the close: nobody in the application can listen for it
    response.on('error', ignore);
    response.shouldKeepAlive = false;
    response.assignSocket(tap as unknown as Socket);
    let over: () => void = ignore;
    const ended = new Promise<void>((resolve) => (over = resolve));
    response.on('finish', () => {
      this.finish();
      over();
    });
    response.on('close', over);
    // As Node's server does for its own responses: without it a streamed answer stops at the first full buffer
    tap.on('drain', () => response.writableNeedDrain && response.emit('drain'));
    const gone = () => void tap.destroy();
    this.stream.on('close', gone);
    return (this.made = { response, tap, ended, over, gone, isAdmitted: false });
  }

  /** The request is admitted, unless the final response is not a 101, because a hook failed while sending. */
  hold(): void {
    const { response, tap } = this.open();
    if (!response.headersSent) tap.mode = 'hold';
  }

  /**
   * Ends the response of an admitted request, so that middleware that waits for its end (a session store) runs. Where
   * nobody does, nothing is written that would be discarded.
   */
  admit(): void {
    this.hold();
    const made = this.open();
    const { response } = made;
    if (!response.headersSent) response.statusCode = 101;
    if (!isUnobserved(response)) {
      response.end();
      return;
    }
    response.writeHead(101);
    response.finished = made.isAdmitted = true;
    Object.defineProperty(response, 'writableFinished', FINISHED);
    discard(made);
    made.over();
  }

  /** Discards what the application still answers; the application learns of it because the response closes. */
  abandon(): void {
    if (!this.made) return;
    this.stream.off('close', this.made.gone);
    this.made.tap.mode = 'discard';
    this.made.tap.destroy();
  }

  /** Returns the header lines that middleware set, except those that describe a body or the connection. */
  headers(): string[] {
    if (!this.made) return [];
    const lines: string[] = [];
    for (const name of this.made.response.getHeaderNames()) {
      if (NOT_FOR_101.has(name) || name.startsWith('sec-websocket-')) continue;
      const value = this.made.response.getHeader(name);
      for (const each of Array.isArray(value) ? value : [value]) lines.push(`${name}: ${each}`);
    }
    return lines;
  }

  /** Whatever the application still writes is ignored, as with Node's own responses: the response closes. */
  private finish(): void {
    const made = this.open();
    const { tap, response } = made;
    made.isAdmitted = tap.mode === 'hold' && response.statusCode === 101;
    if (tap.mode !== 'discard' && !made.isAdmitted) {
      tap.forward();
      lingerAndClose(this.stream);
    }
    discard(made);
  }
}

interface Made {
  readonly response: ServerResponse;
  readonly tap: Tap;
  readonly ended: Promise<void>;
  /** Resolves it. */
  readonly over: () => void;
  /** The listener for the client's end. */
  readonly gone: () => void;
  isAdmitted: boolean;
}

/** Headers that describe a body or the connection, in lower case. */
const NOT_FOR_101: ReadonlySet<string> = new Set([
  ...['connection', 'upgrade', 'keep-alive', 'transfer-encoding', 'trailer', 'date', 'etag', 'last-modified'],
  ...['type', 'length', 'encoding', 'language', 'range', 'location', 'disposition'].map((name) => `content-${name}`),
]);

type HeadersToWrite = OutgoingHttpHeaders | OutgoingHttpHeader[];
type WriteHead = (status: number, reason?: string | HeadersToWrite, headers?: HeadersToWrite) => ServerResponse;

/** Makes `getHeaders()` return also headers that are passed to `writeHead()`, as Fastify passes all of its headers. */
function writeHead(
  this: ServerResponse,
  status: number,
  reason?: string | HeadersToWrite,
  headers?: HeadersToWrite,
): ServerResponse {
  const write = ServerResponse.prototype.writeHead as WriteHead;
  const given = typeof reason === 'object' ? reason : headers;
  if (!given || Array.isArray(given)) return write.call(this, status, reason, headers);
  for (const [name, value] of Object.entries(given)) this.setHeader(name, value!);
  return write.call(this, status, typeof reason === 'string' ? reason : undefined);
}

/** Nothing of a response leaves any more; it closes soon. */
function discard({ response, tap }: Made): void {
  tap.mode = 'discard';
  tap.once('close', () => response.detachSocket(tap as unknown as Socket));
  // Not in the callback of its last write: Node would make an error for a stream that was destroyed meanwhile
  process.nextTick(() => tap.destroy());
}

/** From Node 24 on, only a write makes a response finished. */
const FINISHED = { value: true };

const { end, write, emit } = ServerResponse.prototype;

/**
 * True if nobody notices the end of a response that has not begun. Middleware that waits for it, or for the headers,
 * listens or puts a method of its own in place.
 */
function isUnobserved(response: ServerResponse): boolean {
  if (response.headersSent || response.writableEnded || response.destroyed) return false;
  const isOwn = response.writeHead === writeHead && response.end === end;
  if (!isOwn || response.write !== write || response.emit !== emit) return false;
  // One listener is that of UpgradeResponse
  const others = response.listenerCount('finish') + response.listenerCount('close') - 2;
  return others === 0 && response.listenerCount('prefinish') === 0;
}

/** The stream that the response takes for its socket. */
class Tap extends Writable {
  mode: 'forward' | 'hold' | 'discard' = 'forward';
  hasForwarded = false;
  private readonly held: [Buffer | string, BufferEncoding][] = [];

  constructor(private readonly stream: Duplex) {
    super({ decodeStrings: false });
    this.on('error', ignore);
  }

  get remoteAddress(): string | undefined {
    return (this.stream as Socket).remoteAddress;
  }

  get encrypted(): boolean {
    return 'encrypted' in this.stream;
  }

  /** Ignores `response.setTimeout()`: the handshake has a deadline of its own. */
  setTimeout(): this {
    return this;
  }

  destroySoon(): void {
    this.destroy();
  }

  /** Sends what was held back after all. */
  forward(): void {
    this.mode = 'forward';
    for (const [chunk, encoding] of this.held.splice(0)) this._write(chunk, encoding, ignore);
  }

  override _write(chunk: Buffer | string, encoding: BufferEncoding, done: () => void): void {
    if (this.mode === 'forward' && this.stream.writable) {
      this.hasForwarded = true;
      this.stream.write(chunk, encoding, () => done());
      return;
    }
    if (this.mode === 'hold') this.held.push([chunk, encoding]);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (this.mode !== 'discard') this.stream.destroy();
    done(error);
  }
}

/** The end of the wire reports its own errors. */
function ignore(): void {}
