/**
 * Errors of the module. Refusing is throwing something that knows its answer: an HTTP status before the connection
 * (HandshakeError), a close code or an error frame after it. Each has a stable `code`.
 */
import type { ExceptionData } from 'nestjs-realtime-protocol';

/** The base of every error that this module throws; `code` is stable over versions. */
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

/** The application cannot start as it is configured; `problems` lists all that is wrong, one line each. */
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
 * Refuses a handshake with a true HTTP answer, before any socket exists.
 *
 * @example throw new HandshakeError(403, { statusCode: 403, message: 'Members only' });
 */
export class HandshakeError extends RealtimeError {
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

/** The HTTP application has answered the handshake itself; there is nothing left to write. */
export class AnsweredError extends RealtimeError {
  constructor(
    readonly status: number,
    cause?: unknown,
  ) {
    super('handshake_answered', cause instanceof Error ? cause.message : 'answered by the application', { cause });
  }
}

/**
 * Says that a message could not be handled. Thrown in `onMessage`, its `data` reaches the client in an `exception`
 * frame and the connection stays; any other error reaches it as "Internal server error".
 *
 * @example throw new MessageError('unknown_room', 'There is no room of that name');
 */
export class MessageError extends RealtimeError {
  /** What the client gets; a `message` among the details (a list of validation errors) goes before the error's own. */
  readonly data: ExceptionData;

  constructor(code: string, message: string, details: Readonly<Record<string, unknown>> = {}, options?: ErrorOptions) {
    super(code, message, options);
    this.data = { status: 'error', code, message, ...details };
  }
}

const INTERNAL: ExceptionData = { status: 'error', code: 'internal', message: 'Internal server error' };

/** What the client may see of an error: what a MessageError says of itself, nothing of any other. */
export function exceptionData(error: unknown): ExceptionData {
  return error instanceof MessageError ? error.data : INTERNAL;
}
