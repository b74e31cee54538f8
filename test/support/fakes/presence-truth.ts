/** What every node and every member of the model of presence has to know in the end. */
import type { PresenceRoom } from '../../../libs/realtime/src/presence/presence-room.js';
import type { PresenceNode, Tab } from './presence-node.js';

export const ROOMS = ['r', 's'];

/** A client: a user in a room, on a node or on its way to one. */
export interface Client {
  readonly user: string;
  readonly room: string;
  tab?: Tab;
  node?: PresenceNode;
  state?: string;
}

/** @returns where a node or a member differs from the truth */
export function restFaults(nodes: readonly PresenceNode[], clients: readonly Client[]): string[] {
  const there = clients.filter(({ tab }) => tab !== undefined);
  const pairs = nodes.flatMap((node) => ROOMS.map((name) => [node, name] as const));
  return pairs.flatMap(([node, name]) => {
    const inRoom = there.filter(({ room }) => room === name);
    return nodeFaults(node, name, inRoom);
  });
}

function nodeFaults(node: PresenceNode, name: string, there: readonly Client[]): string[] {
  const here = there.filter((client) => client.node === node);
  const room = node.presence.all.get(name);
  if (!room) return here.length > 0 ? ['a room with members is forgotten'] : [];
  if (here.length === 0) return ['a room without members is remembered'];
  const users = new Set(there.map(({ user }) => user));
  const ghosts = [...room.users()].filter((user) => !users.has(user)).map(() => 'a ghost in the end');
  const wrong = [...users].flatMap((user) => userFaults(room, user, there));
  return [...ghosts, ...wrong, ...here.flatMap(({ tab }) => memberFaults(tab!, room))];
}

function userFaults(room: PresenceRoom<Tab>, user: string, there: readonly Client[]): string[] {
  const found = room.merged(user);
  if (!found) return ['somebody is missing in the end'];
  const tabs = there.filter((client) => client.user === user);
  const faults: string[] = [];
  if (found.connections !== tabs.length) faults.push('a wrong number of connections in the end');
  if (!tabs.some(({ state }) => state === found.state)) faults.push('a state that no connection has in the end');
  const views = there.map(({ node }) => node!.presence.all.get(room.name)?.merged(user)?.state);
  if (views.some((state) => state !== found.state)) faults.push('nodes that differ about a state in the end');
  return faults;
}

function memberFaults({ told }: Tab, room: PresenceRoom<Tab>): string[] {
  if (!told) return ['a member never gets the list'];
  const users = room.users();
  const ghosts = [...told.keys()].filter((user) => !users.has(user)).map(() => 'a member believes in a ghost');
  const wrong = [...users].filter((user) => !told.has(user) || told.get(user) !== room.merged(user)?.state);
  return [...ghosts, ...wrong.map(() => 'a member does not know of somebody, or has a wrong state')];
}
