/** Road IN, before step 2: finds the gateway that a path belongs to. */
import type { IncomingMessage } from 'node:http';
import { OptionsError } from '../errors.js';
import type { Gateway } from '../gateway.js';
import { NO_PARAMS, type Params } from '../handshake-request.js';
import { splitTarget, targetOf } from '../http/platform-request.js';
import { refusal } from '../http/refusals.js';

/** A gateway, and the parameters of its path in a request. */
export interface Route {
  readonly gateway: Gateway;
  readonly params: Params;
}

export class Routes {
  /** In the order in which they are tried. */
  private readonly gateways = new Map<string, Gateway>();
  /** The last search and its result: one request asks several times on its way. */
  private last?: { readonly path: string; readonly route: Route | undefined };

  /** Adds a gateway. @throws OptionsError when another one has its path */
  add(gateway: Gateway): void {
    const other = this.gateways.get(gateway.path);
    if (other) {
      throw new OptionsError(
        `${other.name} and ${gateway.name} both have hooks on the path ${gateway.path}: give one of them another path`,
      );
    }
    this.gateways.set(gateway.path, gateway);
    this.last = undefined;
  }

  /** @throws HandshakeError 404 */
  of(incoming: IncomingMessage): Route {
    const route = this.find(splitTarget(targetOf(incoming)).path);
    if (!route) throw refusal(404, 'No gateway has this path');
    return route;
  }

  /** Returns whether a plain GET on this path is answered as a handshake would be. */
  answersGet(path: string): boolean {
    const route = this.find(path);
    return route !== undefined && route.gateway.answersGet !== false;
  }

  find(path: string): Route | undefined {
    if (this.last?.path !== path) this.last = { path, route: this.search(path) };
    return this.last.route;
  }

  private search(path: string): Route | undefined {
    for (const gateway of this.gateways.values()) {
      const params = gateway.match ? gateway.match(path) : gateway.path === path ? NO_PARAMS : undefined;
      if (params) return { gateway, params };
    }
    return undefined;
  }
}
