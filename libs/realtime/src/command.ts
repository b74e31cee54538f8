/** One thing to do to a room. It is plain data, so that any broker can carry it. Road OUT, step 6. */
import type { Frame } from './frame.js';

/** The address of a command: rooms, users, paths, single connections and everyone are channels. */
export type Channel = string;

/** How many names of rooms are remembered. */
const MOST_RECENT = 4096;

/** Remembers recent results: a new string, which has to be hashed, costs more than all else about joining a room. */
function recent(build: (name: string) => Channel): (name: string) => Channel {
  const built = new Map<string, Channel>();
  return (name) => {
    const known = built.get(name);
    if (known !== undefined) return known;
    const channel = build(name);
    if (built.size === MOST_RECENT) built.clear();
    built.set(name, channel);
    return channel;
  };
}

/** Builds the names of channels. The prefix keeps a room, a user and a path of the same name apart. */
export const channelOf = {
  everyone: '*',
  room: recent((name) => `r:${name}`),
  user: (id: string): Channel => `u:${id}`,
  path: (path: string): Channel => `p:${path}`,
  connection: (id: string): Channel => `c:${id}`,
};

/** @returns the id in the name of a connection's channel; undefined for any other channel */
export function connectionIdOf(channel: Channel): string | undefined {
  return channel.startsWith('c:') ? channel.slice(2) : undefined;
}

const CONNECTION_ID = /^([\w-]{1,64})\.[0-9a-z]{1,11}$/;

/** @returns the id of the node that a connection belongs to; empty for what is not the id of a connection */
export function nodeOf(connectionId: string): string {
  return CONNECTION_ID.exec(connectionId)?.[1] ?? '';
}

/** What a command does to each member of its channel. */
export type Action =
  /** `isVolatile`: a push to a room with history that is not kept. */
  | { readonly kind: 'push'; readonly frame: Frame; readonly isVolatile?: boolean }
  | { readonly kind: 'join'; readonly room: string }
  | { readonly kind: 'leave'; readonly room: string }
  | { readonly kind: 'disconnect'; readonly code: number; readonly reason: string }
  /** Closes the other connections of the user with 4503. `by`: the connection that takes their place */
  | { readonly kind: 'replace'; readonly by: string }
  /** `replaces`: the user's other connections are closed afterwards, so their number does not matter. */
  | { readonly kind: 'bind'; readonly userId: string; readonly replaces?: boolean };

/** An action and its address. Members that are also in one of the channels of `except` are left out. */
export interface Command {
  readonly channel: Channel;
  readonly except: readonly Channel[];
  readonly action: Action;
}
