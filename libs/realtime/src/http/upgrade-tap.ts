/**
 * Road IN, before step 1: takes the upgrades of our paths out of the HTTP server's `upgrade` event and leaves all others
 * alone. Listeners elsewhere cut what they do not know or what takes long (Nest's WsAdapter, Socket.IO): they never see
 * ours, whatever the order they were added in. What nobody knows gets 404.
 */
import type { IncomingMessage, OutgoingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Server as TlsServer } from 'node:tls';
import type { Transport } from '../transport.js';
import type { HeaderDeadline } from './header-deadline.js';
import { splitTarget } from './platform-request.js';
import { writeRefusal } from './refusal-writer.js';
import { refusal } from './refusals.js';

/** The way in, for upgrades. */
interface UpgradeGate {
  serves(path: string): boolean;
  /** Counts and logs a refusal of one of its own. */
  noteRefusal(request: IncomingMessage, error: unknown): void;
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
    this.replaced = (event: string | symbol, ...args: unknown[]): boolean => {
      if (event === 'upgrade' && this.take(...(args as [IncomingMessage, Duplex, Buffer]))) return true;
      return Reflect.apply(emit, server, [event, ...args]) as boolean;
    };
    server.emit = this.replaced;
    // Node hands out upgrades only when somebody listens
    server.on('upgrade', nobody);
  }

  /** Gives the server back as it was. */
  detach(): void {
    this.server.off('upgrade', nobody);
    if (this.server.emit !== this.replaced) return;
    if (this.wasOwn) this.server.emit = this.original;
    else Reflect.deleteProperty(this.server, 'emit');
  }

  private take(request: IncomingMessage, stream: Duplex, head: Buffer): boolean {
    this.deadline.release(stream as Socket);
    const isWebSocket = request.headers.upgrade?.toLowerCase() === 'websocket';
    const isOurs = isWebSocket && this.gate.serves(splitTarget(request.url ?? '').path);
    if (!isOurs && this.server.listenerCount('upgrade') > 1) return false;
    if (isOurs && !answerBefore(stream)) {
      this.transport.upgrade(request, stream, head);
      return true;
    }
    const broken = () => stream.destroy();
    stream.on('error', broken);
    void afterAnswers(stream, () => {
      if (!isWebSocket) {
        stream.off('error', broken);
        this.readAgain(request, stream, head);
      } else if (isOurs) this.refuse(request, stream);
      else writeRefusal(request, stream, refusal(404, 'No gateway here'));
    });
    return true;
  }

  private refuse(request: IncomingMessage, stream: Duplex): void {
    const answer = refusal(400, 'Pipelined handshake: the previous response is not finished');
    this.gate.noteRefusal(request, answer);
    writeRefusal(request, stream, answer);
  }

  /**
   * An offer to speak another protocol, such as the `h2c` of Java's HTTP client: a server that does not want it answers
   * as if it had not been made (RFC 9110 §7.8), and without us Node would have. It has stopped reading after the
   * headers, so that it reads them, and the body, once more, without the offer.
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

function nobody(): void {}

/** The answer to an earlier request of the same client that is still being written. */
function answerBefore(stream: Duplex): OutgoingMessage | undefined {
  return (stream as { _httpMessage?: OutgoingMessage | null })._httpMessage ?? undefined;
}

/** A client may pipeline requests: what it asked before is answered before. Nothing more is done when it has gone. */
async function afterAnswers(stream: Duplex, task: () => void): Promise<void> {
  for (let answer = answerBefore(stream); answer && !stream.destroyed; answer = answerBefore(stream)) {
    const ended = answer;
    await new Promise((resolve) => ended.once('close', resolve));
  }
  if (stream.writable) task();
}
