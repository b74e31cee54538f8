/** Log lines: one per fact, written to any object that has the methods of Nest's Logger. */

/** The part of Nest's `LoggerService` that this module uses. Nest's `Logger` has it. */
export interface Log {
  log(message: string): void;
  warn(message: string): void;
  error(message: string, stack?: string): void;
  debug(message: string): void;
  verbose(message: string): void;
}

/** Longest client-supplied text in a log line, in characters. */
const MAX_FIELD = 200;

// C0, DEL, C1, line and paragraph separators, bidirectional marks: everything that could start a line or rewrite one
// eslint-disable-next-line no-control-regex
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** Most paths and ids consist only of these characters and are safe as they are. */
const PLAIN = /^[\w./:@-]{1,200}$/;

/**
 * Makes text from outside safe for a log line: it cannot end the line or its field, start an escape sequence or fill
 * the disk.
 *
 * @param text anything a client chose: a path, a user id, a close reason
 * @returns at most 200 characters, controls as `\xNN`; in quotes if it is empty or holds a space, `"` or `=`
 */
export function field(text: string): string {
  if (PLAIN.test(text)) return text;
  const safe = visible(cut(text));
  return safe === '' || /[\s"=]/.test(safe) ? quotedField(text) : safe;
}

/** Like `field`, but always in quotes. Quotes and backslashes of the text are escaped. */
export function quotedField(text: string): string {
  if (text === '') return '""';
  return `"${visible(cut(text).replace(/["\\]/g, '\\$&'))}"`;
}

function cut(text: string): string {
  return text.length > MAX_FIELD ? `${text.slice(0, MAX_FIELD)}…` : text;
}

function visible(text: string): string {
  return text.replace(UNSAFE, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** How a line names a transport. */
const LABELS: Readonly<Record<string, string>> = { websocket: 'WebSocket', sse: 'SSE', polling: 'Polling' };

/**
 * The first word of a line about a connection.
 *
 * @param transport the name of its transport; undefined for a request of which it is not known
 */
export function label(transport: string | undefined): string {
  return transport === undefined ? 'HTTP' : (LABELS[transport] ?? field(transport));
}

/** Formats a number of bytes for people: `213B`, `1.2kB`, `3.4MB`. */
export function bytesField(bytes: number): string {
  if (bytes < 1000) return `${bytes}B`;
  if (bytes < 1_000_000) return `${(bytes / 1000).toFixed(1)}kB`;
  return `${(bytes / 1_000_000).toFixed(1)}MB`;
}

/** The name and message of anything that was thrown, made safe for a log line. Never throws. */
export function errorField(error: unknown): string {
  return quotedField(attempt(() => (error instanceof Error ? `${error.name}: ${error.message}` : String(error))));
}

/** The stack of an error without its message, which may be a client's text; undefined for anything else. */
export function stackOf(error: unknown): string | undefined {
  const frames = attempt(() => (error instanceof Error ? framesOf(error) : ''));
  return frames === '' ? undefined : frames;
}

function framesOf({ stack = '', message }: Error): string {
  const end = message === '' ? 0 : stack.indexOf(message) + message.length;
  const frames = stack.slice(Math.max(0, end)).split('\n');
  return frames
    .filter((line) => line.startsWith('    at '))
    .map(visible)
    .join('\n');
}

function attempt(show: () => string): string {
  try {
    return `${show()}`;
  } catch {
    return 'something that cannot be shown';
  }
}
