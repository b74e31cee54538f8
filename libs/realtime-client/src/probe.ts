/**
 * Finds out why a WebSocket did not open, which a page cannot see: a plain GET of the path is answered as the handshake
 * would be refused, or with 426 when it would not be.
 */
import type { Environment, FetchInit } from './environment.js';
import { credentials, type Refusal, retryAfterMs } from './wire.js';

const PROBE_MS = 5000;

export async function probe(environment: Environment, url: string, token: string | undefined): Promise<Refusal> {
  const get = (init: FetchInit) => {
    const signal = AbortSignal.timeout(PROBE_MS);
    return environment.fetch(url, { cache: 'no-store', credentials: 'include', ...init, signal });
  };
  try {
    return await refusalOf(await get({ headers: credentials(token) }));
  } catch {
    // Without CORS headers a page may not read the answer, but it can see that there is one
    const own = environment.page?.location?.href;
    const isForeign = own !== undefined && new URL(own).origin !== new URL(url).origin;
    const isThere = isForeign && (await get({ mode: 'no-cors' }).catch(() => undefined));
    if (isThere) return { status: 0, isBlocked: true, words: 'the WebSocket was blocked on its way' };
    return { status: 0, isBlocked: false, words: 'the server does not answer' };
  }
}

/** @param answer of a request that should have become a connection */
export async function refusalOf(answer: Response): Promise<Refusal> {
  const { status, headers } = answer;
  if (status === 426) return { status, isBlocked: true, words: 'the WebSocket was blocked on its way' };
  const words = `the server answered ${status}${messageOf(await answer.text())}`;
  return { status, retryAfterMs: retryAfterMs(headers), isBlocked: false, words };
}

/** The message of an answer of Nest. */
function messageOf(body: string): string {
  try {
    const { message } = JSON.parse(body) as { message?: unknown };
    return message ? `: ${String(message)}` : '';
  } catch {
    return '';
  }
}
