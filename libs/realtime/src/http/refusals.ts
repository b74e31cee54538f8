/** The HTTP answers to handshakes that are refused, and what the log says of them. */
import { AnsweredError, HandshakeError } from '../errors.js';
import { errorField, type Log, quotedField, stackOf } from '../log.js';
import type { Counters } from '../node/stats.js';

const RETRY_AFTER_SECONDS = '5';

/** The code of a request that is refused though its client is known. */
const REJECTED = 'request_rejected';

/** A refusal with the body that Nest's own exceptions have. */
export function refusal(
  status: number,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): HandshakeError {
  return new HandshakeError(status, { statusCode: status, message }, headers);
}

/** Refuses a request of an open connection for what it is, not for who sent it: no failed handshake. */
export function rejection(
  status: number,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): HandshakeError {
  return new HandshakeError(status, { statusCode: status, message }, headers, REJECTED);
}

/** The HTTP answer to an error; one that knows none is a fault of the application, which the log tells. */
export function answerFor(error: unknown): HandshakeError {
  return error instanceof HandshakeError ? error : refusal(500, 'Internal server error');
}

export function unavailable(message: string): HandshakeError {
  return refusal(503, message, { 'Retry-After': RETRY_AFTER_SECONDS });
}

/** True for a refusal that counts against the client's address: one of who it is, and no fault of ours. */
export function isClientsFault(error: unknown): boolean {
  return isRefusal(error) && !isQuiet(error) && error.status < 500;
}

/**
 * Counts and logs a refusal; an error that is none is a fault of the application.
 *
 * @param isFlood true when this client was refused too often to warn of it once more
 */
export function logRefusal(
  { log, counters }: { log: Log; counters: Counters },
  at: string,
  error: unknown,
  isFlood: boolean,
): void {
  counters.refused++;
  if (!isRefusal(error)) {
    counters.hookErrors++;
    log.error(`WebSocket handshake failed status=500 ${at} error=${errorField(error)}`, stackOf(error));
    return;
  }
  const line = `WebSocket connection refused status=${error.status} ${at} reason=${quotedField(error.message)}`;
  if (isFlood || isQuiet(error)) log.debug(line);
  else log.warn(line);
}

function isRefusal(error: unknown): error is AnsweredError | HandshakeError {
  return error instanceof AnsweredError || error instanceof HandshakeError;
}

/** A bound has its own line, which does not flood; and clients come back to connections that have ended. */
function isQuiet({ code }: AnsweredError | HandshakeError): boolean {
  return code.startsWith('limit_') || code === REJECTED;
}
