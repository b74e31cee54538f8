import type { IncomingMessage } from 'node:http';
import type { LazyRequest } from '../http/platform-request.js';
import type { UpgradeResponse } from '../http/upgrade-response.js';
import type { Verdict } from './admission.js';

/**
 * Asks a request that has come through the middleware. Around the middleware, what the platform makes of it and of its
 * response is made only when it is asked for.
 */
export type Examine = (request: LazyRequest, responseOf: () => unknown) => Promise<Verdict>;

/** The HTTP application in front of the hooks. */
export interface Platform {
  /**
   * Sends an upgrade through the application's middleware to the gateway's door.
   *
   * @param examine called there, once
   * @throws AnsweredError when the application has answered the request itself
   */
  pass(upgrade: UpgradeResponse, examine: Examine): Promise<Verdict>;
  /**
   * Goes around the middleware, with request and response as the platform makes them.
   *
   * @throws AnsweredError when a guard has answered the request itself
   */
  bypass(upgrade: UpgradeResponse, examine: Examine): Promise<Verdict>;
  /** The client's address before the request has passed; undefined where only passing tells. */
  addressOf(request: IncomingMessage): string | undefined;
}
