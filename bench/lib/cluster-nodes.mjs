/** Several nodes of one server over Redis, on one core, and a load on another. */
import { contestants, startLoad, startServer } from './contestants.mjs';
import { CORES } from './peer.mjs';

export const OURS = 'cluster';

/**
 * @param name a contestant of the study `cluster`
 * @param at where each node finds Redis
 */
export async function startNodes(name, at) {
  const start = (url) => {
    const env = { REALTIME_APP: 'bench', REALTIME_REDIS_URL: url, BENCH_LOG: 'error' };
    return startServer(name, { core: CORES.server, env, hasOwnPackages: name === OURS });
  };
  const [load, ...nodes] = await Promise.all([startLoad(), ...at.map(start)]);
  return { name, nodes, load, end: () => Promise.all([...nodes.map(({ peer }) => peer.stop()), load.end()]) };
}

/** How `count` clients open on a node, with what `query` says of their rooms. */
export function clientsOf(name, { port }, query, count) {
  const { path, open } = contestants[name];
  return { port, path: path(query), count, ...open() };
}

/** @returns the CPU time of all nodes together, in microseconds */
export async function cpuOf(nodes) {
  const all = await Promise.all(nodes.map(({ cpu }) => cpu()));
  return all.reduce((sum, cpu) => sum + cpu, 0);
}
