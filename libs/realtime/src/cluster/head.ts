/** The binary frame between nodes without its body: every field is checked, nothing is copied. Road OUT, step 7. */
import { isUtf8 } from 'node:buffer';
import type { Channel } from '../command.js';
import { RealtimeError } from '../errors.js';
import {
  type DropReason,
  FLAG,
  isNodeId,
  isWellFormed,
  type Kind,
  KIND,
  kindOf,
  MAX_COUNTER,
  MAX_EXCEPT,
  MAX_NAME_BYTES,
  MIN_HEAD,
  NODE_ID,
  type NodeId,
  VERSION,
} from './format.js';
import { READS } from './versions.js';

/** The fields before the body. */
export interface Head {
  readonly kind: Kind;
  readonly flags: number;
  readonly from: NodeId;
  readonly counter: number;
  /** The channel's name at the broker. */
  readonly name: string;
  readonly except: readonly Channel[];
  /** Where the body begins. */
  readonly body: number;
}

const NOTHING: readonly never[] = [];
/** The types of exceptions: the first character of a connection's, user's and room's channel. */
const [C, U, R] = Buffer.from('cur') as unknown as [number, number, number];
const COLON = 0x3a;

/** @returns the length of a head in bytes @throws RealtimeError for a node or exceptions that readers would drop */
export function headLength({ from, name, except }: Pick<Head, 'from' | 'name' | 'except'>): number {
  if (!NODE_ID.test(from)) {
    throw new RealtimeError('bad_node', `A node's id must have 1 to 64 characters of A-Z a-z 0-9 _ -, got ${from}`);
  }
  let length = 1 + 1 + 2 + 1 + from.length + 6 + 2 + Buffer.byteLength(name) + 2;
  if (except.length === 0) return length;
  if (except.length > MAX_EXCEPT)
    throw new RealtimeError('too_many_exceptions', `A push may have ${MAX_EXCEPT} exceptions, got ${except.length}`);
  // The type takes the place of the channel's prefix, which has two characters
  for (const channel of except) length += 1 + 2 + exceptionBytes(channel);
  return length;
}

function exceptionBytes(channel: Channel): number {
  const length = Buffer.byteLength(channel) - 2;
  if (/^[cur]:[^]/.test(channel) && length <= MAX_NAME_BYTES && isWellFormed(channel)) return length;
  throw new RealtimeError('bad_name', `${JSON.stringify(channel.slice(0, 300))} cannot be excepted on other nodes`);
}

/** Writes a head to the beginning of a frame. @returns where the body begins */
export function writeHead(frame: Buffer, { kind, flags, from, counter, name, except }: Omit<Head, 'body'>): number {
  frame[0] = VERSION;
  frame[1] = KIND[kind];
  frame.writeUInt16BE(flags, 2);
  frame[4] = from.length;
  let at = 5 + frame.write(from, 5, 'latin1');
  if (!(Number.isInteger(counter) && counter >= 1 && counter <= MAX_COUNTER)) {
    throw new RangeError(`A counter must be a whole number from 1 to 2^48 - 1, got ${counter}`);
  }
  at = frame.writeUIntBE(counter, at, 6);
  const length = frame.write(name, at + 2);
  frame.writeUInt16BE(length, at);
  at = frame.writeUInt16BE(except.length, at + 2 + length);
  for (const channel of except) {
    // The prefix of two characters is overwritten by the length
    const bytes = frame.write(channel, at + 1) - 2;
    frame[at] = channel.charCodeAt(0);
    frame.writeUInt16BE(bytes, at + 1);
    at += 3 + bytes;
  }
  return at;
}

/** Reads the head of a frame. */
export function readHead(frame: Buffer): Head | DropReason {
  const version = frame[0]!;
  if (!(version >= READS[0] && version <= READS[1])) return 'unknown_version';
  if (frame.length < MIN_HEAD) return 'truncated';
  const kind = kindOf(frame[1]!);
  if (kind === undefined) return 'unknown_kind';
  const end = 5 + frame[4]!;
  if (end + 10 > frame.length) return 'truncated';
  if (!isNodeId(frame, 5, end)) return 'bad_node';
  const counter = frame.readUIntBE(end, 6);
  if (counter === 0) return 'bad_counter';
  const list = end + 8 + frame.readUInt16BE(end + 6);
  if (list + 2 > frame.length) return 'truncated';
  const name = nameAt(frame, end + 8, list);
  if (name === undefined) return 'bad_channel';
  const exceptions = readExceptions(frame, list);
  if (typeof exceptions === 'string') return exceptions;
  const { except, body } = exceptions;
  return { kind, flags: frame.readUInt16BE(2), from: frame.toString('latin1', 5, end), counter, name, except, body };
}

function readExceptions(frame: Buffer, start: number): Pick<Head, 'except' | 'body'> | DropReason {
  const count = frame.readUInt16BE(start);
  let at = start + 2;
  if (count === 0) return { except: NOTHING, body: at };
  if (count > MAX_EXCEPT) return 'bad_except';
  const except: Channel[] = [];
  for (let index = 0; index < count; index++) {
    if (at + 3 > frame.length) return 'truncated';
    const type = frame[at]!;
    if (type !== C && type !== U && type !== R) return 'bad_except';
    const end = at + 3 + frame.readUInt16BE(at + 1);
    if (end > frame.length) return 'truncated';
    const name = nameAt(frame, at + 3, end);
    if (name === undefined) return 'bad_except';
    except.push(String.fromCharCode(type, COLON) + name);
    at = end;
  }
  return { except, body: at };
}

/** @returns the name; undefined when it is empty or not UTF-8 */
function nameAt(frame: Buffer, start: number, end: number): string | undefined {
  if (start === end) return undefined;
  const name = frame.toString('utf8', start, end);
  // Bytes that are not UTF-8 become this character, which is also a character of its own
  return name.includes('\ufffd') && !isUtf8(frame.subarray(start, end)) ? undefined : name;
}

/** @returns whether the signed flag is set */
export const isSigned = ({ flags }: Pick<Head, 'flags'>): boolean => (flags & FLAG.signed) !== 0;
