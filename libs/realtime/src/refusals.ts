/** The HTTP answers to handshakes that are refused. */
import { HandshakeError } from './errors.js';

const RETRY_AFTER_SECONDS = '5';

/** A refusal with the body that Nest's own exceptions have. */
export function refusal(
  status: number,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): HandshakeError {
  return new HandshakeError(status, { statusCode: status, message }, headers);
}

/** The HTTP answer to an error; one that knows none is a fault of the application, which the log tells. */
export function answerFor(error: unknown): HandshakeError {
  return error instanceof HandshakeError ? error : refusal(500, 'Internal server error');
}

export function unavailable(message: string): HandshakeError {
  return refusal(503, message, { 'Retry-After': RETRY_AFTER_SECONDS });
}
