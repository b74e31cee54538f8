/** What Express makes of a request and a response, for upgrades: before they pass it, or where they go around it. */
import type { IncomingMessage } from 'node:http';
import type { PlatformRequest, RawRequest } from '../../http/platform-request.js';
import type { UpgradeResponse } from '../../http/upgrade-response.js';
import { ADDED_TO_REQUEST, ADDED_TO_RESPONSE, type ExpressApplication, matchedRouteKey } from '../internals/express.js';

/** The part of a request that Express looks at to find the client's address. */
type StandIn = PlatformRequest & Pick<IncomingMessage, 'headers' | 'socket'>;

/**
 * Adds the properties that Express will add after it has changed the prototypes. In V8 before Node 24 an object that gets
 * a property after such a change has a hidden class of its own, so that whatever touches it misses the inline caches: a
 * third of the CPU time of a handshake.
 */
export class AddedProperties {
  private readonly request: Record<PropertyKey, unknown> = { ...ADDED_TO_REQUEST };
  private hasLearned = false;

  addTo({ request, response }: UpgradeResponse): void {
    Object.assign(request, this.request);
    Object.assign(response, ADDED_TO_RESPONSE);
  }

  /** Finds what this application's router adds under a key that is not known before, in a request that has passed it. */
  learn(request: object): void {
    if (this.hasLearned) return;
    this.hasLearned = true;
    const key = matchedRouteKey(request);
    if (key) this.request[key] = undefined;
  }
}

/** As Express would make the request for its middleware. */
export function asExpressRequest({ request }: UpgradeResponse, app: ExpressApplication): RawRequest {
  return Object.setPrototypeOf(request, app.request) as RawRequest;
}

/** As Express would make the response for its middleware. */
export function asExpressResponse({ response }: UpgradeResponse, app: ExpressApplication): unknown {
  return Object.setPrototypeOf(response, app.response);
}

/** Finds clients' addresses by Express's rule (`trust proxy`, or an `ip` of the application's own). */
export class ExpressAddresses {
  private standIn?: StandIn;
  /** The application may have replaced `ip`; true until it has been looked at. */
  private hasOwnRule = true;

  constructor(private readonly app: ExpressApplication) {}

  /** Called when the application is complete. */
  lookForOwnRule(): void {
    this.hasOwnRule = Object.hasOwn(this.app.request, 'ip');
  }

  of(request: IncomingMessage): string {
    const { headers, socket } = request;
    // Without a proxy's header there is nothing that Express's rule could change
    if (headers['x-forwarded-for'] === undefined && !this.hasOwnRule) return socket.remoteAddress ?? '';
    return this.read(request, ({ ip }) => ip) ?? '';
  }

  /** Returns whether Express believes what the request's peer has forwarded. */
  trustsPeerOf(request: IncomingMessage): boolean {
    return (this.read(request, ({ ips }) => ips)?.length ?? 0) > 0;
  }

  /** Changing a request's prototype costs more than the rest of a handshake: a stand-in is read instead. */
  private read<T>({ headers, socket }: IncomingMessage, property: (standIn: PlatformRequest) => T): T {
    const standIn = (this.standIn ??= Object.create(this.app.request) as StandIn);
    Object.assign(standIn, { headers, socket });
    const found = property(standIn);
    Object.assign(standIn, { headers: {}, socket: undefined });
    return found;
  }
}
