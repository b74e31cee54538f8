/** The bodies of frames: the bytes of a payload as they will be sent, and JSON for everything else. */
import { isUtf8 } from 'node:buffer';
import { z } from 'zod';
import { RealtimeError } from '../errors.js';
import { Frame, type SlowPolicy } from '../frame.js';
import type { Question } from '../question.js';
import { FLAG, type Kind, PAYLOAD_FLAGS, SLOW_SHIFT } from './format.js';
import type { Ask, WireMessage } from './messages.js';
import { PRESENCE } from './presence-schemas.js';
import { packData, packMessages, unpackData, unpackMessages } from './relays/relay-bodies.js';
import type { Forward } from './relays/relay-messages.js';
import { DONE, FORWARD, RELAY } from './relays/relay-schemas.js';
import { ANNOUNCEMENT, ANSWER, ASK, LEAVE, ORDER, PROBE } from './schemas.js';

/** The slow policies by their two bits. */
const POLICIES: readonly (SlowPolicy | undefined)[] = [undefined, 'close', 'drop-newest', 'drop-oldest'];

const LINE_FEED = 0x0a;

/** The body of a frame before it is written. */
export interface Body {
  readonly flags: number;
  readonly json?: string;
  /** Stand behind the JSON. */
  readonly bytes?: Buffer;
  readonly payload?: Frame;
}

/** @returns the body of a message */
export function bodyOf(message: WireMessage): Body {
  switch (message.kind) {
    case 'push': {
      const { frame, isVolatile } = message;
      return { flags: flagsOf(frame) | (isVolatile ? FLAG.volatile : 0), payload: frame };
    }
    case 'ask':
      return askBody(message.ask);
    case 'order':
      return { flags: 0, json: jsonOf('order', ORDER, message.order) };
    case 'answer':
      return { flags: 0, json: jsonOf('answer', ANSWER, message.answer) };
    case 'announce':
      return { flags: 0, json: jsonOf('announcement', ANNOUNCEMENT, message.announcement) };
    case 'probe':
      return { flags: 0, json: jsonOf('probe', PROBE, message.probe) };
    case 'leave':
      return { flags: 0, json: '{}' };
    case 'forward':
      return forwardBody(message.forward);
    case 'done':
      return { flags: 0, json: jsonOf('status', DONE, message.done) };
    case 'relay':
      return { flags: 0, json: jsonOf('relay', RELAY, message.relay) };
    case 'presence':
      return { flags: 0, json: jsonOf('presence', PRESENCE, message.presence) };
    case 'relayData':
      return { flags: 0, bytes: packData(message.data) };
  }
}

function forwardBody({ messages, ...forward }: Forward): Body {
  return { flags: 0, json: `${jsonOf('request', FORWARD, forward)}\n`, bytes: packMessages(messages) };
}

/** A push to one connection is a question, because its sender is told whether it was taken. */
function askBody(ask: Ask): Body {
  const { question } = ask;
  const json = jsonOf('question', ASK, ask);
  if (question.kind !== 'order' || question.action.kind !== 'push') return { flags: 0, json };
  const { frame } = question.action;
  // JSON.stringify writes no line feed, so the first one is where the payload begins
  return { flags: flagsOf(frame), json: `${json}\n`, payload: frame };
}

/** @throws RealtimeError `bad_body` for what the other nodes would drop */
function jsonOf(what: string, schema: z.ZodType, value: unknown): string {
  const { data, error } = schema.safeParse(value);
  if (error) {
    throw new RealtimeError('bad_body', `The ${what} cannot be sent to other nodes: ${z.prettifyError(error)}`);
  }
  return JSON.stringify(data);
}

function flagsOf({ isBinary, isEnvelope, slow }: Frame): number {
  const policy = POLICIES.indexOf(slow) << SLOW_SHIFT;
  return policy | (isBinary ? FLAG.binary : 0) | (isEnvelope ? FLAG.envelope : 0);
}

/** The flags that a kind may have beside `signed`. */
export const ALLOWED_FLAGS: Readonly<Record<Kind, number>> = {
  push: PAYLOAD_FLAGS | FLAG.volatile,
  order: 0,
  ask: PAYLOAD_FLAGS,
  answer: 0,
  announce: 0,
  leave: 0,
  probe: 0,
  forward: 0,
  done: 0,
  relay: 0,
  relayData: 0,
  presence: 0,
};

/** Reads a body. @returns undefined when it is not one of its kind */
export function readBody(kind: Kind, flags: number, body: Buffer): WireMessage | undefined {
  if (kind === 'push') {
    const frame = payloadFrame(flags, body);
    return frame && { kind, frame, isVolatile: (flags & FLAG.volatile) !== 0 };
  }
  if (kind === 'ask') return readAsk(flags, body);
  if (kind === 'forward') return readForward(body);
  if (kind === 'relayData') {
    const data = unpackData(body);
    return data && { kind, data };
  }
  return readJson(kind, parsed(body));
}

type JsonKind = Exclude<Kind, 'push' | 'ask' | 'forward' | 'relayData'>;

function readJson(kind: JsonKind, value: unknown): WireMessage | undefined {
  if (kind === 'order') return wrapped(ORDER.safeParse(value), (order) => ({ kind, order }));
  if (kind === 'answer') return wrapped(ANSWER.safeParse(value), (answer) => ({ kind, answer }));
  if (kind === 'announce') return wrapped(ANNOUNCEMENT.safeParse(value), (announcement) => ({ kind, announcement }));
  if (kind === 'probe') return wrapped(PROBE.safeParse(value), (probe) => ({ kind, probe }));
  if (kind === 'done') return wrapped(DONE.safeParse(value), (done) => ({ kind, done }));
  if (kind === 'relay') return wrapped(RELAY.safeParse(value), (relay) => ({ kind, relay }));
  if (kind === 'presence') return wrapped(PRESENCE.safeParse(value), (presence) => ({ kind, presence }));
  return wrapped(LEAVE.safeParse(value), () => ({ kind }));
}

function wrapped<T>({ data }: z.ZodSafeParseResult<T>, wrap: (data: T) => WireMessage): WireMessage | undefined {
  return data === undefined ? undefined : wrap(data);
}

/** Only a `POST` has messages. */
function readForward(body: Buffer): WireMessage | undefined {
  const end = body.indexOf(LINE_FEED);
  const { data } = FORWARD.safeParse(end < 0 ? undefined : parsed(body.subarray(0, end)));
  const messages = data && unpackMessages(body.subarray(end + 1));
  if (!messages || (data.method === 'DELETE' && messages.length > 0)) return undefined;
  const forward: Forward = { ...data, messages };
  return { kind: 'forward', forward };
}

function readAsk(flags: number, body: Buffer): WireMessage | undefined {
  const end = body.indexOf(LINE_FEED);
  const { data } = ASK.safeParse(parsed(end < 0 ? body : body.subarray(0, end)));
  if (!data) return undefined;
  const { question } = data;
  if (question.kind !== 'order' || question.action.kind !== 'push') {
    // What is not a push has no payload
    return end < 0 && (flags & PAYLOAD_FLAGS) === 0 ? { kind: 'ask', ask: data as Ask } : undefined;
  }
  const frame = end < 0 ? undefined : payloadFrame(flags, body.subarray(end + 1));
  if (!frame) return undefined;
  const order: Question<'order'> = { ...question, action: { kind: 'push', frame } };
  return { kind: 'ask', ask: { ...data, question: order } };
}

/** @returns undefined for text that is not UTF-8: every client that got it would close the connection with 1007 */
function payloadFrame(flags: number, payload: Buffer): Frame | undefined {
  const isBinary = (flags & FLAG.binary) !== 0;
  const isEnvelope = (flags & FLAG.envelope) !== 0;
  if (isBinary ? isEnvelope : !isUtf8(payload)) return undefined;
  return new Frame(payload, POLICIES[(flags & FLAG.slow) >> SLOW_SHIFT], isEnvelope, isBinary);
}

/** @returns undefined when it is not JSON in UTF-8 */
export function parsed(body: Buffer): unknown {
  if (!isUtf8(body)) return undefined;
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}
