/**
 * Road IN, step 2: the sessions of this node. A client library that has lost its wire goes on with its connection over
 * another one, on any transport, for as long as the session is here.
 */
import { CloseCode } from 'nestjs-realtime-protocol';
import type { Broker } from '../broker.js';
import type { HandshakeRequest } from '../handshake-request.js';
import type { Identity } from '../hooks.js';
import type { Hello } from '../http/hello.js';
import type { Node } from '../node/node.js';
import type { Sink, Socket } from '../transport.js';
import { splitTarget } from '../http/platform-request.js';
import type { Admission, Ticket } from './admission.js';
import { claimOf, tokenDigest } from './claims.js';
import { type Fingerprint, fingerprintOf, matches } from './fingerprint.js';
import { newToken, nodeOfToken } from './token.js';

/** Who a session belongs to: the user, or where there is none, whoever has its credentials. */
export interface SessionOwner {
  /** The path of its handshake, as the client sent it: another path has other guards. */
  readonly path: string;
  readonly userId: string | undefined;
  readonly credentials: Fingerprint;
}

/** A connection that outlives its wires. */
export interface Session {
  readonly token: string;
  /** The connection's id. */
  readonly id: string;
  readonly owner: SessionOwner;
  /** How it has ended. Its client may not have heard of it. */
  readonly end?: { readonly code: number; readonly reason: string };
  /** @returns whether everything after this number is still here */
  canResume(seen: number): boolean;
  /**
   * Goes on over another wire.
   *
   * @returns the sink to which the wire reports from now on; undefined when a newer wire was there first, or the session
   *   can no longer go on
   */
  goOn(admission: Admission, wire: Socket, transport: string): Sink | undefined;
  /** Ends it without a close frame. */
  terminate(): void;
  /** Frees what it keeps for a client that does not know of its end. It is not used after that. */
  forget(): void;
}

/** An ended session is remembered for at least this long, in milliseconds, and at most this many are. */
const REMEMBER_MS = 60_000;
const REMEMBER_MAX = 10_000;

export class Sessions {
  /** Sessions without a wire. */
  private readonly wireless = new Set<Session>();
  /** By the digests of their tokens, which is what other nodes send; so are those that have ended. */
  private readonly present = new Map<string, Session>();
  /** Ended sessions, the oldest first. */
  private readonly ended = new Map<string, { readonly session: Session; readonly at: number }>();
  private timer?: NodeJS.Timeout;

  constructor(
    private readonly node: Pick<Node, 'id' | 'settings' | 'limits' | 'slowConsumers'> & {
      readonly broker: Pick<Broker, 'relays'>;
    },
  ) {}

  /** How many connections have lost their wire, and wait for another one. */
  get detached(): number {
    return this.wireless.size;
  }

  /** The most bytes that one session may keep: all together may keep half of what the process may hold. */
  get maxBytes(): number {
    const { maxReplayBytes, maxBufferedBytesTotal } = this.node.settings;
    return Math.min(maxReplayBytes, maxBufferedBytesTotal / 2 / Math.max(1, this.present.size));
  }

  add(session: Session): void {
    this.present.set(tokenDigest(session.token), session);
  }

  /** @returns the session that a client wants to resume, if it can go on where its client is; it may have ended */
  find(hello: Hello | undefined): Session | undefined {
    const found = hello?.session === undefined ? undefined : this.of(hello.session);
    return found?.canResume(hello!.seen) ? found : undefined;
  }

  /** @returns the session of a token; it may have ended */
  of(token: string): Session | undefined {
    return this.findDigest(tokenDigest(token));
  }

  /** @param digest of a token @returns as `of` */
  findDigest(digest: string): Session | undefined {
    return this.present.get(digest) ?? this.ended.get(digest)?.session;
  }

  /**
   * @param identity undefined while nobody knows whose client it is: it gets a new session
   * @param arrival the number of the request
   * @returns which session a client that was let through gets; undefined for a bare client
   */
  ticket(request: HandshakeRequest, identity: Identity | undefined, arrival: number): Ticket | undefined {
    const { hello } = request;
    if (!hello) return undefined;
    const { session, seen } = hello;
    const known = session === undefined || !identity ? undefined : this.of(session);
    const own = known && isOwner(known.owner, request, identity!) ? known : undefined;
    if (own?.canResume(seen)) return { token: own.token, arrival, seen, resumes: own };
    return { token: newToken(this.node.id), arrival, seen: 0, supersedes: own ?? this.elsewhere(request, identity) };
  }

  /** @returns the session of a client that another node has, or had */
  private elsewhere(request: HandshakeRequest, identity: Identity | undefined): Ticket['supersedes'] {
    const token = request.hello?.session;
    const { id, broker } = this.node;
    const owner = token === undefined ? undefined : nodeOfToken(token);
    if (!broker.relays || !identity || owner === undefined || owner === id) return undefined;
    return { terminate: () => broker.relays!.supersede(owner, claimOf(token!, request, identity)) };
  }

  /** @returns false when there are as many without a wire as there may be */
  detach(session: Session): boolean {
    const max = this.node.settings.maxDetached;
    if (this.wireless.size >= max && this.node.limits.reached('detached', `id=${session.id} detached=${max}`))
      return false;
    this.wireless.add(session);
    return true;
  }

  attach(session: Session): void {
    this.wireless.delete(session);
  }

  /** Moves an ended session aside. It is remembered unless it ended because its client stayed away. */
  ends(session: Session): void {
    this.wireless.delete(session);
    const digest = tokenDigest(session.token);
    this.present.delete(digest);
    if ((session.end?.code ?? CloseCode.ABNORMAL) === CloseCode.ABNORMAL) return session.forget();
    this.ended.set(digest, { session, at: performance.now() });
    this.sweep();
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  private sweep(): void {
    clearTimeout(this.timer);
    const { settings, slowConsumers } = this.node;
    const rememberMs = Math.max(REMEMBER_MS, settings.graceTime * 1000);
    const isTooMuch = () => this.ended.size > REMEMBER_MAX || slowConsumers.bytes > settings.maxBufferedBytesTotal;
    for (const [digest, { session, at }] of this.ended) {
      const left = at + rememberMs - performance.now();
      if (left > 0 && !isTooMuch()) {
        this.timer = setTimeout(() => this.sweep(), left).unref();
        return;
      }
      this.ended.delete(digest);
      session.forget();
    }
  }
}

/** @returns the owner of the session that a request begins */
export function ownerOf(request: HandshakeRequest, { userId }: Identity): SessionOwner {
  return { path: pathOf(request), userId, credentials: fingerprintOf(request) };
}

/** The user decides; where there is none, the credentials of the handshake do. */
function isOwner(owner: SessionOwner, request: HandshakeRequest, { userId }: Identity): boolean {
  if (owner.path !== pathOf(request) || owner.userId !== userId) return false;
  return userId !== undefined || matches(owner.credentials, request);
}

function pathOf({ url }: HandshakeRequest): string {
  return splitTarget(url).path;
}
