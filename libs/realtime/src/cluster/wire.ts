/**
 * Road OUT, step 7: the bytes that nodes exchange through a broker. What comes from a broker is hostile until it is
 * checked: reading never throws, and a frame that is not valid is counted and dropped.
 */
import { type Channel, channelOf, type Command } from '../command.js';
import { RealtimeError } from '../errors.js';
import { ALLOWED_FLAGS, type Body, bodyOf, readBody } from './bodies.js';
import { ChannelNames, hasMembers } from './channel-names.js';
import { readForeign } from './foreign.js';
import {
  ALL_NODES,
  DROP_REASONS,
  type DropReason,
  FLAG,
  type Kind,
  KIND,
  MIN_HEAD,
  type NodeId,
  nodeChannel,
  VERSION,
} from './format.js';
import { type Head, headLength, isSigned, readHead, writeHead } from './head.js';
import type { WireFrame, WireMessage } from './messages.js';
import type { EntryPosition } from '../position.js';
import type { PresenceMessage } from '../presence.js';
import { MAX_PREFIX, readPosition } from './position.js';
import { ReplayGuard } from './replay-guard.js';
import { Signatures, TRAILER } from './signatures.js';

const BRACE = 0x7b;
const [ZERO, NINE] = [0x30, 0x39];

export interface WireOptions {
  /** The application's name: 1 to 64 characters of `A-Z a-z 0-9 . _ -`. Nodes with the same name meet. */
  readonly app: string;
  /** True on a Redis Cluster: channels are divided into 128 partitions. Default: false. */
  readonly isSharded?: boolean;
  /** The longest frame in bytes. Default: 2 MiB. */
  readonly maxFrameBytes?: number;
  /** The longest name of a foreign publisher's event, in characters. Default: 256. */
  readonly maxNameLength?: number;
  /** Whether the JSON of foreign publishers is read. Default: true; with keys it never is. */
  readonly foreignPublishers?: boolean;
  /** One key, or two while they are exchanged; the first signs. Default: none, nothing is signed or verified. */
  readonly keys?: readonly string[];
  /** How many pairs of node and channel the guard against replays remembers. Default: 100,000. */
  readonly replayGuardSize?: number;
}

/** What was read: a frame of a node, or the push of a foreign publisher. */
export type Received =
  { readonly isForeign: false; readonly frame: WireFrame } | { readonly isForeign: true; readonly command: Command };

type Outcome = Received | DropReason;

/** Encodes and decodes the frames of one application. */
export class Wire {
  /** The names of channels at the broker. */
  readonly names: ChannelNames;
  /** How many frames were dropped, by the reason. */
  readonly drops: Record<DropReason, number>;
  private readonly maxBytes: number;
  private readonly maxNameLength: number;
  private readonly foreignPublishers: boolean;
  private readonly signatures?: Signatures;
  private readonly guard: ReplayGuard;

  /** @throws OptionsError for a name of the application or keys that are not allowed */
  constructor(options: WireOptions) {
    this.names = new ChannelNames(options.app, options.isSharded);
    this.drops = Object.fromEntries(DROP_REASONS.map((reason) => [reason, 0])) as Record<DropReason, number>;
    this.maxBytes = options.maxFrameBytes ?? 2 * 1024 * 1024;
    this.maxNameLength = options.maxNameLength ?? 256;
    if (options.keys) this.signatures = new Signatures(options.keys);
    this.foreignPublishers = (options.foreignPublishers ?? true) && !this.signatures;
    this.guard = new ReplayGuard(options.replayGuardSize);
  }

  /**
   * Encodes a frame. A position is not written: that is what the engine does.
   *
   * @returns the bytes to publish under `names.of(frame.channel)`
   * @throws RealtimeError `too_big` above the longest frame, `bad_name` for a name that cannot be on the wire,
   *   `bad_body`, `bad_channel` or `bad_except` for what other nodes would drop, `too_many_exceptions` above 4,096;
   *   RangeError for a counter that is not 1 to 2^48 - 1
   * @example const bytes = wire.encode({ from: node, counter: ++counter, channel: 'r:chat', except: [], message });
   */
  encode({ from, counter, channel, except, message }: WireFrame): Buffer {
    const name = this.names.of(channel);
    const body = bodyOf(message);
    checkPlace({ kind: message.kind, flags: body.flags, from, except }, message, channel);
    const sized = headLength({ from, name, except }) + bodyLength(body);
    const length = sized + (this.signatures ? TRAILER : 0);
    if (length > this.maxBytes) {
      throw new RealtimeError(
        'too_big',
        `A ${message.kind} of ${length} bytes exceeds REALTIME_MAX_BROKER_FRAME_BYTES (${this.maxBytes})`,
      );
    }
    const bytes = Buffer.allocUnsafe(length);
    const flags = body.flags | (this.signatures ? FLAG.signed : 0);
    writeBody(bytes, writeHead(bytes, { kind: message.kind, flags, from, counter, name, except }), body);
    this.signatures?.sign(bytes);
    return bytes;
  }

  /**
   * Reads what a broker has delivered. Payloads are slices of `bytes`, not copies: `Frame.keep()` before one waits.
   *
   * @param name the channel on which it came, as the broker names it
   * @param isLive false for what a history has returned: it is not a replay that its counters are old. Default: true
   * @returns undefined when it was dropped; `drops` has counted why
   */
  read(name: string, bytes: Buffer, isLive = true): Received | undefined {
    const outcome = this.outcome(name, bytes, isLive);
    if (typeof outcome !== 'string') return outcome;
    this.drops[outcome]++;
    return undefined;
  }

  /**
   * Recognises a push of this node without decoding it: its frame is still at hand.
   *
   * @returns its counter; undefined for everything else, for a frame with a position, and always with keys, because
   *   the signature has to be verified first
   */
  ownPush(node: NodeId, bytes: Buffer): number | undefined {
    if (this.signatures || bytes.length < MIN_HEAD + node.length) return undefined;
    if (bytes[0] !== VERSION || bytes[1] !== KIND.push || bytes[4] !== node.length) return undefined;
    const end = 5 + node.length;
    return bytes.toString('latin1', 5, end) === node ? bytes.readUIntBE(end, 6) : undefined;
  }

  private outcome(name: string, bytes: Buffer, isLive: boolean): Outcome {
    if (bytes.length > this.maxBytes + MAX_PREFIX) return 'too_big';
    const channel = this.names.channel(name);
    if (channel === undefined) return 'bad_channel';
    const first = bytes[0];
    if (first === undefined) return 'truncated';
    if (first === BRACE) return this.foreign(channel, bytes);
    if (first < ZERO || first > NINE) return this.frame(name, channel, bytes, isLive);
    const prefix = readPosition(bytes);
    if (typeof prefix === 'string') return prefix;
    return this.frame(name, channel, bytes.subarray(prefix.length), isLive, prefix.position);
  }

  private foreign(channel: Channel, bytes: Buffer): Outcome {
    if (!this.foreignPublishers) return 'foreign_refused';
    const command = readForeign(channel, bytes, this.maxNameLength);
    return command ? { isForeign: true, command } : 'bad_foreign';
  }

  private frame(name: string, channel: Channel, bytes: Buffer, isLive: boolean, position?: EntryPosition): Outcome {
    if (bytes.length > this.maxBytes) return 'too_big';
    const head = readHead(bytes);
    if (typeof head === 'string') return head;
    const { from, counter, except } = head;
    if (head.name !== name) return 'wrong_channel';
    const end = bytes.length - (isSigned(head) ? TRAILER : 0);
    const problem = this.problem(head, bytes, end, isLive) ?? misplaced(head, channel, position);
    if (problem) return problem;
    const message = readBody(head.kind, head.flags, bytes.subarray(head.body, end));
    if (!message || !isForChannel(message, channel)) return 'bad_body';
    const frame = { from, counter, channel, except, message };
    return { isForeign: false, frame: position ? { ...frame, position } : frame };
  }

  /** @returns what is wrong with the flags, the signature or the counter */
  private problem(head: Head, bytes: Buffer, end: number, isLive: boolean): DropReason | undefined {
    if (end < head.body) return 'truncated';
    if ((head.flags & ~(ALLOWED_FLAGS[head.kind] | FLAG.signed)) !== 0) return 'bad_flags';
    if (!this.signatures) return undefined;
    if (!isSigned(head)) return 'unsigned';
    const problem = this.signatures.problem(bytes);
    if (problem || !isLive) return problem;
    return this.guard.take(head.from, head.name, head.counter) ? undefined : 'replayed';
  }
}

const bodyLength = ({ json, bytes, payload }: Body) =>
  Buffer.byteLength(json ?? '') + (bytes?.length ?? 0) + (payload?.size ?? 0);

function writeBody(bytes: Buffer, start: number, { json, bytes: more, payload }: Body): void {
  const at = json === undefined ? start : start + bytes.write(json, start);
  if (more) bytes.set(more, at);
  if (!payload) return;
  const { data } = payload;
  if (typeof data === 'string') bytes.write(data, at);
  else bytes.set(data, at);
}

type Placed = Pick<Head, 'kind' | 'flags' | 'from' | 'except'>;

function checkPlace(head: Placed, message: WireMessage, channel: Channel): void {
  const problem = misplaced(head, channel) ?? (isForChannel(message, channel) ? undefined : 'bad_body');
  if (!problem) return;
  throw new RealtimeError(problem, `A frame of the kind ${head.kind} cannot be published like this on ${channel}`);
}

/** @returns what is wrong with the place where a frame was published: each kind has its channels */
function misplaced(
  { kind, flags, from, except }: Placed,
  channel: Channel,
  position?: EntryPosition,
): DropReason | undefined {
  if (!CHANNELS[kind](channel, from)) return 'bad_channel';
  const isForMembers = kind === 'push' || kind === 'order';
  if (except.length > 0 && !isForMembers) return 'bad_except';
  // Only an entry has a place in a history
  return position && (kind !== 'push' || (flags & FLAG.volatile) !== 0) ? 'bad_position' : undefined;
}

const isForNode = (channel: Channel) => !hasMembers(channel) && channel !== ALL_NODES;
const isRoom = (channel: Channel) => channel.startsWith(channelOf.room(''));
const isForNodes = (channel: Channel) => !hasMembers(channel);

const CHANNELS: Readonly<Record<Kind, (channel: Channel, from: NodeId) => boolean>> = {
  push: hasMembers,
  order: (channel) => channel !== ALL_NODES,
  ask: isForNodes,
  answer: isForNode,
  announce: isForNodes,
  leave: (channel) => channel === ALL_NODES,
  probe: (channel, from) => channel === nodeChannel(from),
  forward: isForNode,
  done: isForNode,
  relay: isForNode,
  relayData: isForNode,
  presence: (channel) => isRoom(channel) || isForNodes(channel),
};

/** An order on the channel of its members is for them, not for others. */
function isForChannel(message: WireMessage, channel: Channel): boolean {
  if (message.kind === 'presence') return isOfRoom(message.presence, channel);
  if (message.kind !== 'order') return true;
  const { to, action } = message.order;
  if (action.kind === 'replace' && !to.startsWith(channelOf.user(''))) return false;
  return !hasMembers(channel) || to === channel;
}

/** A change of a part is on the channel of its room, and everything else on those of nodes. */
function isOfRoom(presence: PresenceMessage, channel: Channel): boolean {
  return presence.kind === 'delta' ? channel === channelOf.room(presence.room) : !hasMembers(channel);
}
