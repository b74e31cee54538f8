/**
 * The handshake request of an open connection, as far as guards need it when they are asked again: a plain object that
 * keeps neither the request, nor its response, nor its body in memory.
 */
import { type IncomingMessage, ServerResponse } from 'node:http';
import { HandshakeRequest } from '../handshake-request.js';
import { LazyRequest, type RawRequest, splitTarget } from '../http/platform-request.js';

/** The store of a session library: express-session and @fastify/session agree on this method. */
interface SessionStore {
  get(id: string, done: (error: unknown, session?: object | null) => void): unknown;
}

/** What the platform's request has of a session. */
interface WithSession {
  readonly sessionID?: string;
  readonly session?: { readonly sessionId?: string };
  readonly sessionStore?: SessionStore;
}

export class KeptRequest {
  private readonly facts: Readonly<Record<string, unknown>>;
  private readonly sessionId: string | undefined;
  private readonly store: SessionStore | undefined;

  constructor(request: HandshakeRequest) {
    const { incoming, raw } = request;
    const { sessionID, session, sessionStore } = raw as WithSession;
    this.sessionId = sessionID ?? session?.sessionId;
    this.store = sessionStore;
    const { protocol, host } = raw;
    const { remoteAddress, remotePort } = incoming.socket;
    this.facts = {
      ...{ method: 'GET', httpVersion: incoming.httpVersion, url: request.url, originalUrl: request.url },
      ...{ headers: incoming.headers, params: request.params, cookies: { ...request.cookies } },
      ...{ ip: request.address, protocol, host, hostname: host?.replace(/:\d+$/, ''), user: request.user },
      ...{ path: request.path, transport: request.transport, socket: { remoteAddress, remotePort, destroyed: false } },
    };
  }

  /**
   * Makes the request that the guards are asked with: a copy, because guards write to it.
   *
   * @returns the request, with the session as its store has it now, or an empty one if it is gone
   * @throws what the session store fails with
   */
  async again(): Promise<{ readonly request: HandshakeRequest; readonly response: ServerResponse }> {
    const session = this.sessionId === undefined ? undefined : await this.loadSession(this.sessionId);
    const { path, transport, params, url, ...facts } = this.facts as Record<'path' | 'transport' | 'url', string> &
      Pick<HandshakeRequest, 'params'>;
    const headers = (facts as Pick<IncomingMessage, 'headers'>).headers;
    const query = Object.fromEntries(new URLSearchParams(splitTarget(url).query));
    const raw = { ...facts, url, params, query, session, sessionID: this.sessionId };
    const header = (name: string) => headers[name.toLowerCase()];
    Object.assign(raw, { raw, get: header, header });
    const incoming = raw as unknown as IncomingMessage;
    const { ip: address } = facts as { ip?: string };
    const parts = { path, transport, params, raw: LazyRequest.of(raw as RawRequest), address };
    return { request: new HandshakeRequest(incoming, parts), response: new ServerResponse(incoming) };
  }

  private async loadSession(id: string): Promise<object> {
    const { store } = this;
    if (!store) return { id };
    const found = await new Promise<object | null | undefined>((resolve, reject) => {
      store.get(id, (error, session) => (error ? reject(error as Error) : resolve(session)));
    });
    return { ...found, id };
  }
}
