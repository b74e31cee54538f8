/** One thing to do to a room; plain data, so that any broker can carry it. Road OUT, step 6. */
import type { Frame } from './frame.js';

/** Who a command is for: the members of a channel. Rooms, users, paths, one connection and everyone are channels. */
export type Channel = string;

/** Names of channels. The prefix keeps apart what the application names freely. */
export const channelOf = {
  everyone: '*',
  room: (name: string): Channel => `r:${name}`,
  user: (id: string): Channel => `u:${id}`,
  path: (path: string): Channel => `p:${path}`,
  connection: (id: string): Channel => `c:${id}`,
};

/** @returns the id in the name of a connection's channel; undefined for any other channel */
export function connectionIdOf(channel: Channel): string | undefined {
  return channel.startsWith('c:') ? channel.slice(2) : undefined;
}

/** What is done. */
export type Action =
  | { readonly kind: 'push'; readonly frame: Frame }
  | { readonly kind: 'join'; readonly room: string }
  | { readonly kind: 'leave'; readonly room: string }
  | { readonly kind: 'disconnect'; readonly code: number; readonly reason: string }
  | { readonly kind: 'bind'; readonly userId: string };

/** To whom what is done; `except` holds connection ids that are left out. */
export interface Command {
  readonly channel: Channel;
  readonly except: ReadonlySet<string>;
  readonly action: Action;
}
