/** Close codes that say nothing about the client, beside 4000–4499: the connection broke, or the server is busy. */
const COME_BACK: readonly number[] = [1001, 1005, 1006, 1011, 1012, 1013, 1014, 1015];

/**
 * Returns whether a client should reconnect after this close code. 1005, 1014 and 1015 are never sent by this module: a
 * proxy closed without a code, a gateway failed, or TLS did.
 *
 * @param code the close code as the client saw it
 * @returns true to reconnect with backoff; false to stay away until the user or the application acts
 * @example socket.onclose = ({ code }) => mayReconnect(code) && retryLater();
 */
export function mayReconnect(code: number): boolean {
  return COME_BACK.includes(code) || (code >= 4000 && code <= 4499);
}
