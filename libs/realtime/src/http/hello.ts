/**
 * Reads the hello of a client library: what it says of itself in the handshake, on every transport. A client without
 * hello is a bare one. docs/recovery.md describes it for those who write a client.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { parsePosition, type Position } from '../position.js';
import { BEARER, protocolsOf } from './bearer-token.js';
import { refusal } from './refusals.js';

/** The subprotocol of a client library; it is agreed to whenever it is offered. */
export const REALTIME_PROTOCOL = 'realtime.v1';

/** Prefix of an offered subprotocol that carries a hello and names no protocol. */
export const HELLO = 'hello.';

/** The request header that carries a hello where there are no subprotocols: SSE and polling. */
export const HELLO_HEADER = 'x-realtime-hello';

/** Longest line that carries a hello, in characters; nginx refuses lines of 8 KiB. */
const MAX_LINE = 6144;

/** How many of its earlier connection ids a client may name. */
const MAX_EARLIER = 8;

/** What a client library says in its handshake. Whoever sends it may have invented it. */
export interface Hello {
  /** The session that it wants to resume: the secret of an earlier `rt:open`. */
  readonly session?: string;
  /** How many counted messages of that session it has received. */
  readonly seen: number;
  /** The ids of its earlier connections, at most 8: what was pushed with `except` to one of them is not replayed to it. */
  readonly was: readonly string[];
  /** Where it stands in the history of rooms, by the keys that `rt:joined` gave them. */
  readonly rooms: ReadonlyMap<string, Position>;
  /** Where it stands in the history of its own user. */
  readonly user?: Position;
}

const EMPTY: Hello = { seen: 0, was: [], rooms: new Map() };

/**
 * Reads the hello of a handshake.
 *
 * @param transport the transport that the client asks for: a WebSocket carries it in its subprotocols, the others in a
 *   header
 * @returns undefined for a bare client
 * @throws HandshakeError 400 for a hello that is not valid; it says which field
 */
export function helloOf(headers: IncomingHttpHeaders, transport: string): Hello | undefined {
  if (transport !== 'websocket') {
    const line = headers[HELLO_HEADER];
    return line === undefined ? undefined : decode(String(line), 'The header X-Realtime-Hello');
  }
  const offered = protocolsOf(headers);
  if (offered.length === 0) return undefined;
  const hellos = offered.filter((name) => name.startsWith(HELLO));
  if (!offered.includes(REALTIME_PROTOCOL)) {
    if (hellos.length > 0) throw refusal(400, `Offer the subprotocol ${REALTIME_PROTOCOL} beside ${HELLO}…`);
    return undefined;
  }
  if (hellos.length > 1) throw refusal(400, `Offer one subprotocol ${HELLO}…, not ${hellos.length}`);
  return hellos.length === 0 ? EMPTY : decode(hellos[0]!.slice(HELLO.length), `The subprotocol ${HELLO}…`);
}

/** @returns whether an offered name is one of the application, and not of this module */
export function isOfApplication(name: string): boolean {
  return name !== REALTIME_PROTOCOL && !name.startsWith(HELLO) && !name.startsWith(BEARER);
}

function decode(line: string, where: string): Hello {
  const bad = (why: string) => refusal(400, `${where} ${why}`);
  if (line.length > MAX_LINE) throw bad(`may have at most ${MAX_LINE} characters: leave out rooms`);
  if (!/^[\w-]+$/.test(line)) throw bad('must be base64url without padding');
  const value = parse(Buffer.from(line, 'base64url').toString());
  if (!isObject(value)) throw bad('must hold a JSON object');
  if (value['v'] !== 1) throw bad('has a "v" other than 1, the version that this server speaks');
  return checked(value, bad);
}

/** Fields of later versions are ignored. */
function checked(value: Fields, bad: (why: string) => Error): Hello {
  const { session, seen = 0, was = [], rooms = {}, user } = value;
  if (session !== undefined && !isText(session, /^[\w-]{1,64}$/))
    throw bad('has a "session" that is not the text of an rt:open');
  if (!isCount(seen)) throw bad('has a "seen" that is not a whole number from 0');
  if (!Array.isArray(was) || was.length > MAX_EARLIER || !was.every((id) => isText(id, /^[\w-]{1,32}\.[\da-z]{1,16}$/)))
    throw bad(`has a "was" that is not a list of at most ${MAX_EARLIER} connection ids`);
  if (!isObject(rooms)) throw bad('has a "rooms" that is not an object of keys and positions');
  const own = user === undefined ? undefined : positionOf(user);
  if (user !== undefined && !own) throw bad('has a "user" that is not a position');
  return { session, seen, was: was as string[], rooms: positionsOf(rooms, bad), user: own };
}

function positionsOf(rooms: Fields, bad: (why: string) => Error): Hello['rooms'] {
  const found = new Map<string, Position>();
  for (const [key, text] of Object.entries(rooms)) {
    const position = positionOf(text);
    if (!position || !/^[\w-]{8}$/.test(key))
      throw bad('has "rooms" with a key or a position that is not of rt:joined');
    found.set(key, position);
  }
  return found;
}

type Fields = Readonly<Record<string, unknown>>;

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isText(value: unknown, form: RegExp): value is string {
  return typeof value === 'string' && form.test(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function positionOf(value: unknown): Position | undefined {
  return typeof value === 'string' ? parsePosition(value) : undefined;
}
