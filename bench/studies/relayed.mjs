/**
 * What it costs that a request of an SSE or polling client has reached another worker than that of its connection: CPU
 * time of both workers per event and per poll, and what is on their heaps per stream, beside clients whose requests reach
 * the worker of their connection.
 *
 *   npm run bench:relayed -- [flags]
 *
 *   --clients 300   how many there are of each kind
 *   --rounds 3      how many times each load runs; figures are medians
 *   --seconds 3     how long each load runs
 *   --help          prints this text
 */
import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuOf } from '../lib/cluster-nodes.mjs';
import { readFlags } from '../lib/flags.mjs';
import { CORES } from '../lib/peer.mjs';
import { agent, PollingClient, StreamClient } from '../lib/soak-clients.mjs';
import { needFiles, startServer } from '../lib/study.mjs';
import { medians, show, table } from '../lib/tables.mjs';

const {
  values: { clients: size, rounds, seconds },
} = readFlags(import.meta.filename, { clients: 300, rounds: 3, seconds: 3 });

const env = {
  ...{ REALTIME_BROKER: 'workers', REALTIME_APP: `relayed-${process.pid}`, BENCH_LOG: 'error' },
  ...{ REALTIME_POLL_HOLD: '60', REALTIME_SSE_HOLD: '600', REALTIME_GRACE_TIME: '3' },
};

/** Clients whose requests go to one worker, and then to another one, if there is another. */
class Group {
  counts = {};
  clients = [];

  constructor(name, Client, owner, serving = owner) {
    Object.assign(this, { name, Client, owner, serving });
  }

  get room() {
    return this.name.replaceAll(' ', '-');
  }

  async open() {
    let at = this.owner;
    const count = (what) => (this.counts[what] = (this.counts[what] ?? 0) + 1);
    const fault = (text) => console.error(`PROBLEM ${text}`);
    const world = { sockets: 0, holdMs: 60_000, port: () => at.port, count, fault };
    for (let index = 0; index < size; index++) {
      const client = new this.Client(world, `${this.name} ${index}`, this.room);
      void client.run(0);
      this.clients.push(client);
    }
    await this.until(() => this.clients.every(({ token }) => token));
    at = this.serving;
    if (this.serving === this.owner) return;
    for (const { current } of this.clients) current.destroy();
    await this.until(async () => (await this.relays()) >= size);
  }

  /** @returns how many responses the other worker serves */
  async relays() {
    return (await this.serving.peer.call('stats')).broker.relays;
  }

  async until(isSo) {
    while (!(await isSo())) await sleep(5);
  }

  get heard() {
    return this.counts['sse push'] ?? this.counts['polling push'] ?? 0;
  }

  /** @returns the CPU time of the workers per message and client in microseconds */
  async run(nodes) {
    const before = await cpuOf(nodes);
    const heard = this.heard;
    for (const endAt = Date.now() + seconds * 1000; Date.now() < endAt;) {
      const wanted = this.heard + size;
      await this.owner.peer.call('pushTo', { room: this.room, text: `push ${(this.pushed = (this.pushed ?? 0) + 1)}` });
      while (this.heard < wanted) await sleep(1);
    }
    return ((await cpuOf(nodes)) - before) / (this.heard - heard);
  }

  async end() {
    await Promise.all(this.clients.map((client) => client.leave(false)));
  }
}

const heapOf = async (nodes) => {
  const all = await Promise.all(nodes.map(({ peer }) => peer.call('memory')));
  return all.reduce((sum, { heap }) => sum + heap, 0);
};

needFiles(size * 8);
const nodes = await Promise.all([1, 2].map(() => startServer('soak', { core: CORES.server, env })));
const [owner, other] = nodes;
const kinds = [
  new Group('a stream', StreamClient, owner),
  new Group('a relayed stream', StreamClient, owner, other),
  new Group('a poll', PollingClient, owner),
  new Group('a relayed poll', PollingClient, owner, other),
];
console.log(`load of the machine: ${loadavg().map(show).join(' ')}`);
const rows = [];
for (const kind of kinds) {
  const before = await heapOf(nodes);
  await kind.open();
  const heap = ((await heapOf(nodes)) - before) / size;
  await kind.run(nodes);
  const runs = [];
  for (let round = 0; round < rounds; round++) runs.push({ cpu: await kind.run(nodes) });
  rows.push([kind.name, show(medians(runs).cpu), show(heap)]);
  await kind.end();
  await kind.until(async () => (await owner.peer.call('stats')).current === 0);
  await kind.until(async () => (await kind.relays()) === 0);
}
console.log(
  `\n${size} clients: CPU time of both workers per message and client in µs, heap of both per client in bytes`,
);
console.log(table(['', 'µs', 'bytes'], rows));
console.log(`\nload of the machine: ${loadavg().map(show).join(' ')}`);
agent.destroy();
await Promise.all(nodes.map(({ peer }) => peer.stop()));
process.exit();
