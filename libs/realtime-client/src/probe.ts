/**
 * Finds out why a WebSocket did not open, or an event stream was cut, which a page cannot see: a plain GET of the path
 * is answered as the handshake would be refused, or with 426 when it would not be.
 */
import type { Attempt, AttemptOptions } from './attempt.js';
import type { FetchInit } from './environment.js';
import { AWAY, parsed, type Refusal } from './wire.js';

const PROBE_MS = 5000;

/** What is said of a transport that does not arrive, though HTTP does. */
export const BLOCKED: Refusal = { isBlocked: true, words: 'the transport was blocked on its way' };

/** @param attempt the one that did not open: its credentials are used */
export async function probe(
  attempt: Pick<Attempt, 'fetch'>,
  { address, environment }: AttemptOptions,
): Promise<Refusal> {
  const ask = (init?: FetchInit) => attempt.fetch({ ...init, signal: AbortSignal.timeout(PROBE_MS) });
  try {
    const answer = await ask();
    return refusalOf(answer, await answer.text());
  } catch {
    // Without CORS headers a page may not read the answer, but it can see that there is one
    const { origin = '' } = environment.page?.location ?? {};
    const isThere = !address.startsWith(origin) && (await ask({ mode: 'no-cors' }).catch(() => false));
    return isThere ? BLOCKED : { words: AWAY };
  }
}

/**
 * @param answer of a request that should have become a connection
 * @param body its text; Nest says why in a `message`
 */
export function refusalOf({ status, headers }: Response, body: string): Refusal {
  if (status === 426) return BLOCKED;
  const { message } = (parsed(body) ?? {}) as { message?: string };
  const words = `the server answered ${status}${message ? `: ${message}` : ''}`;
  return { status, retryAfterMs: Number(headers.get('retry-after')) * 1000 || 0, words };
}
