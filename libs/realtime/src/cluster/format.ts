/**
 * The vocabulary of the wire between nodes: kinds, flags, bounds, and the reasons for which a frame is dropped.
 * docs/cluster-wire.md describes it for those who write another side of it. Road OUT, step 7.
 */
import type { Channel } from '../command.js';

/** The first part of every connection id: 1 to 64 characters of base64url; no two runs of a process have the same. */
export type NodeId = string;

/** The version in which frames are sent. The first byte of a frame; 1 to 31, so that it is neither a digit nor `{`. */
export const VERSION = 1;

/** The number of each kind of frame. */
export const KIND = {
  ...{ push: 1, order: 2, ask: 3, answer: 4, announce: 5, leave: 6, probe: 7 },
  ...{ forward: 8, done: 9, relay: 10, presence: 11, relayData: 12 },
} as const;

export type Kind = keyof typeof KIND;

const NAMES: readonly (Kind | undefined)[] = Object.entries(KIND).reduce<(Kind | undefined)[]>(
  (names, [name, code]) => {
    names[code] = name as Kind;
    return names;
  },
  [],
);

/** @returns the name of a kind; undefined for a number that this version does not know */
export const kindOf = (code: number): Kind | undefined => NAMES[code];

/** The bits of the flags. All others are zero. */
export const FLAG = { signed: 1, binary: 2, envelope: 4, volatile: 8, slow: 48 } as const;

/** Where the slow policy begins within the flags. */
export const SLOW_SHIFT = 4;

/** The flags that describe a payload. */
export const PAYLOAD_FLAGS = FLAG.binary | FLAG.envelope | FLAG.slow;

/** The channel on which every node hears: announcements, and questions to all. No node has this id. */
export const ALL_NODES: Channel = 'n:*';

/** @returns the channel on which one node hears: orders, questions and answers for it */
export const nodeChannel = (node: NodeId): Channel => `n:${node}`;

/** A frame without a signature, an exception or a body has at least so many bytes. */
export const MIN_HEAD = 17;

/** What a length of two bytes can hold: the longest name, in bytes of UTF-8. */
export const MAX_NAME_BYTES = 65_535;

/** The most exceptions of one frame. */
export const MAX_EXCEPT = 4096;

/** The highest counter: six bytes. */
export const MAX_COUNTER = 2 ** 48 - 1;

/** The longest id of a node. */
const MAX_NODE_ID = 64;

/** The id of a node. */
export const NODE_ID = /^[\w-]{1,64}$/;

/** Why a frame was dropped. */
export const DROP_REASONS = [
  'too_big',
  'truncated',
  'unknown_version',
  'unknown_kind',
  'bad_flags',
  'bad_position',
  'bad_node',
  'bad_counter',
  'bad_channel',
  'wrong_channel',
  'bad_except',
  'bad_body',
  'unsigned',
  'unknown_key',
  'bad_signature',
  'replayed',
  'foreign_refused',
  'bad_foreign',
] as const;

export type DropReason = (typeof DROP_REASONS)[number];

const NODE_BYTE = new Uint8Array(256);
for (const char of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-')
  NODE_BYTE[char.charCodeAt(0)] = 1;

/** @returns whether a slice of a frame can be the id of a node */
export function isNodeId(bytes: Uint8Array, start: number, end: number): boolean {
  if (end <= start || end - start > MAX_NODE_ID) return false;
  for (let index = start; index < end; index++) if (NODE_BYTE[bytes[index]!] === 0) return false;
  return true;
}

const LONE_SURROGATE = /\p{Surrogate}/u;

/** @returns false for a name that UTF-8 cannot hold: on the wire it would become the name of another room */
export const isWellFormed = (name: string): boolean => !LONE_SURROGATE.test(name);
