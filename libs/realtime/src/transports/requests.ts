/**
 * Road IN, step 1, for clients that cannot upgrade: SSE and long polling on the gateway's own path. A `GET` opens a
 * connection or goes on with one, a `POST` brings messages, a `DELETE` ends it. Middleware, origin and guards run on
 * every request, hooks once per connection.
 */
import { CloseCode } from 'nestjs-realtime-protocol';
import { HandshakeError } from '../errors.js';
import { refusal } from '../refusals.js';
import { splitTarget, targetOf } from '../handshake-request.js';
import type { RealtimeSettings } from '../settings.js';
import type { Answer, Visit } from './answer.js';
import type { RequestEnd, RequestSocket } from './request-socket.js';
import type { Gate, Transport } from './transport.js';
import { readMessages } from './upstream.js';

/** The request header that carries a connection's token. */
export const TOKEN_HEADER = 'x-realtime-token';

/** A transport that speaks plain HTTP. */
export interface RequestTransport extends Transport {
  /** Tells whether a GET asks for this transport. */
  takes(visit: Visit): boolean;
  /** The connection that a GET wants to go on with. */
  ticket(visit: Visit): { token: string; position: number } | undefined;
  createSocket(): RequestSocket & OpenableSocket;
  /** Tells a client that comes back to a connection which was ended for good. */
  answerEnded(visit: Visit, end: RequestEnd): void;
}

interface OpenableSocket {
  /**
   * Takes a response.
   *
   * @param position where the client is; undefined on a new connection
   * @returns false when it cannot go on from there
   */
  open(answer: Answer, id: string, position: number | undefined): boolean;
}

/** A connection of ours. */
interface Holder {
  readonly socket: RequestSocket & OpenableSocket;
  readonly id: string;
  /** Whom its handshake belonged to. */
  readonly owner: string;
  readonly transport: RequestTransport;
}

/** How long an ended connection is remembered, in milliseconds, and how many at most. */
const REMEMBER_MS = 60_000;
const REMEMBER_MAX = 10_000;

export class Requests {
  private readonly holders = new Map<string, Holder>();
  private readonly ended = new Map<string, { end: RequestEnd; at: number; owner: string }>();

  constructor(
    private readonly gate: Gate,
    private readonly settings: RealtimeSettings,
    private readonly transports: readonly RequestTransport[],
  ) {}

  /**
   * Answers a request on a gateway's path.
   *
   * @returns false when it is not for these transports
   * @throws HandshakeError, or what the application's guards throw: the platform answers it
   */
  async handle(visit: Visit): Promise<boolean> {
    const { method } = visit.node;
    const token = visit.node.headers[TOKEN_HEADER];
    if (method === 'OPTIONS') return this.preflight(visit);
    if (method === 'GET') return this.get(visit);
    if (typeof token !== 'string' || (method !== 'POST' && method !== 'DELETE')) return false;
    await this.upstream(visit, token);
    return true;
  }

  private preflight({ node, raw, answer }: Visit): boolean {
    const asked = node.headers['access-control-request-headers']?.toLowerCase() ?? '';
    if (!asked.includes(TOKEN_HEADER)) return false;
    this.gate.allowOrigin(node, raw, answer);
    answer.header('Access-Control-Allow-Methods', 'GET, POST, DELETE');
    answer.header('Access-Control-Allow-Headers', `content-type, ${TOKEN_HEADER}`);
    answer.header('Access-Control-Max-Age', '600');
    answer.send(204);
    return true;
  }

  private async get(visit: Visit): Promise<boolean> {
    const transport = this.transports.find((each) => each.takes(visit));
    if (!transport || !this.gate.speaks(visit.node, transport.name)) return false;
    const ticket = transport.ticket(visit);
    if (ticket && (await this.goOn(visit, transport, ticket))) return true;
    await this.begin(visit, transport);
    return true;
  }

  /** @returns false when there is nothing to go on with: then it is a new connection, which is told so */
  private async goOn(
    visit: Visit,
    transport: RequestTransport,
    { token, position }: { token: string; position: number },
  ): Promise<boolean> {
    const holder = this.holders.get(token);
    const past = this.ended.get(token);
    if (!holder && !past) return false;
    const owner = await this.gate.recheck(visit.node, visit.raw, visit.response);
    if (owner !== (holder ?? past)!.owner) throw refusal(403, 'This connection belongs to another user');
    this.gate.allowOrigin(visit.node, visit.raw, visit.answer);
    if (holder) {
      if (holder.transport !== transport) throw refusal(400, `This connection speaks ${holder.transport.name}`);
      if (holder.socket.open(visit.answer, holder.id, position)) return true;
      holder.socket.terminate();
      return false;
    }
    if (!isFinal(past!.end.code)) return false;
    transport.answerEnded(visit, past!.end);
    return true;
  }

  private async begin(visit: Visit, transport: RequestTransport): Promise<void> {
    const { node, raw, response, answer } = visit;
    const admission = await this.gate.admitRequest(node, raw, response);
    this.gate.allowOrigin(node, raw, answer);
    await admission.session?.saveChanges(this.settings.handshakeTimeout * 1000);
    const socket = transport.createSocket();
    const owner = this.gate.ownerOf(admission.request);
    const sink = this.gate.open(admission, socket, transport.name);
    const id = 'id' in sink ? String(sink.id) : '';
    this.holders.set(socket.token, { socket, id, owner, transport });
    socket.attach(sink, () => this.forget(socket.token, owner, socket.end));
    socket.open(answer, id, undefined);
  }

  private async upstream(visit: Visit, token: string): Promise<void> {
    const holder = this.holders.get(token);
    if (!holder) throw refusal(404, 'There is no such connection (any more)');
    const owner = await this.gate.recheck(visit.node, visit.raw, visit.response);
    if (owner !== holder.owner) throw refusal(403, 'This connection belongs to another user');
    this.gate.allowOrigin(visit.node, visit.raw, visit.answer);
    const { socket } = holder;
    if (visit.node.method === 'DELETE') socket.leave(CloseCode.NORMAL, '');
    else {
      if (socket.isPaused) throw new HandshakeError(429, BUSY, { 'Retry-After': '1' });
      const messages = await readMessages(visit, this.settings.maxMessageBytes);
      for (const { data, isBinary } of messages) socket.receive(data, isBinary);
    }
    visit.answer.send(204);
  }

  private forget(token: string, owner: string, end: RequestEnd = { code: CloseCode.ABNORMAL, reason: '' }): void {
    this.holders.delete(token);
    const now = performance.now();
    for (const [old, { at }] of this.ended) {
      if (now - at < REMEMBER_MS && this.ended.size < REMEMBER_MAX) break;
      this.ended.delete(old);
    }
    this.ended.set(token, { end, at: now, owner });
  }
}

const BUSY = { statusCode: 429, message: 'Messages that you sent are still being handled' };

/** The codes that tell a client to stay away; a new connection is made for the others. */
function isFinal(code: number): boolean {
  return code === CloseCode.NORMAL || code >= 4500;
}

/** The query of a request. */
export function queryOf({ node }: Visit): URLSearchParams {
  return new URLSearchParams(splitTarget(targetOf(node)).query);
}
