/** Road OUT, step 6: who is in a room. A node with connections there knows it; another one asks. */
import { type Channel, channelOf } from '../command.js';
import type { PresenceRow, PresentUser } from '../presence.js';
import { type Answer, type AskOptions, ONLY_HERE, type Page } from '../question.js';
import { requireAll } from './all-answers.js';
import type { Node } from './node.js';
import type { NodePresence } from './node-presence.js';
import { noPresence } from './presence-errors.js';

/** The most users of one page. */
export const MAX_PAGE = 100;

const ROOM = channelOf.room('');

/** @throws RealtimeError `no_presence` */
function roomIn(node: Node, channel: Channel): { readonly room: string; readonly presence: NodePresence } {
  const room = channel.slice(ROOM.length);
  const { presentUsers } = node;
  if (!channel.startsWith(ROOM) || !presentUsers) throw noPresence(channel.startsWith(ROOM) ? room : channel);
  presentUsers.require(room);
  return { room, presence: presentUsers };
}

/** The nodes that have not said who is there, where this node knows the others' users itself. */
async function missingOf(node: Node, presence: NodePresence, room: string): Promise<readonly string[]> {
  const awaited = await presence.settled(room);
  return node.broker.isShared && node.broker.isDegraded ? ONLY_HERE.missing : awaited;
}

const said = (missing: readonly string[]) => (missing.length > 0 ? { missing } : {});

/** @returns a page of the users of a room */
export async function usersOf(
  node: Node,
  channel: Channel,
  after: string | undefined,
  limit: number,
): Promise<Page<PresentUser>> {
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_PAGE)
    throw new RangeError(`limit must be a whole number from 1 to ${MAX_PAGE}, got ${limit}`);
  const { room, presence } = roomIn(node, channel);
  const question = { kind: 'presence', room, after, limit } as const;
  if (presence.knows(room)) {
    const missing = await missingOf(node, presence, room);
    return { ...presencePage([presence.page(question)], limit), ...said(missing) };
  }
  const { answers, missing } = await node.askAll(question);
  return { ...presencePage(answers, limit), ...said(missing) };
}

/** @returns how many users a room has: every node with connections there knows all of them */
export async function countUsersOf(node: Node, channel: Channel, options: AskOptions): Promise<number> {
  const { room, presence } = roomIn(node, channel);
  if (presence.knows(room)) {
    const missing = await missingOf(node, presence, room);
    requireAll({ answers: [], missing }, options);
    return presence.count(room);
  }
  const { answers } = requireAll(await node.askAll({ kind: 'users', room }), options);
  return Math.max(0, ...answers);
}

/** @returns a user as the application sees it */
function presentUser([id, connections, state, ageMs]: PresenceRow): PresentUser {
  return { id, ...(state !== null && { state }), since: Date.now() - ageMs, connections };
}

/** @returns the first users of all answers, each once: every node with connections in the room knows all of them */
function presencePage(answers: readonly Answer<'presence'>[], limit: number): Page<PresentUser> {
  const rows = new Map(answers.flatMap(({ users }) => users).map((row) => [row[0], row]));
  const sorted = [...rows.values()].sort(([a], [b]) => (a < b ? -1 : 1));
  const items = sorted.slice(0, limit).map(presentUser);
  const hasMore = sorted.length > limit || answers.some((answer) => answer.hasMore);
  return { items, ...(hasMore && items.length > 0 && { next: items.at(-1)!.id }) };
}
