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

/** From Node 24.9 on, and in later versions of 22, a server asks whether a request is an upgrade before it stops reading. */
interface AskingServer extends Server {
  shouldUpgradeCallback?: (request: IncomingMessage) => boolean;
}

export class UpgradeTap {
  /** Each undoes one replacement. */
  private readonly undo: (() => void)[] = [];

  constructor(
    private readonly server: AskingServer,
    private readonly gate: UpgradeGate,
    private readonly transport: Required<Pick<Transport, 'upgrade'>>,
    private readonly deadline: Pick<HeaderDeadline, 'release'>,
  ) {
    const { emit, shouldUpgradeCallback: asked } = server;
    this.replace('emit', (...args: unknown[]): boolean => {
      const [event, request, stream, head] = args;
      if (event === 'upgrade' && this.take(request as IncomingMessage, stream as Duplex, head as Buffer)) return true;
      return Reflect.apply(emit, server, args) as boolean;
    });
    // Node emits upgrades only if there is a listener
    server.on('upgrade', ignore);
    if (asked)
      this.replace(
        'shouldUpgradeCallback',
        (offer) => asked.call(server, offer) && (isForWebSocket(offer) || this.hasOthers),
      );
  }

  /** Replaces a method of the server until `detach()`, unless somebody else has replaced it again by then. */
  private replace<K extends 'emit' | 'shouldUpgradeCallback'>(name: K, method: AskingServer[K]): void {
    const { server } = this;
    const own = Object.getOwnPropertyDescriptor(server, name);
    server[name] = method;
    this.undo.push(() => {
      if (server[name] !== method) return;
      if (own) Object.defineProperty(server, name, own);
      else Reflect.deleteProperty(server, name);
    });
  }

  /** Restores the server as it was. */
  detach(): void {
    this.server.off('upgrade', ignore);
    for (const undo of this.undo.splice(0)) undo();
  }

  /** True while the application, or another library, takes upgrades too. */
  private get hasOthers(): boolean {
    return this.server.listenerCount('upgrade') > 1;
  }

  /** @param stream the network connection; since Node 26 a stream above it, where the request has a body */
  private take(request: IncomingMessage, stream: Duplex, head: Buffer): boolean {
    const { socket } = request;
    this.deadline.release(socket);
    const isWebSocket = isForWebSocket(request);
    const isOurs = isWebSocket && this.gate.serves(splitTarget(request.url ?? '').path);
    if (!isOurs && this.hasOthers) return false;
    const hasLost = hasLostHeaders(request, this.server);
    if (isOurs && !hasLost && !answerBefore(socket)) {
      this.transport.upgrade(request, stream, head);
      return true;
    }
    const broken = () => stream.destroy();
    stream.on('error', broken);
    void afterAnswers(socket, () => {
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
   * not want it answers as if the offer had not been made (RFC 9110 §7.8), and without us Node would have done so. A
   * Node that did not ask has stopped reading after the headers, so it gets them once more, without the offer, and then
   * the body.
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

function isForWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket';
}

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
function answerBefore(socket: Socket): OutgoingMessage | undefined {
  return (socket as { _httpMessage?: OutgoingMessage | null })._httpMessage ?? undefined;
}

/** Runs a task after the responses to earlier, pipelined requests have ended, unless the client has gone by then. */
async function afterAnswers(socket: Socket, task: () => void): Promise<void> {
  for (let answer = answerBefore(socket); answer && !socket.destroyed; answer = answerBefore(socket)) {
    const ended = answer;
    await new Promise((resolve) => ended.once('close', resolve));
  }
  if (socket.writable) task();
}
