/** Clients of the library, spread over several processes (library-load.mjs). */
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Peer } from './peer.mjs';

const LOAD = fileURLToPath(new URL('library-load.mjs', import.meta.url));

export const seconds = (ms) => `${(ms / 1000).toFixed(1)}s`;

/** @param plan one item for each client: its URL, its room and its transport */
export async function startClients(plan, processes) {
  const loads = Array.from({ length: processes }, () => new Peer([process.execPath, LOAD]));
  await Promise.all(loads.map(({ ready }) => ready));
  const part = (index) => plan.filter((_, at) => at % processes === index);
  await Promise.all(loads.map((load, index) => load.call('open', { plan: part(index) })));
  return loads;
}

/**
 * What all processes have counted together.
 *
 * @param last the last number of each room
 */
export async function stateOf(loads, last) {
  const states = await Promise.all(loads.map((load) => load.call('state', { last })));
  return states.reduce(sum);
}

function sum(one, other) {
  if (Array.isArray(one)) return [...one, ...other];
  if (typeof one === 'number') return one + other;
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  return Object.fromEntries([...names].map((name) => [name, sum(one[name] ?? 0, other[name] ?? 0)]));
}

/** Waits until it is so; says so when it takes too long. */
export async function until(what, test, timeoutMs) {
  const deadline = performance.now() + timeoutMs;
  while (!(await test())) {
    if (performance.now() > deadline) return console.error(`Waited ${seconds(timeoutMs)} for ${what}`);
    await sleep(200);
  }
}
