/**
 * Road IN, before step 1: takes the upgrades of our paths out of the HTTP server's `upgrade` event and leaves all others
 * alone. Other listeners (Nest's WsAdapter, Socket.IO) cut sockets that they do not know or that take long; they never
 * see ours, in whatever order they were added. An upgrade for which there is no listener gets 404.
 */
import type { IncomingMessage, OutgoingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Server as TlsServer } from 'node:tls';
import type { Transport } from '../transport.js';
import type { HandshakeError } from '../errors.js';
import type { HeaderDeadline } from './header-deadline.js';
import { splitTarget } from './platform-request.js';
import { writeRefusal } from './refusal-writer.js';
import { refusal } from './refusals.js';

/** The part of the gate that the tap needs. */
interface UpgradeGate {
  serves(path: string): boolean;
  /** Counts and logs a refusal of an upgrade on a gateway's path. */
  noteRefusal(request: IncomingMessage, transport: string | undefined, error: unknown): void;
}

export class UpgradeTap {
  private readonly original: Server['emit'];
  private readonly replaced: Server['emit'];
  private readonly wasOwn: boolean;

  constructor(
    private readonly server: Server,
    private readonly gate: UpgradeGate,
    private readonly transport: Required<Pick<Transport, 'upgrade'>>,
    private readonly deadline: Pick<HeaderDeadline, 'release'>,
  ) {
    const emit = (this.original = server.emit);
    this.wasOwn = Object.hasOwn(server, 'emit');
    this.replaced = (...args: unknown[]): boolean => {
      const [event, request, stream, head] = args;
      if (event === 'upgrade' && this.take(request as IncomingMessage, stream as Duplex, head as Buffer)) return true;
      return Reflect.apply(emit, server, args) as boolean;
    };
    server.emit = this.replaced;
    // Node emits upgrades only if there is a listener
    server.on('upgrade', ignore);
  }

  /** Restores the server as it was. */
  detach(): void {
    this.server.off('upgrade', ignore);
    if (this.server.emit !== this.replaced) return;
    if (this.wasOwn) this.server.emit = this.original;
    else Reflect.deleteProperty(this.server, 'emit');
  }

  private take(request: IncomingMessage, stream: Duplex, head: Buffer): boolean {
    this.deadline.release(stream as Socket);
    const isWebSocket = request.headers.upgrade?.toLowerCase() === 'websocket';
    const isOurs = isWebSocket && this.gate.serves(splitTarget(request.url ?? '').path);
    if (!isOurs && this.server.listenerCount('upgrade') > 1) return false;
    const hasLost = hasLostHeaders(request, this.server);
    if (isOurs && !hasLost && !answerBefore(stream)) {
      this.transport.upgrade(request, stream, head);
      return true;
    }
    const broken = () => stream.destroy();
    stream.on('error', broken);
    void afterAnswers(stream, () => {
      if (!isWebSocket && !hasLost) {
        stream.off('error', broken);
        this.readAgain(request, stream, head);
        return;
      }
      const answer = hasLost ? tooManyHeaders() : isOurs ? pipelined() : refusal(404, 'No gateway has this path');
      if (isOurs) this.gate.noteRefusal(request, 'websocket', answer);
      writeRefusal(request, stream, answer);
    });
    return true;
  }

  /**
   * Lets Node answer a request that offers another protocol, such as the `h2c` of Java's HTTP client. A server that does
   * not want it answers as if the offer had not been made (RFC 9110 §7.8), and without us Node would have done so. Node
   * has stopped reading after the headers, so it gets them once more, without the offer, and then the body.
   */
  private readAgain({ method, url, httpVersion, rawHeaders }: IncomingMessage, stream: Duplex, head: Buffer): void {
    const names = rawHeaders.filter((_, index) => index % 2 === 0);
    const lines = names.map((name, index) => `${name}: ${rawHeaders[2 * index + 1]}`);
    const kept = lines.filter((_, index) => names[index]!.toLowerCase() !== 'upgrade');
    const text = [`${method} ${url} HTTP/${httpVersion}`, ...kept, '', ''].join('\r\n');
    stream.unshift(Buffer.concat([Buffer.from(text, 'latin1'), head]));
    this.server.emit(this.server instanceof TlsServer ? 'secureConnection' : 'connection', stream);
  }
}

function ignore(): void {}

function pipelined(): HandshakeError {
  return refusal(400, 'Pipelined handshake: the previous response is not finished; use a new connection');
}

function tooManyHeaders(): HandshakeError {
  return refusal(431, 'The request has too many headers');
}

/** Node keeps so many headers of a request unless `maxHeadersCount` says otherwise, each as two strings. */
const KEPT_STRINGS = 2000;

/**
 * Returns whether Node may have left out headers. Node 20 does so silently: of a request without them, nobody knows
 * who sent it and where it ends. Later versions answer 431 themselves.
 */
function hasLostHeaders({ rawHeaders }: IncomingMessage, { maxHeadersCount }: Server): boolean {
  const kept = typeof maxHeadersCount === 'number' ? 2 * maxHeadersCount : KEPT_STRINGS;
  return kept > 0 && rawHeaders.length >= kept;
}

/** Returns the response to an earlier request of the same client, if it is still being written. */
function answerBefore(stream: Duplex): OutgoingMessage | undefined {
  return (stream as { _httpMessage?: OutgoingMessage | null })._httpMessage ?? undefined;
}

/** Runs a task after the responses to earlier, pipelined requests have ended, unless the client has gone by then. */
async function afterAnswers(stream: Duplex, task: () => void): Promise<void> {
  for (let answer = answerBefore(stream); answer && !stream.destroyed; answer = answerBefore(stream)) {
    const ended = answer;
    await new Promise((resolve) => ended.once('close', resolve));
  }
  if (stream.writable) task();
}
