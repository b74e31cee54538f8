/**
 * Three nodes over one Redis, beside Socket.IO with its Redis adapter and with its sharded adapter: CPU time of the three
 * server processes per delivery, what the broker adds to a push, what a publish costs, and what a node without members
 * receives. Of nestjs-realtime alone: joins, the time until all channels are subscribed again, and handshakes while
 * Redis does not answer. The study fails when a figure misses its floor.
 *
 *   npm run bench:cluster -- [flags]
 *
 *   --rounds 3     how many times each server starts; figures are medians
 *   --seconds 3    how long each load runs
 *   --only x,y     these parts only: peers, quiet, own
 *   --help         prints this text
 *
 * It needs redis-server 7.0 or later.
 */
import { loadavg } from 'node:os';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { clientsOf, cpuOf, OURS, startNodes } from '../lib/cluster-nodes.mjs';
import { contestants } from '../lib/contestants.mjs';
import { readFlags } from '../lib/flags.mjs';
import { prepare } from '../lib/install.mjs';
import { startRedis } from '../lib/redis.mjs';
import { startRelay } from '../lib/relay.mjs';
import { conclude, needFiles } from '../lib/study.mjs';
import { medians, ratio, show, table } from '../lib/tables.mjs';

const {
  values: { rounds, seconds, only },
} = readFlags(import.meta.filename, { rounds: 3, seconds: 3, only: 'peers,quiet,own' });

const PEERS = ['cluster+classic', 'cluster+sharded'];
const NODES = 3;
const MEMBERS = 300;
/** How often each load runs in a round. */
const TURNS = 3;

/** What a figure must reach: at least so many times the deliveries per CPU-second of each peer. */
const FLOORS = { '64 B, 1': 1.4, '5 KB, 1': 1.7, '64 B, 8': 3 };
const FANS = {
  '64 B, 1': { name: 'small', inFlight: 1 },
  '5 KB, 1': { name: 'large', inFlight: 1 },
  '64 B, 8': { name: 'small', inFlight: 8 },
};
/** A push to local members may be later than that of the peer that does not wait for Redis, by so many milliseconds. */
const LATER_MS = 5;
const JOINS = { rooms: 20_000, perSecond: 10_000 };
const RESUBSCRIBED = { channels: 50_000, ms: 1000 };
const HANDSHAKES = { count: 1000, ms: 1000 };

const problems = [];
/** @returns the value; a problem is noted when it is on the wrong side of the bound */
function judge(title, value, isGood, bound) {
  if (!isGood) problems.push(`${title}: ${show(value)}, the bound is ${bound}`);
  return value;
}

let redis;

/** @returns deliveries per second of CPU time, over all nodes */
async function fan({ name, nodes, load }, { name: trigger, inFlight }, lasting = seconds) {
  const args = { trigger: contestants[name].trigger(trigger), inFlight, seconds: lasting };
  const before = await cpuOf(nodes);
  const { messages } = await load.call('fan', args);
  return messages / (((await cpuOf(nodes)) - before) / 1e6);
}

/** Pushes to the room of one local member, and what that adds to an answer without the broker, in milliseconds. */
async function latency(cluster) {
  const { name, nodes, load } = cluster;
  await load.call('open', clientsOf(name, nodes[0], 'room=own', 1));
  await sleep(300);
  const run = (what) => load.call('paced', { payload: contestants[name].trigger(what), perSecond: 1000, seconds });
  await run('own');
  const [direct, own] = [await run('direct'), await run('own')];
  await load.call('close');
  return { 'push p50 ms': own.p50, 'p99 ms': own.p99, 'added p50': own.p50 - direct.p50, p99: own.p99 - direct.p99 };
}

async function published({ nodes: [{ peer }] }) {
  const cost = async (burst) => {
    await peer.call('publish', { count: 2000, burst });
    return (await peer.call('publish', { count: 5000, burst })).cpu;
  };
  return { 'publish µs': await cost(1), 'of 100 a turn': await cost(100) };
}

async function openHall({ name, nodes, load }) {
  for (const node of nodes) await load.call('open', clientsOf(name, node, 'room=hall', MEMBERS / NODES));
}

/** Starts all servers, which then take turns: a busy neighbour disturbs all of a turn alike. */
async function comparePeers(results) {
  const at = new Array(NODES).fill(redis.url);
  const clusters = await Promise.all(Object.keys(results).map((name) => startNodes(name, at)));
  try {
    const alone = new Map();
    for (const each of clusters) alone.set(each, { ...(await latency(each)), ...(await published(each)) });
    for (const each of clusters) await openHall(each);
    // Socket.IO joins without waiting for its subscription
    await sleep(500);
    for (const each of clusters) for (const args of Object.values(FANS)) await fan(each, args, seconds / 2);
    for (let turn = 0; turn < TURNS; turn++) {
      const figures = new Map(clusters.map((each) => [each, { ...alone.get(each) }]));
      for (const [title, args] of Object.entries(FANS))
        for (const each of clusters) figures.get(each)[title] = await fan(each, args);
      for (const each of clusters) results[each.name].push(figures.get(each));
    }
  } finally {
    await Promise.all(clusters.map((each) => each.end()));
  }
}

/** A room has its members on one node; the other node gets its bytes through a relay. */
async function quiet(name) {
  const relay = await startRelay(redis.port);
  const cluster = await startNodes(name, [redis.url, relay.url.replace('http', 'redis')]);
  const { nodes, load } = cluster;
  const frames = async () => (name === OURS ? (await nodes[1].peer.call('stats')).broker.received : NaN);
  try {
    await load.call('open', clientsOf(name, nodes[0], 'room=hall', 20));
    await sleep(1000);
    const before = { bytes: relay.down, frames: await frames() };
    const { pushes } = await load.call('fan', { trigger: contestants[name].trigger('large'), inFlight: 1, seconds });
    const after = { bytes: relay.down, frames: await frames() };
    await load.call('rest', { seconds: seconds + 0.2 });
    const idle = relay.down - after.bytes;
    return { pushes, bytes: after.bytes - before.bytes, 'bytes at rest': idle, frames: after.frames - before.frames };
  } finally {
    await cluster.end();
    relay.close();
  }
}

async function joined({ name, nodes: [node], load }) {
  await load.call('open', clientsOf(name, node, 'room=hall', 100));
  await node.peer.call('join', { rooms: 100, prefix: 'warm' });
  const { seconds: took } = await node.peer.call('join', { rooms: JOINS.rooms, prefix: 'joined' });
  await load.call('close');
  return JOINS.rooms / took;
}

async function resubscribed({ name, nodes: [node], load }) {
  const { channels } = RESUBSCRIBED;
  await load.call('open', clientsOf(name, node, 'many={i}', channels / 100));
  await redis.subscribed(channels);
  const startedAt = performance.now();
  await redis.commands.client('KILL', 'TYPE', 'pubsub');
  await redis.subscribed(channels);
  const ms = performance.now() - startedAt;
  await load.call('close');
  return ms;
}

/** Redis stops answering; handshakes begin when the node has noticed. */
async function handshakes({ name, nodes: [node], load }) {
  redis.signal('SIGSTOP');
  try {
    while (!(await node.peer.call('stats')).broker.isDegraded) await sleep(50);
    return await load.call('storm', clientsOf(name, node, 'room=fresh-{i}', HANDSHAKES.count));
  } finally {
    redis.signal('SIGCONT');
  }
}

async function own() {
  const cluster = await startNodes(OURS, [redis.url]);
  try {
    const figures = { 'joins/s': await joined(cluster), 'resubscribed ms': await resubscribed(cluster) };
    const { p50, p99, max } = await handshakes(cluster);
    return { ...figures, 'handshake p50 ms': p50, 'p99 ms': p99, 'longest ms': max };
  } finally {
    await cluster.end();
  }
}

/** Runs every server once per round, in turn. @returns the figures of the rounds by server */
async function inTurn(names, measure) {
  const results = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) for (const name of names) results[name].push(await measure(name));
  return results;
}

function print(title, results) {
  const rows = Object.entries(results).map(([name, runs]) => [contestants[name].title, medians(runs)]);
  const names = Object.keys(rows[0][1]);
  console.log(`\n${title}\n`);
  console.log(
    table(
      ['', ...names],
      rows.map(([row, each]) => [row, ...names.map((key) => show(each[key]))]),
    ),
  );
}

const parts = {
  async peers() {
    const results = Object.fromEntries([OURS, ...PEERS].map((name) => [name, []]));
    for (let round = 0; round < rounds; round++) await comparePeers(results);
    print(`One room of ${MEMBERS} on ${NODES} nodes, deliveries per CPU-second by size and pushes in flight`, results);
    const ours = results[OURS];
    const [later, classic] = [ours, results[PEERS[0]]].map((runs) => medians(runs)['p99 ms']);
    judge('p99 of a local member, ms', later, later <= classic + LATER_MS, classic + LATER_MS);
    const rows = PEERS.map((name) => [
      `× ${contestants[name].title}`,
      ...Object.entries(FLOORS).map(([figure, floor]) => {
        const times = ratio(ours, results[name], figure);
        return show(judge(`${figure} in flight, × ${contestants[name].title}`, times, times >= floor, floor));
      }),
    ]);
    console.log(`\n${table(['', ...Object.keys(FLOORS)], rows)}`);
  },

  async quiet() {
    const results = await inTurn([OURS, ...PEERS], quiet);
    print('A node without members, while another one pushes 5 KB to its own', results);
    const { frames, pushes } = medians(results[OURS]);
    judge('frames to a node without members', frames, frames < pushes / 10, 'announcements only');
  },

  async own() {
    const results = await inTurn([OURS], own);
    print('nestjs-realtime alone', results);
    const figures = medians(results[OURS]);
    judge('joins/s', figures['joins/s'], figures['joins/s'] >= JOINS.perSecond, JOINS.perSecond);
    const ms = figures['resubscribed ms'];
    judge(`${RESUBSCRIBED.channels} channels subscribed again, ms`, ms, ms <= RESUBSCRIBED.ms, RESUBSCRIBED.ms);
    const longest = Math.max(...results[OURS].map((run) => run['longest ms']));
    judge('the longest handshake without Redis, ms', longest, longest <= HANDSHAKES.ms, HANDSHAKES.ms);
  },
};

needFiles(1500);
prepare({ builds: false });
redis = await startRedis();
try {
  console.log(`load of the machine: ${loadavg().map(show).join(' ')}`);
  for (const part of only.split(',')) await parts[part]();
  console.log(`\nload of the machine: ${loadavg().map(show).join(' ')}`);
} finally {
  await redis.end();
}
conclude(problems, '\nEvery floor is reached');
