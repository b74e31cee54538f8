/** Waits with a bound, and checks of a server after an attack. */
import type { Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** How long a wait may take before it counts as hanging, in milliseconds. */
const PATIENCE_MS = 10_000;

/** Returns the result of a task, or throws when the task takes longer than the bound. */
export async function within<T>(timeoutMs: number, what: string, task: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`Waited ${timeoutMs} ms for ${what}`)), timeoutMs);
  });
  try {
    return await Promise.race([task, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Polls until the state is the wanted one.
 *
 * @param what for the message
 * @param ask returns the current state
 * @param isWanted returns true for the wanted state
 * @throws Error with the last state when the time is over
 */
export async function until<T>(
  what: string,
  ask: () => T | Promise<T>,
  isWanted: (state: T) => boolean,
  timeoutMs = PATIENCE_MS,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const state = await ask();
    if (isWanted(state)) return state;
    if (Date.now() > deadline) throw new Error(`Waited ${timeoutMs} ms for ${what}; it is ${JSON.stringify(state)}`);
    await sleep(5);
  }
}

/** The number of TCP connections that a server holds, of any protocol. */
export function countConnections(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => (error ? reject(error) : resolve(count)));
  });
}

/** Waits until a server holds exactly this many TCP connections. */
export async function untilConnections(server: Server, wanted: number, timeoutMs?: number): Promise<void> {
  const isWanted = (count: number) => count === wanted;
  await until(`${wanted} TCP connections`, () => countConnections(server), isWanted, timeoutMs);
}

/** Jest looks every global up by name, each time: this one is needed once per random byte. */
const { imul } = Math;

/** Returns a generator of numbers from 0 to 1, always the same ones for a seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
