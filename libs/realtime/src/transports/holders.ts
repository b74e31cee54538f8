/** The connections that live between requests, by their tokens, and whom each of them belongs to. */
import { mayReconnect } from 'nestjs-realtime-protocol';
import { splitTarget, targetOf } from '../handshake-request.js';
import type { Owner } from '../owner.js';
import type { Visit } from './answer.js';
import type { RequestEnd, RequestSocket } from './request-socket.js';
import type { RequestTransport } from './requests.js';

/** A connection of ours. */
export interface Holder {
  readonly socket: RequestSocket;
  /** The connection's public id. */
  readonly id: string;
  /** Whom its handshake belonged to. */
  readonly owner: Owner;
  /** Where its handshake was: another path has other guards. */
  readonly path: string;
  readonly transport: RequestTransport;
}

/** One that was ended for good. */
export type PastHolder = Pick<Holder, 'owner' | 'path' | 'transport'> & { readonly end: RequestEnd };

/** How long a connection that was ended for good is remembered, in milliseconds, and how many at most. */
const REMEMBER_MS = 60_000;
const REMEMBER_MAX = 10_000;

export class Holders {
  private readonly present = new Map<string, Holder>();
  private readonly ended = new Map<string, PastHolder & { readonly at: number }>();

  add(holder: Holder): void {
    this.present.set(holder.socket.token, holder);
  }

  /** The connection that a request of this path may go on with. */
  find(token: string, visit: Visit): Holder | undefined {
    return at(this.present.get(token), visit);
  }

  /** The connection that was ended, so that its client stays away. */
  findEnded(token: string, visit: Visit): PastHolder | undefined {
    return at(this.ended.get(token), visit);
  }

  /** It has ended. A client that may reconnect simply gets a new one; only the others have to be told later. */
  forget({ socket, owner, path, transport }: Holder): void {
    this.present.delete(socket.token);
    const now = performance.now();
    for (const [token, past] of this.ended) {
      if (now - past.at < REMEMBER_MS && this.ended.size < REMEMBER_MAX) break;
      this.ended.delete(token);
    }
    const { end } = socket;
    if (end && !mayReconnect(end.code)) this.ended.set(socket.token, { owner, path, transport, end, at: now });
  }
}

/** Path of a request, as the client sent it. */
export function pathOf({ node }: Visit): string {
  return splitTarget(targetOf(node)).path;
}

function at<T extends { readonly path: string }>(found: T | undefined, visit: Visit): T | undefined {
  return found?.path === pathOf(visit) ? found : undefined;
}
