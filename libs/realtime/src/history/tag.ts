import { randomBytes } from 'node:crypto';

/** How many tags one call of the system's random numbers makes. */
const BATCH = 256;
/** Six characters of base64url. */
const CHARS = 6;

let pool = '';
let at = 0;

/** @returns six random characters of base64url; they tell entries with the same n apart */
export function newTag(): string {
  if (at === pool.length) {
    pool = randomBytes((BATCH * CHARS * 3) / 4).toString('base64url');
    at = 0;
  }
  return pool.slice(at, (at += CHARS));
}
