/** The secret of a connection that outlives its wire: whoever has it may go on with the connection. */
import { randomBytes } from 'node:crypto';

/** How many characters of a token are the id of its node. */
const NODE_CHARACTERS = 12;

const TOKEN = /^[\w-]{44}$/;

/** @returns the id of the node, so that any node knows whose connection it is, and 192 random bits */
export function newToken(node: string): string {
  // `join` makes one flat string; with `+`, V8 would keep the parts as well
  return [node, randomBytes(24).toString('base64url')].join('');
}

/** @returns the node of a token; undefined for a text that is not a token. Whoever sent it may have invented it */
export function nodeOfToken(token: string): string | undefined {
  return TOKEN.test(token) ? token.slice(0, NODE_CHARACTERS) : undefined;
}
