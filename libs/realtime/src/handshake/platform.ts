import type { IncomingMessage } from 'node:http';
import type { Awaitable } from '../awaitable.js';
import type { LazyRequest } from '../http/platform-request.js';
import type { UpgradeResponse } from '../http/upgrade-response.js';
import type { Verdict } from './admission.js';

/**
 * Runs the checks on a request that has come through the middleware or around it. Around it, the platform's request and
 * response are created only when something asks for them.
 */
export type Examine = (request: LazyRequest, responseOf: () => unknown) => Awaitable<Verdict>;

/** The HTTP application in front of the hooks. */
export interface Platform {
  /**
   * Sends an upgrade through the application's middleware to the gateway's door.
   *
   * @param examine called at the door, at most once
   * @throws AnsweredError when the application has answered the request itself
   */
  pass(upgrade: UpgradeResponse, examine: Examine): Promise<Verdict>;
  /**
   * Sends an upgrade around the middleware to the gateway's door, with the platform's request and response.
   *
   * @throws AnsweredError when a guard has answered the request itself
   */
  bypass(upgrade: UpgradeResponse, examine: Examine): Awaitable<Verdict>;
  /**
   * The client's address before the request has passed: empty if the platform takes none from a proxy and the socket has
   * none, undefined if the platform knows it only afterwards.
   */
  addressOf(request: IncomingMessage): string | undefined;
  /** Returns whether the application trusts the request's peer as a proxy. */
  trustsPeerOf(request: IncomingMessage): boolean;
}
