/** What all servers of the benchmark agree on: payloads, rooms, and the work per message. */

/** What a fan-out pushes: 128 bytes on the wire for all, whatever envelope they put around it. */
export const PUSH_BYTES = 128;
export const PUSH_TEXT = 'x'.repeat(PUSH_BYTES);

export const GUARD_USER = { id: 7, name: 'Ada' };

/** Room `r` has the clients with `i % STRIDE === r % STRIDE`: with 1,000 clients, 10,000 rooms of 10. */
export const ROOMS = 10_000;
export const STRIDE = 100;

/** Rooms that one trigger pushes to: every client is in exactly one of them. */
export const ROOMS_PER_TRIGGER = STRIDE;

export function roomsOf(index) {
  const rooms = [];
  for (let room = index % STRIDE; room < ROOMS; room += STRIDE) rooms.push(`room-${room}`);
  return rooms;
}

/** Calls `push` with the names of the next rooms, round and round. */
export function roomCursor() {
  let next = 0;
  return (push) => {
    for (let i = 0; i < ROOMS_PER_TRIGGER; i++) push(`room-${next + i}`);
    next = (next + ROOMS_PER_TRIGGER) % ROOMS;
  };
}

/** Three tabs each: clients 0, 1, 2 are user 0. One trigger pushes to every user. */
export const TABS = 3;
export const USERS = 333;
export const userOf = (index) => `user-${Math.floor(index / TABS)}`;

/** One message of the churn case joins and leaves this many rooms. */
export const CHURN = 50;
export const churnRooms = Array.from({ length: CHURN }, (_, i) => `churn-${i}`);

export const indexOf = (url) => Number(/[?&]i=(\d+)/.exec(url)?.[1] ?? 0);
export const pathOf = (url) => url.split('?')[0];
