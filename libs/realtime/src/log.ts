/** How facts are logged: one line each, through whatever has the methods of Nest's Logger. */

/** The part of Nest's `LoggerService` that is used; Nest's `Logger` is one. */
export interface Log {
  log(message: string): void;
  warn(message: string): void;
  error(message: string, stack?: string): void;
  debug(message: string): void;
  verbose(message: string): void;
  /** False where verbose lines are not shown: they are then not made. */
  isVerbose?(): boolean;
}

/** Longest client-supplied text in a log line, in characters. */
const MAX_FIELD = 200;

// C0, DEL, C1, line and paragraph separators, bidirectional controls: all that could start a line or rewrite one
// eslint-disable-next-line no-control-regex
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/**
 * Makes text from outside safe for a log line: it cannot end the line, start an escape sequence or fill the disk.
 *
 * @param text anything a client chose: a path, a user id, a close reason
 * @returns at most 200 characters, controls as `\xNN`, in quotes where it holds a space, a quote or nothing
 */
export function field(text: string): string {
  const cut = text.length > MAX_FIELD ? `${text.slice(0, MAX_FIELD)}…` : text;
  const safe = cut.replace(UNSAFE, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
  return safe === '' || /[\s"=]/.test(safe) ? quoted(safe) : safe;
}

/** As `field`, always in quotes. */
export function quotedField(text: string): string {
  const safe = field(text);
  return safe.startsWith('"') && safe.endsWith('"') && safe.length > 1 ? safe : quoted(safe);
}

function quoted(text: string): string {
  return `"${text.replaceAll('"', '\\"')}"`;
}

/** Bytes for people: `213B`, `1.2kB`, `3.4MB`. */
export function bytesField(bytes: number): string {
  if (bytes < 1000) return `${bytes}B`;
  if (bytes < 1_000_000) return `${(bytes / 1000).toFixed(1)}kB`;
  return `${(bytes / 1_000_000).toFixed(1)}MB`;
}

/** The message of anything that was thrown, made safe for a line. */
export function errorField(error: unknown): string {
  return quotedField(error instanceof Error ? `${error.name}: ${error.message}` : String(error));
}

/** The stack of an error, if it has one. */
export function stackOf(error: unknown): string | undefined {
  return error instanceof Error ? error.stack : undefined;
}
