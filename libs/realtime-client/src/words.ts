/** Why a connection has ended, in words for people: for codes that come without a reason. */
const WORDS: Readonly<Record<number, string>> = {
  1000: 'closed on purpose',
  1006: 'the connection broke',
  4500: 'disconnected by the server',
  4501: 'no longer allowed',
};

/** @returns the server's own reason, else what the code means */
export function wordsOf(code: number, reason: string): string {
  return reason.replace(/[;,]?\s*retry-after-ms=\d+$/, '') || (WORDS[code] ?? `closed with ${code}`);
}

/** The time before which the server does not want this client back, in milliseconds. */
export function hintOf(reason: string): number {
  return Number(/\bretry-after-ms=(\d{1,9})$/.exec(reason)?.[1] ?? 0);
}
