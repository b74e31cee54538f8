/** Payloads, rooms, and the work per message, which are the same on all servers of the benchmark. */

/** A push has 128 bytes on every server, with the envelope that the server puts around it. */
export const PUSH_BYTES = 128;
export const PUSH_TEXT = 'x'.repeat(PUSH_BYTES);

/** Room `r` has the clients with `i % STRIDE === r % STRIDE`: 1,000 clients make 10,000 rooms of 10. */
export const ROOMS = 10_000;
export const STRIDE = 100;

/** How many rooms one trigger pushes to. Every client is in exactly one of them. */
export const ROOMS_PER_TRIGGER = STRIDE;

export function roomsOf(index) {
  const rooms = [];
  for (let room = index % STRIDE; room < ROOMS; room += STRIDE) rooms.push(`room-${room}`);
  return rooms;
}

/** @returns a function that calls `push` with the names of the next rooms, and starts again after the last one */
export function roomCursor() {
  let next = 0;
  return (push) => {
    for (let i = 0; i < ROOMS_PER_TRIGGER; i++) push(`room-${next + i}`);
    next = (next + ROOMS_PER_TRIGGER) % ROOMS;
  };
}

/** Every user has three tabs: clients 0, 1 and 2 are user 0. One trigger pushes to every user. */
export const TABS = 3;
export const USERS = 333;
export const userOf = (index) => `user-${Math.floor(index / TABS)}`;

/** How many rooms one message of the churn case joins and leaves. */
export const CHURN = 50;
export const churnRooms = Array.from({ length: CHURN }, (_, i) => `churn-${i}`);

export const indexOf = (url) => Number(/[?&]i=(\d+)/.exec(url)?.[1] ?? 0);
export const pathOf = (url) => url.split('?')[0];
