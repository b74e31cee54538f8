/**
 * Road IN, step 1, for clients that cannot upgrade: SSE and long polling on the gateway's own path. A `GET` opens a
 * connection or goes on with one, a `POST` brings messages, a `DELETE` ends it. Middleware, origin and guards run on
 * every request, hooks once per connection.
 */
import { CloseCode } from 'nestjs-realtime-protocol';
import type { HandshakeError } from '../../errors.js';
import type { Admission, Gate } from '../../handshake/gate.js';
import type { HttpExchange } from '../../http/exchange.js';
import { discardBody } from '../../http/refusal-writer.js';
import { refusal, rejection, unavailable } from '../../http/refusals.js';
import type { Limits } from '../../limits/limits.js';
import type { RealtimeSettings } from '../../settings/settings.js';
import { type Fingerprint, fingerprintOf, matches } from './fingerprint.js';
import { readMessages } from './request-body.js';
import type { RequestSocket } from './request-socket.js';
import { isPreflight, isUpstream, type RequestTransport, TOKEN_HEADER } from './request-transport.js';
import { pathOf, Tokens } from './tokens.js';
import { WatchedAnswer, type WatchedExchange } from './watched-answer.js';

/** The engine. */
export interface RequestGate extends Gate {
  readonly limits: Pick<Limits, 'reached'>;
  /** False from the first moment of a shutdown. */
  readonly isReady: boolean;
}

export class Requests {
  private readonly holders: Tokens;

  constructor(
    private readonly gate: RequestGate,
    private readonly settings: RealtimeSettings,
    private readonly transports: readonly RequestTransport[],
  ) {
    this.holders = new Tokens(settings);
  }

  /**
   * Answers a request on a gateway's path.
   *
   * @returns false when it is not for these transports
   * @throws HandshakeError, or what the application's guards throw: the platform answers it
   */
  async handle(plain: HttpExchange): Promise<boolean> {
    const { method, headers } = plain.incoming;
    if (isPreflight(plain.incoming)) return this.preflight(plain);
    const transport = method === 'GET' ? this.transportOf(plain) : undefined;
    if (!transport && !isUpstream(plain.incoming)) return false;
    const visit: WatchedExchange = { ...plain, answer: new WatchedAnswer(plain) };
    this.letRead(visit);
    try {
      await (transport
        ? this.get(visit, transport)
        : this.noted(visit, this.upstream(visit, String(headers[TOKEN_HEADER]))));
    } catch (error) {
      if (!visit.incoming.complete) discardBody(visit.incoming);
      throw error;
    }
    return true;
  }

  /** A page of an allowed origin may read our answers, refusals included. */
  private letRead({ incoming, raw, answer }: HttpExchange): void {
    try {
      this.gate.allowOrigin(incoming, raw, answer);
    } catch {
      // A foreign origin: whoever handles the request refuses it, and says so in the log
    }
  }

  private preflight({ incoming, raw, answer }: HttpExchange): boolean {
    if (!this.transports.some(({ name }) => this.gate.speaks(incoming, name))) return false;
    this.gate.allowOrigin(incoming, raw, answer);
    answer.header('Access-Control-Allow-Methods', 'GET, POST, DELETE');
    answer.header('Access-Control-Allow-Headers', incoming.headers['access-control-request-headers'] ?? '');
    answer.header('Access-Control-Max-Age', '600');
    answer.send(204);
    return true;
  }

  private transportOf(visit: HttpExchange): RequestTransport | undefined {
    const transport = this.transports.find((each) => each.takes(visit));
    return transport && this.gate.speaks(visit.incoming, transport.name) ? transport : undefined;
  }

  private async get(visit: WatchedExchange, transport: RequestTransport): Promise<void> {
    const ticket = transport.ticket(visit);
    const isFound = ticket && (await this.noted(visit, this.goOn(visit, transport, ticket)));
    if (!isFound) await this.begin(visit, transport);
  }

  /** Refusals of further requests are counted and logged as those of handshakes are. */
  private async noted<T>({ incoming, raw }: HttpExchange, task: Promise<T>): Promise<T> {
    try {
      return await task;
    } catch (error) {
      this.gate.noteRefusal(incoming, error, raw);
      throw error;
    }
  }

  /** @returns false when there is nothing to go on with: then it is a new connection, which is told so */
  private async goOn(
    visit: WatchedExchange,
    transport: RequestTransport,
    { token, position }: { token: string; position: number },
  ): Promise<boolean> {
    const found = this.holders.find(token, visit);
    if (!found) return false;
    await this.requireOwner(visit, found.owner);
    if (found.transport !== transport) throw rejection(400, `This connection speaks ${found.transport.name}`);
    // It may have ended while the guards were asked
    const { socket, id } = this.holders.find(token, visit) ?? {};
    if (socket?.open(visit.answer, id!, position)) return true;
    if (socket && !socket.isGone) socket.terminate();
    return false;
  }

  /** @throws HandshakeError 403 for the token of somebody else's connection, and what origin and guards say */
  private async requireOwner({ incoming, raw, response }: HttpExchange, owner: Fingerprint): Promise<void> {
    const request = await this.gate.recheck(incoming, raw, response);
    if (!matches(owner, request)) throw refusal(403, 'This connection belongs to another user');
  }

  private async begin(visit: WatchedExchange, transport: RequestTransport): Promise<void> {
    const { incoming, raw, response, answer } = visit;
    const admission = await this.gate.admitRequest(incoming, raw, response);
    try {
      await this.noted(visit, this.saveSession(admission));
    } catch (error) {
      admission.release();
      throw error;
    }
    if (answer.isClosed) admission.release();
    else this.open(visit, transport, admission);
  }

  /** The last that can go wrong: from here on there is a connection. */
  private async saveSession({ session }: Admission): Promise<void> {
    await session?.saveChanges(this.settings.handshakeTimeout * 1000);
    if (!this.gate.isReady) throw unavailable('The server is shutting down');
  }

  private open(visit: WatchedExchange, transport: RequestTransport, admission: Admission): void {
    const socket = transport.createSocket();
    const owner = fingerprintOf(admission.request);
    const sink = this.gate.open(admission, socket, transport.name);
    const id = 'id' in sink ? String(sink.id) : '';
    const holder = { socket, id, owner, path: pathOf(visit), transport };
    this.holders.add(holder);
    socket.attach(sink, () => this.holders.forget(holder));
    socket.open(visit.answer, id, undefined);
  }

  private async upstream(visit: WatchedExchange, token: string): Promise<void> {
    const found = this.holders.find(token, visit);
    if (!found || found.socket.isGone) throw gone();
    await this.requireOwner(visit, found.owner);
    const { socket } = found;
    if (visit.incoming.method === 'DELETE') socket.leave(CloseCode.NORMAL, '');
    else await this.receive(visit, socket);
    visit.answer.send(204);
  }

  private async receive(visit: HttpExchange, socket: RequestSocket): Promise<void> {
    if (socket.isPaused) throw busy();
    const messages = await readMessages(visit, this.settings, this.gate.limits);
    // Other requests may have come in meanwhile
    if (socket.isPaused) throw busy();
    if (socket.end) throw gone();
    for (const { data, isBinary } of messages) socket.receive(data, isBinary);
  }
}

function gone(): HandshakeError {
  return rejection(404, 'There is no such connection (any more)');
}

function busy(): HandshakeError {
  return rejection(429, 'Messages that you sent are still being handled', { 'Retry-After': '1' });
}
