/**
 * Road IN, step 1: requests for connections of other nodes. Middleware, the origin check, guards and the bounds of the
 * body are this node's; then the owner of the connection decides, and this node passes on what it answers.
 */
import { randomBytes } from 'node:crypto';
import type { HandshakeError } from '../../errors.js';
import { claimOf } from '../../handshake/claims.js';
import type { Gate } from '../../handshake/gate.js';
import type { HttpExchange } from '../../http/exchange.js';
import { refusal, rejection } from '../../http/refusals.js';
import type { Outcome, Relays } from '../../relay.js';
import { nodeOfToken } from '../../handshake/token.js';
import { type Post, Posts } from './posts.js';
import { readMessages, type UpstreamMessage } from './request-body.js';
import { gone, type RequestNode } from './request-socket.js';
import type { RequestTransport } from './request-transport.js';
import { sealOf } from './seal.js';
import { postpone, ServedAnswer } from './served-answer.js';
import { postOf } from './take-messages.js';
import { pathOf } from './tokens.js';
import type { WatchedExchange } from './watched-answer.js';

/** What a client wants to resume. */
interface Ticket {
  readonly token: string;
  readonly position: number;
}

export class ForeignRequests {
  /** The requests that are under way for each connection, by its token. */
  private readonly underWay = new Map<string, { readonly posts: Posts; count: number }>();

  constructor(
    private readonly gate: Pick<Gate, 'recheck' | 'speaks'>,
    private readonly node: RequestNode,
    private readonly relays: Relays | undefined,
    private readonly transports: readonly RequestTransport[],
  ) {}

  /** @returns the node of a token, if it is another one than this */
  ownerOf(token: string): string | undefined {
    const owner = this.relays && nodeOfToken(token);
    return owner === this.node.id ? undefined : owner;
  }

  /**
   * Resumes a connection of another node.
   *
   * @returns false when there is none to resume; the client then gets a new one
   * @throws HandshakeError as the owner has refused it; also the errors of the origin check and guards
   */
  async goOn(
    owner: string,
    exchange: WatchedExchange,
    transport: RequestTransport,
    { token, position }: Ticket,
  ): Promise<boolean> {
    const relays = this.relays!;
    const { answer } = exchange;
    const reach = await relays.reach(owner);
    if (reach === 'gone') return false;
    const claim = claimOf(token, await this.gate.recheck(exchange, transport.name));
    if (answer.isClosed) return true;
    const salt = randomBytes(16).toString('base64url');
    const request = { ...claim, path: pathOf(exchange), transport: transport.name, position: known(position), salt };
    const served = new ServedAnswer(answer, transport, sealOf(token, salt));
    const outcome = reach === 'there' ? await relays.open(owner, request, served) : undefined;
    if (outcome === 'served' || answer.isClosed) return true;
    if (outcome?.status === NOT_FOUND) return false;
    if (outcome) pass(exchange, outcome);
    else if ((await relays.reach(owner)) === 'gone') {
      // It may only have stood still: its connection must not outlive the new one
      relays.supersede(owner, claim);
      return false;
    } else postpone(answer, transport);
    return true;
  }

  /**
   * Passes on messages, or the end of a connection.
   *
   * @throws HandshakeError as the owner has refused it, 503 when it does not answer; also those of the origin check, the
   *   guards and the body
   */
  async upstream(owner: string, exchange: WatchedExchange, token: string): Promise<void> {
    const relays = this.relays!;
    const { incoming } = exchange;
    const spoken = this.transports.find(({ name }) => this.gate.speaks(incoming, name));
    const reach = await relays.reach(owner);
    if (!spoken || reach === 'gone') throw gone();
    const claim = claimOf(token, await this.gate.recheck(exchange, spoken.name));
    if (reach === 'away') throw unanswered('nothing was sent to it');
    const parts = { ...claim, path: pathOf(exchange), ...postOf(exchange) };
    const outcome = await this.within(token, (posts) => {
      if (incoming.method === 'DELETE') return relays.forward(owner, { ...parts, method: 'DELETE', messages: [] });
      return this.read(exchange, posts, (messages) => relays.forward(owner, { ...parts, method: 'POST', messages }));
    });
    if (!outcome) throw unanswered('nobody knows whether the messages were taken');
    pass(exchange, outcome);
  }

  /** Counts the messages against the bounds of their connection until the owner has answered. */
  private async read<T>(
    exchange: HttpExchange,
    posts: Posts,
    send: (messages: readonly UpstreamMessage[]) => Promise<T>,
  ): Promise<T> {
    const { settings, limits } = this.node;
    const messages = await readMessages(exchange, settings, limits, posts);
    const bytes = messages.reduce((sum, { data }) => sum + MESSAGE_COST + data.length, 0);
    if (bytes > settings.maxBrokerFrameBytes - FRAME_OVERHEAD) throw tooBig();
    const post: Post = { bytes: 0, refuse: () => {} };
    posts.begin(post);
    try {
      const why = posts.count(post, bytes);
      if (why) throw why;
      return await send(messages);
    } finally {
      posts.finish(post);
    }
  }

  private async within<T>(token: string, act: (posts: Posts) => Promise<T>): Promise<T> {
    const entry = this.underWay.get(token) ?? { posts: new Posts(this.node), count: 0 };
    this.underWay.set(token, entry);
    entry.count++;
    try {
      return await act(entry.posts);
    } finally {
      if (--entry.count === 0) this.underWay.delete(token);
    }
  }
}

const NOT_FOUND = 404;

/** What a frame between nodes has beside the messages in it, and beside each of them, in bytes. */
const [FRAME_OVERHEAD, MESSAGE_COST] = [65_536, 5];

/** @returns a position that the client can state; another one is higher than any that it can have reached */
function known(position: number): number {
  return Number.isSafeInteger(position) && position >= 0 ? position : Number.MAX_SAFE_INTEGER;
}

/** Answers as the owner has. @throws HandshakeError for a refusal */
function pass({ answer }: WatchedExchange, { status, message = 'Refused', retryAfter }: Outcome): void {
  if (status < 300) return answer.send(status);
  if (status === NOT_FOUND) throw gone();
  // Another user's token counts as a failed handshake, as on the owner
  if (status === 403) throw refusal(status, message);
  throw rejection(status, message, retryAfter === undefined ? {} : { 'Retry-After': String(retryAfter) });
}

function tooBig(): HandshakeError {
  return rejection(413, 'The messages of this request are too long for a frame between nodes: send fewer at once');
}

function unanswered(what: string): HandshakeError {
  return rejection(503, `The node of this connection does not answer: ${what}`, { 'Retry-After': '1' });
}
