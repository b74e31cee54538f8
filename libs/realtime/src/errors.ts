/**
 * The errors of this module. A hook refuses by throwing an error that carries its answer: an HTTP response before the
 * connection exists (HandshakeError), an error frame afterwards (MessageError). Each has a stable `code`.
 */
import type { ExceptionData } from 'nestjs-realtime-protocol';

/** The base class of every error that this module throws. `code` stays the same from version to version. */
export class RealtimeError extends Error {
  constructor(
    readonly code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The application cannot start with this configuration. `problems` lists everything that is wrong, one line each. */
export class OptionsError extends RealtimeError {
  readonly problems: readonly string[];

  constructor(problems: string | readonly string[]) {
    const list = typeof problems === 'string' ? [problems] : problems;
    super(
      'options',
      list.length === 1 ? list[0]! : `${list.length} problems:\n${list.map((p) => `  - ${p}`).join('\n')}`,
    );
    this.problems = list;
  }
}

/**
 * Refuses a handshake with an ordinary HTTP response, before any socket exists.
 *
 * @example throw new HandshakeError(403, { statusCode: 403, message: 'Members only' });
 */
export class HandshakeError extends RealtimeError {
  /**
   * @param status the HTTP status, 200 to 599; any other is sent as 500
   * @param body a string is sent as text, an object as JSON; default: an empty body
   * @param headers further headers of the response
   * @param code the error's code; default: `handshake_refused`
   */
  constructor(
    readonly status: number,
    readonly body: string | object = '',
    readonly headers: Readonly<Record<string, string>> = {},
    code = 'handshake_refused',
    options?: ErrorOptions,
  ) {
    super(code, messageOf(body), options);
  }
}

function messageOf(body: string | object): string {
  if (typeof body === 'string') return body;
  const { message } = body as { message?: unknown };
  return typeof message === 'string' ? message : JSON.stringify(body);
}

/** The HTTP application has answered the handshake itself, so nothing is left to write. */
export class AnsweredError extends RealtimeError {
  constructor(
    readonly status: number,
    cause?: unknown,
  ) {
    super('handshake_answered', cause instanceof Error ? cause.message : 'answered by the application', { cause });
  }
}

/**
 * Reports that a message could not be handled. If `onMessage` throws it, the client gets its `data` in an `exception`
 * frame and the connection stays open. Of any other error the client learns only "Internal server error".
 *
 * @example throw new MessageError('unknown_room', 'This room does not exist');
 */
export class MessageError extends RealtimeError {
  /** What the client gets. A `message` in the details, such as a list of validation errors, replaces the error's. */
  readonly data: ExceptionData;

  /**
   * @param code for programs; keep it stable
   * @param message for people
   * @param details further fields of the frame; default: none
   */
  constructor(code: string, message: string, details: Readonly<Record<string, unknown>> = {}, options?: ErrorOptions) {
    super(code, message, options);
    this.data = { status: 'error', code, message, ...details };
  }
}

const INTERNAL: ExceptionData = { status: 'error', code: 'internal', message: 'Internal server error' };

/** What the client sees of an error: a MessageError is exposed in full; every other error stays hidden. */
export function exceptionData(error: unknown): ExceptionData {
  return error instanceof MessageError ? error.data : INTERNAL;
}
