/** The HTTP answers to refused handshakes, and their lines in the log. */
import { AnsweredError, HandshakeError } from '../errors.js';
import { LineRate } from '../limits/line-rate.js';
import { errorField, label, type Log, quotedField, stackOf } from '../log.js';
import type { Counters } from '../stats.js';
import type { RealtimeSettings } from '../settings/settings.js';

const RETRY_AFTER_SECONDS = '5';

/** The code of a refused request whose client is known. */
const REJECTED = 'request_rejected';

/** A refusal with the body that Nest's own exceptions have. */
export function refusal(
  status: number,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): HandshakeError {
  return new HandshakeError(status, { statusCode: status, message }, headers);
}

/** Refuses a request of an open connection for its content, not for its sender: this is not a failed handshake. */
export function rejection(
  status: number,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): HandshakeError {
  return new HandshakeError(status, { statusCode: status, message }, headers, REJECTED);
}

/** Returns the refusal with another text for its line in the log, which may say more than the client may know. */
export function refusalLoggedAs(reason: string, error: HandshakeError): HandshakeError {
  error.message = reason;
  return error;
}

/** Returns the HTTP answer to an error. Any error without one is a fault of the application: only the log shows it. */
export function answerFor(error: unknown): HandshakeError {
  return error instanceof HandshakeError ? error : refusal(500, 'Internal server error');
}

/** A refusal with 503 that says when to come back. */
export function unavailable(message: string): HandshakeError {
  return refusal(503, message, { 'Retry-After': RETRY_AFTER_SECONDS });
}

/** Returns whether a refusal counts against the client's address: the client caused it, not a limit or the server. */
export function isClientsFault(error: unknown): boolean {
  return isRefusal(error) && !isQuiet(error) && error.status < 500;
}

/** What a refusal is logged with. */
interface Refused {
  /** The transport that the client asked for; undefined where that is not known. */
  readonly transport: string | undefined;
  /** Where it was refused, as fields of the line. */
  readonly at: string;
}

/** Lines about refused clients that may be logged at once, and per second after that: of refusals, and of faults. */
const LINES_AT_ONCE = 100;
const LINES_PER_SECOND = 10;

/**
 * Counts and logs refusals. Clients can cause as many as they like, also from many addresses: warnings above the rate go
 * to `debug`, and errors above it are only counted.
 */
export class RefusalLog {
  private readonly warnings = new LineRate(LINES_PER_SECOND, LINES_AT_ONCE);
  private readonly errors = new LineRate(LINES_PER_SECOND, LINES_AT_ONCE);

  constructor(
    private readonly node: { log: Log; counters: Counters; settings: Pick<RealtimeSettings, 'logLifecycle'> },
  ) {}

  /**
   * Counts and logs a refused request; any error that is no refusal is a fault of the application, and is logged with
   * every setting.
   *
   * @param isFlood true if this client was refused so often that one more warning would not help
   */
  refused({ transport, at }: Refused, error: unknown, isFlood: boolean): void {
    this.node.counters.refused++;
    if (!isRefusal(error)) this.failed(`${label(transport)} handshake failed status=500 ${at}`, error);
    else {
      const reason = quotedField(error.message);
      const line = `${label(transport)} connection refused status=${error.status} ${at} reason=${reason}`;
      this.warn(line, isFlood || isQuiet(error));
    }
  }

  /** Logs that the client is at fault, unless the settings leave that out. @param isQuiet true for the level `debug` */
  warn(line: string, isQuiet = false): void {
    const { log, settings } = this.node;
    if (settings.logLifecycle === 'none') return;
    const more = isQuiet ? undefined : this.warnings.take();
    if (more === undefined) log.debug(line);
    else log.warn(line + more);
  }

  /** Counts and logs that the application is at fault. @param line without the error */
  failed(line: string, error: unknown): void {
    this.node.counters.hookErrors++;
    const more = this.errors.take();
    if (more !== undefined) this.node.log.error(`${line} error=${errorField(error)}${more}`, stackOf(error));
  }
}

function isRefusal(error: unknown): error is AnsweredError | HandshakeError {
  return error instanceof AnsweredError || error instanceof HandshakeError;
}

/** A limit has a line of its own, at most one a second; and clients often come back to connections that have ended. */
function isQuiet({ code }: AnsweredError | HandshakeError): boolean {
  return code.startsWith('limit_') || code === REJECTED;
}
