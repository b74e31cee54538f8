/** Checks of what nodes say about presence, field by field. */
import { z } from 'zod';
import type { PresenceMessage, PresenceVersions } from '../presence.js';
import { isWellFormed, MAX_NAME_BYTES, NODE_ID } from './format.js';

const name = z.string().min(1).max(MAX_NAME_BYTES).refine(isWellFormed);
const count = z.int().nonnegative();
const number = z.int().positive();

/** User, connections, state, age in milliseconds, number of the change. */
const row = z.tuple([name, count, z.unknown(), count, count]).readonly();
const rows = z.array(row).readonly();
export const PRESENCE_ROWS = rows;

/** Part of a room on one node. */
const parts = z.array(z.object({ room: name, v: count, users: rows })).readonly();

const delta = z.object({
  kind: z.literal('delta'),
  room: name,
  v: number,
  isWhole: z.boolean(),
  set: rows,
  del: z.array(z.tuple([name, count]).readonly()).readonly(),
});

/** The most rooms in one question. */
const MAX_ASKED = 1024;

const ask = z.object({
  kind: z.literal('ask'),
  id: number,
  rooms: z
    .array(z.tuple([name, count]).readonly())
    .max(MAX_ASKED)
    .readonly(),
});

const full = z.object({
  kind: z.literal('full'),
  id: number,
  part: count,
  hasMore: z.boolean(),
  top: count,
  rooms: parts,
  same: z.array(count).max(MAX_ASKED).readonly(),
});

const held = z.object({
  kind: z.literal('held'),
  node: z.string().regex(NODE_ID),
  holdMs: z
    .number()
    .nonnegative()
    .max(2 * 86_400_000),
  rooms: parts,
});

export const PRESENCE = z.discriminatedUnion('kind', [delta, ask, full, held]) satisfies z.ZodType<PresenceMessage>;

/** How many rooms an announcement lists at most; a release may list fewer. */
const MAX_LISTED = 1024;

export const PRESENCE_VERSIONS = z.union([
  z.literal('many'),
  z
    .array(z.tuple([z.string().regex(/^[\w-]{8}$/), number]).readonly())
    .max(MAX_LISTED)
    .readonly(),
]) satisfies z.ZodType<PresenceVersions>;
