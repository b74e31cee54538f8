/** Everything that a call of the client can fail with. */
import type { ExceptionData } from './contract.js';

/**
 * `closed`: the client is closed, and does not reconnect · `queue_full`: too much waits to be sent · `too_big`: longer
 * than the server takes · `timeout`: no answer in time · `aborted`: by the caller's signal · `unknown`: the connection
 * was lost after the message had left, so whether the server has handled it is not known · `too_slow`: the reader of an
 * iterator was too slow · `bad_option`: an option is not valid · `refused`: the server answered with an error.
 */
export type ErrorCode =
  'closed' | 'queue_full' | 'too_big' | 'timeout' | 'aborted' | 'unknown' | 'too_slow' | 'bad_option' | 'refused';

/** An error of the client. Its `code` is stable; its text may change. */
export class ClientError extends Error {
  override get name(): string {
    return 'ClientError';
  }

  constructor(
    readonly code: ErrorCode,
    message: string,
  ) {
    super(message);
  }
}

/** The server answered a request with an `exception`. */
export class RequestError extends ClientError {
  override get name(): string {
    return 'RequestError';
  }

  /** @param data the error as the server sent it; its `code` is the server's, for example `unknown_event` */
  constructor(
    event: string,
    readonly data: ExceptionData,
  ) {
    const text = typeof data.message === 'string' ? data.message : JSON.stringify(data.message);
    super('refused', `The server refused ${event}: ${text}`);
  }
}

/** A `token` callback throws it when the user has to log in again: the client then stays closed with 4501. */
export class UnauthorizedError extends Error {
  override get name(): string {
    return 'UnauthorizedError';
  }
}
