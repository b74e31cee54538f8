/** Checks of the JSON of forwarded requests and relays, field by field. */
import { z } from 'zod';
import { MAX_DIGESTS } from '../../relay.js';
import { MAX_NAME_BYTES } from '../format.js';
import type { Done, Forward, RelayControl } from './relay-messages.js';

type Rows<T> = { readonly [K in keyof Required<T>]: z.ZodType<T[K & keyof T]> };
type ControlRows<T extends RelayControl['type']> = Rows<Extract<RelayControl, { type: T }>>;

/** SHA-256 in base64url. */
const digest = z.string().regex(/^[\w-]{43}$/);
const claim = { tokenDigest: digest, ownerDigests: z.array(digest).max(MAX_DIGESTS) };
const path = z.string().min(1).max(MAX_NAME_BYTES);
const number = z.int().positive();
const count = z.int().nonnegative();

/** The id that a client gives to a `POST`. */
export const MESSAGE_ID = /^[\w.:-]{1,64}$/;

/** The messages follow the JSON. */
export const FORWARD = z.object({
  id: number,
  ...claim,
  path,
  method: z.enum(['POST', 'DELETE']),
  messageId: z.string().regex(MESSAGE_ID).optional(),
} satisfies Rows<Omit<Forward, 'messages'>>);

const outcome = {
  status: z.int().min(200).max(599),
  message: z.string().max(1000).optional(),
  retryAfter: count.max(86_400).optional(),
};

export const DONE = z.object({ id: number, ...outcome } satisfies Rows<Done>);

const id = z.string().regex(/^[\w-]{1,64}$/);

/** Whoever can publish could write any header into the response of a page: these do no harm. */
const HEADERS = ['content-type', 'cache-control', 'x-accel-buffering'] as const;
const header = z.string().regex(/^[\x20-\x7e]{0,256}$/);
const headers = z.partialRecord(z.enum(HEADERS), header) as unknown as z.ZodType<Record<string, string>>;

const MAX_SEQ = 2 ** 32 - 1;

export const RELAY = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('open'),
    id,
    ...claim,
    path,
    transport: z.string().regex(/^[a-z]{1,32}$/),
    position: count,
    salt: z.string().regex(/^[\w-]{22}$/),
    credit: number,
    era: count,
  } satisfies ControlRows<'open'>),
  z.object({ type: z.literal('opened'), id, era: count } satisfies ControlRows<'opened'>),
  z.object({ type: z.literal('head'), id, headers } satisfies ControlRows<'head'>),
  z.object({ type: z.literal('credit'), id, bytes: number } satisfies ControlRows<'credit'>),
  z.object({ type: z.literal('end'), id, seq: count.max(MAX_SEQ), ...outcome } satisfies ControlRows<'end'>),
  z.object({ type: z.literal('gone'), id } satisfies ControlRows<'gone'>),
  z.object({ type: z.literal('left'), id } satisfies ControlRows<'left'>),
  z.object({ type: z.literal('superseded'), ...claim } satisfies ControlRows<'superseded'>),
]) satisfies z.ZodType<RelayControl>;
