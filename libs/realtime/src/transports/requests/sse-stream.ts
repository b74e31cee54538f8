/** Road OUT, step 10: the beginning and the end of a response that is a stream of events. */
import type { Writable } from 'node:stream';
import type { HttpAnswer } from '../../http/exchange.js';

/** How long a client waits before it comes back after the hold time, in milliseconds. */
export const RENEW_RETRY_MS = 100;

/** The same for a client whose connection cannot be reached for the moment. */
export const POSTPONED_RETRY_MS = 1000;

export function startStream(answer: HttpAnswer): Writable {
  answer.header('Content-Type', 'text/event-stream; charset=utf-8');
  answer.header('Cache-Control', 'no-cache, no-transform');
  answer.header('X-Accel-Buffering', 'no');
  return answer.stream();
}

/** Ends a stream. @param retryMs after how many milliseconds the client comes back */
export function endStream(stream: Writable, retryMs: number): void {
  stream.end(`retry: ${retryMs}\n\n`);
}
