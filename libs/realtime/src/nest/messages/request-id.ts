import type { ArgumentsHost } from '@nestjs/common';
import { requestOf } from './request.js';

/**
 * Returns the id that the client gave to the message that is handled: for guards, interceptors, filters and parameter
 * decorators of `@SubscribeMessage()` methods.
 *
 * @param host the `ArgumentsHost` or `ExecutionContext` that Nest passes
 * @returns undefined for a message without an id, for a hook, and at the handshake
 * @example
 * catch(error: SoldOut, host: ArgumentsHost) {
 *   this.logger.warn(`request ${requestIdOf(host)}: ${error.message}`);
 *   throw new WsException('There is none left'); // the answer to that request
 * }
 */
export function requestIdOf(host: ArgumentsHost): string | number | undefined {
  return requestOf(host.getArgs())?.id;
}
