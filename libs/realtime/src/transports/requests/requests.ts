/**
 * Road IN, step 1, for clients that cannot upgrade: SSE and long polling on the gateway's own path. A `GET` opens or
 * resumes a connection, a `POST` carries messages, a `DELETE` ends the connection. Middleware, the origin check and
 * guards run on every request, hooks once per connection.
 */
import { CloseCode } from 'nestjs-realtime-protocol';
import type { Admission, Open } from '../../handshake/admission.js';
import { fingerprintOf, matches } from '../../handshake/fingerprint.js';
import type { Gate } from '../../handshake/gate.js';
import type { HttpExchange } from '../../http/exchange.js';
import { HELLO_HEADER } from '../../http/hello.js';
import { discardBody } from '../../http/refusal-writer.js';
import { refusal, rejection, unavailable } from '../../http/refusals.js';
import type { Relays } from '../../relay.js';
import { ForeignRequests } from './foreign-requests.js';
import { OwnedRequests } from './owned-requests.js';
import { readMessages } from './request-body.js';
import { gone, type RequestNode, type RequestSocket, wireGone } from './request-socket.js';
import { COUNT_HEADER, isPreflight, isUpstream, type RequestTransport, TOKEN_HEADER } from './request-transport.js';
import { busy, postOf, takeMessages } from './take-messages.js';
import { TakenIds } from './taken-ids.js';
import { type HeldConnection, pathOf, Tokens } from './tokens.js';
import { WatchedAnswer, type WatchedExchange } from './watched-answer.js';

export class Requests {
  private readonly tokens: Tokens;
  /** Requests for connections of other nodes. */
  private readonly foreign: ForeignRequests;
  private arrivals = 0;

  constructor(
    private readonly gate: Gate,
    private readonly open: Open,
    private readonly node: RequestNode,
    private readonly transports: readonly RequestTransport[],
    /** The way to the other nodes, if there are any. */
    relays?: Relays,
  ) {
    this.tokens = new Tokens(node.settings, node.slowConsumers);
    this.foreign = new ForeignRequests(gate, node, relays, transports);
    relays?.serve(new OwnedRequests(this.tokens, gate.sessions, () => ++this.arrivals, node.failed('relay')));
  }

  /**
   * Answers a request on a gateway's path.
   *
   * @returns false when it is not for these transports
   * @throws HandshakeError, or the error of a guard; the platform answers it
   */
  async handle(plain: HttpExchange): Promise<boolean> {
    const { method, headers } = plain.incoming;
    if (isPreflight(plain.incoming)) return this.preflight(plain);
    const transport = method === 'GET' ? this.transportOf(plain) : undefined;
    if (!transport && !isUpstream(plain.incoming)) return false;
    const exchange: WatchedExchange = { ...plain, answer: new WatchedAnswer(plain), arrival: ++this.arrivals };
    this.letRead(exchange);
    try {
      await (transport ? this.get(exchange, transport) : this.upstream(exchange, String(headers[TOKEN_HEADER])));
    } catch (error) {
      if (!exchange.incoming.complete) discardBody(exchange.incoming);
      throw error;
    }
    return true;
  }

  /** Lets a page of an allowed origin read the answers, refusals included. */
  private letRead({ incoming, raw, answer }: HttpExchange): void {
    try {
      this.gate.allowOrigin(incoming, raw, answer);
    } catch {
      // The origin is not allowed: the handler of the request refuses and logs it
    }
  }

  private preflight({ incoming, raw, answer }: HttpExchange): boolean {
    if (!this.transports.some(({ name }) => this.gate.speaks(incoming, name))) return false;
    try {
      this.gate.allowOrigin(incoming, raw, answer);
    } catch (error) {
      this.gate.noteRefusal(incoming, undefined, error, raw);
      throw error;
    }
    answer.header('Access-Control-Allow-Methods', 'GET, POST, DELETE');
    answer.header('Access-Control-Allow-Headers', incoming.headers['access-control-request-headers'] ?? '');
    answer.header('Access-Control-Max-Age', '600');
    answer.send(204);
    return true;
  }

  private transportOf(exchange: HttpExchange): RequestTransport | undefined {
    const transport = this.transports.find((each) => each.takes(exchange));
    return transport && this.gate.speaks(exchange.incoming, transport.name) ? transport : undefined;
  }

  private async get(exchange: WatchedExchange, transport: RequestTransport): Promise<void> {
    const ticket = transport.ticket(exchange);
    const owner = ticket && this.foreign.ownerOf(ticket.token);
    const isFound =
      ticket &&
      (await this.noted(
        exchange,
        transport,
        owner === undefined
          ? this.goOn(exchange, transport, ticket)
          : this.foreign.goOn(owner, exchange, transport, ticket),
      ));
    if (isFound) return;
    // A client library goes on by a hello; a connection that it does not ask for would be one too many
    if (ticket && exchange.incoming.headers[COUNT_HEADER] !== undefined) throw gone();
    await this.begin(exchange, transport);
  }

  /** Counts and logs the refusal of a later request in the same way as that of a handshake. */
  private async noted<T>(
    { incoming, raw }: HttpExchange,
    transport: RequestTransport | undefined,
    task: Promise<T>,
  ): Promise<T> {
    try {
      return await task;
    } catch (error) {
      this.gate.noteRefusal(incoming, transport?.name, error, raw);
      throw error;
    }
  }

  /** Resumes a connection. @returns false when there is none to resume; the client then gets a new one */
  private async goOn(
    exchange: WatchedExchange,
    transport: RequestTransport,
    { token, position }: { token: string; position: number },
  ): Promise<boolean> {
    const found = this.tokens.find(token, exchange);
    // Its client goes on by a hello alone: a late request must not open a connection beside it
    if (!found && !exchange.incoming.headers[HELLO_HEADER] && this.gate.sessions.of(token)) throw wireGone();
    if (!found) return false;
    await this.requireOwner(exchange, found);
    // A client that left meanwhile may be back already: its newer request must not be disturbed
    if (exchange.answer.isClosed) return true;
    if (found.transport !== transport)
      throw rejection(400, `This connection uses the transport ${found.transport.name}`);
    // The connection may have ended while the guards ran
    const { socket, id } = this.tokens.find(token, exchange) ?? {};
    if (socket?.isOvertaken(exchange.arrival)) {
      socket.turnBack(exchange.answer, position);
      return true;
    }
    if (socket?.open(exchange.answer, id!, position)) return true;
    if (socket && !socket.isGone) socket.terminate();
    return false;
  }

  /**
   * @throws HandshakeError 403 for the token of another user's connection; also the errors of the origin check and
   * guards
   */
  private async requireOwner(exchange: HttpExchange, { owner, transport }: HeldConnection): Promise<void> {
    const request = await this.gate.recheck(exchange, transport.name);
    if (!matches(owner, request)) throw refusal(403, 'This connection belongs to another user');
  }

  private async begin(exchange: WatchedExchange, transport: RequestTransport): Promise<void> {
    const admission = await this.gate.admitRequest(exchange, transport.name);
    try {
      await this.noted(exchange, transport, this.saveSession(admission));
    } catch (error) {
      admission.place.release();
      throw error;
    }
    if (exchange.answer.isClosed) admission.place.release();
    else this.connect(exchange, transport, admission);
  }

  /** Saves the session: the last step that can fail before there is a connection. */
  private async saveSession({ session }: Admission): Promise<void> {
    await session?.saveChanges(this.node.settings.handshakeTimeout * 1000);
    if (!this.gate.isRunning) throw unavailable('The server is shutting down: try again later');
  }

  private connect(exchange: WatchedExchange, transport: RequestTransport, admission: Admission): void {
    const { id, ticket } = admission;
    const socket = transport.createSocket(ticket && { token: ticket.token, position: ticket.seen });
    const owner = fingerprintOf(admission.request);
    const sink = this.open(admission, socket, transport.name);
    if (!sink) return overtaken(exchange, socket);
    const held = { socket, token: socket.token, id, owner, path: pathOf(exchange), transport, taken: new TakenIds() };
    const all: HeldConnection[] = [];
    const add = (token: string) => {
      all.push({ ...held, token });
      this.tokens.add(all.at(-1)!);
    };
    add(socket.token);
    socket.attach(sink, () => (ticket ? this.tokens.dropWire(all) : this.tokens.forget(all[0]!)), add);
    try {
      socket.open(exchange.answer, id, undefined);
    } finally {
      sink.opened();
    }
  }

  private upstream(exchange: WatchedExchange, token: string): Promise<void> {
    const owner = this.foreign.ownerOf(token);
    if (owner !== undefined) return this.noted(exchange, undefined, this.foreign.upstream(owner, exchange, token));
    return this.noted(exchange, this.tokens.find(token, exchange)?.transport, this.takeUpstream(exchange, token));
  }

  private async takeUpstream(exchange: WatchedExchange, token: string): Promise<void> {
    const found = this.tokens.find(token, exchange);
    if (!found || found.socket.isGone) throw gone();
    await this.requireOwner(exchange, found);
    const { socket } = found;
    if (exchange.incoming.method === 'DELETE') socket.leave(CloseCode.NORMAL, '');
    else await this.receive(exchange, found);
    exchange.answer.send(204);
  }

  private async receive(exchange: HttpExchange, held: HeldConnection): Promise<void> {
    const post = postOf(exchange);
    if (held.socket.isPaused && !(post.messageId !== undefined && held.taken.has(post.messageId))) throw busy();
    const messages = await readMessages(exchange, this.node.settings, this.node.limits, held.socket.posts);
    // Other requests may have arrived while the body was read
    takeMessages(held, messages, post);
  }
}

/** A newer request of the same client has gone on with the session: nobody reads this response. */
function overtaken({ answer }: WatchedExchange, socket: RequestSocket): void {
  socket.forget();
  answer.cut();
}
