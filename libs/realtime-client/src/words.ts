/** Why a connection has ended, in words for people. */
const WORDS: Readonly<Record<number, string>> = {
  1000: 'closed on purpose',
  1001: 'the server is shutting down',
  1006: 'the connection broke',
  1009: 'a message was too big',
  1011: 'the server failed to open it',
  1012: 'the service restarts',
  1013: 'the server is overloaded',
  4000: 'the client was silent too long',
  4001: 'the client read too slowly',
  4002: 'the client sent too much',
  4501: 'no longer allowed',
  4502: 'the login has expired',
  4503: 'replaced by a newer connection',
};

/** @returns the server's own reason, else what the code means */
export function wordsOf(code: number, reason: string): string {
  return reason.replace(/[;,]?\s*retry-after-ms=\d+$/, '') || (WORDS[code] ?? `closed with ${code}`);
}

/** The time before which the server does not want this client back, in milliseconds. */
export function hintOf(reason: string): number {
  return Number(/\bretry-after-ms=(\d{1,9})$/.exec(reason)?.[1] ?? 0);
}
