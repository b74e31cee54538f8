/**
 * Road IN, step 1, for clients that cannot upgrade: SSE and long polling on the gateway's own path. A `GET` opens a
 * connection or goes on with one, a `POST` brings messages, a `DELETE` ends it. Middleware, origin and guards run on
 * every request, hooks once per connection.
 */
import type { IncomingMessage } from 'node:http';
import { CloseCode } from 'nestjs-realtime-protocol';
import type { HandshakeError } from '../../errors.js';
import { splitTarget, targetOf } from '../../handshake-request.js';
import type { Limits } from '../../limits/limits.js';
import { isOwner, type Owner, ownerOf } from './fingerprint.js';
import { discardBody } from '../../http/refusal-writer.js';
import { refusal, rejection, unavailable } from '../../http/refusals.js';
import type { RealtimeSettings } from '../../settings/settings.js';
import { type Visit, WatchedAnswer, type WatchedVisit } from './watched-answer.js';
import { Holders, pathOf } from './tokens.js';
import type { RequestSocket } from './request-socket.js';
import type { Admission, Gate, Transport } from '../../transport.js';
import { readMessages } from './request-body.js';

/** The request header that carries a connection's token. */
export const TOKEN_HEADER = 'x-realtime-token';

/** A transport that speaks plain HTTP. */
export interface RequestTransport extends Transport {
  /** Tells whether a GET asks for this transport. */
  takes(visit: Visit): boolean;
  /** The connection that a GET wants to go on with. */
  ticket(visit: Visit): { token: string; position: number } | undefined;
  createSocket(): RequestSocket;
}

/** The engine. */
export interface RequestGate extends Gate {
  readonly limits: Pick<Limits, 'reached'>;
  /** False from the first moment of a shutdown. */
  readonly isReady: boolean;
}

/** Tells whether a request on a gateway's path is one that a connection's client sends upstream. */
export function isUpstream({ method, headers }: IncomingMessage): boolean {
  return typeof headers[TOKEN_HEADER] === 'string' && (method === 'POST' || method === 'DELETE');
}

/** Tells whether it is a preflight for a request that can be ours: an application may have routes on the same path. */
export function isPreflight({ method, headers }: IncomingMessage): boolean {
  if (method !== 'OPTIONS') return false;
  if (headers['access-control-request-method'] === 'GET') return true;
  return headers['access-control-request-headers']?.toLowerCase().includes(TOKEN_HEADER) ?? false;
}

export class Requests {
  private readonly holders: Holders;

  constructor(
    private readonly gate: RequestGate,
    private readonly settings: RealtimeSettings,
    private readonly transports: readonly RequestTransport[],
  ) {
    this.holders = new Holders(settings);
  }

  /**
   * Answers a request on a gateway's path.
   *
   * @returns false when it is not for these transports
   * @throws HandshakeError, or what the application's guards throw: the platform answers it
   */
  async handle(plain: Visit): Promise<boolean> {
    const { method, headers } = plain.node;
    if (isPreflight(plain.node)) return this.preflight(plain);
    const transport = method === 'GET' ? this.transportOf(plain) : undefined;
    if (!transport && !isUpstream(plain.node)) return false;
    const visit: WatchedVisit = { ...plain, answer: new WatchedAnswer(plain) };
    this.letRead(visit);
    try {
      await (transport
        ? this.get(visit, transport)
        : this.noted(visit, this.upstream(visit, String(headers[TOKEN_HEADER]))));
    } catch (error) {
      if (!visit.node.complete) discardBody(visit.node);
      throw error;
    }
    return true;
  }

  /** A page of an allowed origin may read our answers, refusals included. */
  private letRead({ node, raw, answer }: Visit): void {
    try {
      this.gate.allowOrigin(node, raw, answer);
    } catch {
      // A foreign origin: whoever handles the request refuses it, and says so in the log
    }
  }

  private preflight({ node, raw, answer }: Visit): boolean {
    if (!this.transports.some(({ name }) => this.gate.speaks(node, name))) return false;
    this.gate.allowOrigin(node, raw, answer);
    answer.header('Access-Control-Allow-Methods', 'GET, POST, DELETE');
    answer.header('Access-Control-Allow-Headers', node.headers['access-control-request-headers'] ?? '');
    answer.header('Access-Control-Max-Age', '600');
    answer.send(204);
    return true;
  }

  private transportOf(visit: Visit): RequestTransport | undefined {
    const transport = this.transports.find((each) => each.takes(visit));
    return transport && this.gate.speaks(visit.node, transport.name) ? transport : undefined;
  }

  private async get(visit: WatchedVisit, transport: RequestTransport): Promise<void> {
    const ticket = transport.ticket(visit);
    const isFound = ticket && (await this.noted(visit, this.goOn(visit, transport, ticket)));
    if (!isFound) await this.begin(visit, transport);
  }

  /** Refusals of further requests are counted and logged as those of handshakes are. */
  private async noted<T>({ node, raw }: Visit, task: Promise<T>): Promise<T> {
    try {
      return await task;
    } catch (error) {
      this.gate.noteRefusal(node, error, raw);
      throw error;
    }
  }

  /** @returns false when there is nothing to go on with: then it is a new connection, which is told so */
  private async goOn(
    visit: WatchedVisit,
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
  private async requireOwner({ node, raw, response }: Visit, owner: Owner): Promise<void> {
    const request = await this.gate.recheck(node, raw, response);
    if (!isOwner(owner, request)) throw refusal(403, 'This connection belongs to another user');
  }

  private async begin(visit: WatchedVisit, transport: RequestTransport): Promise<void> {
    const { node, raw, response, answer } = visit;
    const admission = await this.gate.admitRequest(node, raw, response);
    try {
      await this.noted(visit, this.settle(admission));
    } catch (error) {
      admission.release();
      throw error;
    }
    if (answer.isClosed) admission.release();
    else this.open(visit, transport, admission);
  }

  /** The last that can go wrong: from here on there is a connection. */
  private async settle({ session }: Admission): Promise<void> {
    await session?.saveChanges(this.settings.handshakeTimeout * 1000);
    if (!this.gate.isReady) throw unavailable('The server is shutting down');
  }

  private open(visit: WatchedVisit, transport: RequestTransport, admission: Admission): void {
    const socket = transport.createSocket();
    const owner = ownerOf(admission.request);
    const sink = this.gate.open(admission, socket, transport.name);
    const id = 'id' in sink ? String(sink.id) : '';
    const holder = { socket, id, owner, path: pathOf(visit), transport };
    this.holders.add(holder);
    socket.attach(sink, () => this.holders.forget(holder));
    socket.open(visit.answer, id, undefined);
  }

  private async upstream(visit: WatchedVisit, token: string): Promise<void> {
    const found = this.holders.find(token, visit);
    if (!found || found.socket.isGone) throw gone();
    await this.requireOwner(visit, found.owner);
    const { socket } = found;
    if (visit.node.method === 'DELETE') socket.leave(CloseCode.NORMAL, '');
    else await this.receive(visit, socket);
    visit.answer.send(204);
  }

  private async receive(visit: Visit, socket: RequestSocket): Promise<void> {
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

/** The query of a request. */
export function queryOf({ node }: Visit): URLSearchParams {
  return new URLSearchParams(splitTarget(targetOf(node)).query);
}
