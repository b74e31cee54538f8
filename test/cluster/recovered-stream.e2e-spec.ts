/**
 * Every entry of a room with history reaches every client of the library once and in order, over any transport and
 * through any node, while nodes and Redis are killed and started again; or the client is told, where the retention has
 * ended. A small sample; `npm run soak:history` runs it for longer (SOAK_SECONDS, SOAK_CLIENTS, FUZZ_SEED).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { StreamSite } from '../support/apps/stream-site.js';
import { RecoveringClient } from '../support/clients/recovering-client.js';
import { until } from '../support/process-guard.js';
import { random, seed } from '../support/random.js';
import { RecoveryLedger } from '../support/recovery-ledger.js';

/** Without it every deed is done once. */
const SECONDS = Number(process.env['SOAK_SECONDS'] || 0);
const CLIENTS = Number(process.env['SOAK_CLIENTS'] || 40);
const TRANSPORTS = ['websocket', 'websocket', 'sse', 'polling'] as const;
/** How many entries each kind of room keeps. */
const SIZES = { deep: 200, brief: 3 };
const STREAMS = Array.from(
  { length: CLIENTS < 100 ? 6 : 24 },
  (_, index) => (index % 3 ? 'deep' : 'brief') + `:${index}`,
);
/** Each room has about this many entries a second. */
const RATE = CLIENTS < 100 ? 2 : 0.5;
const NODES = 3;

const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;

type Deed = (site: StreamSite) => Promise<void>;

/** What happens to the nodes. The more often it stands here, the likelier it is. */
const OF_NODES: readonly Deed[] = [
  (site) => site.restartNode('SIGKILL', random() * 1000),
  (site) => site.restartNode('SIGKILL', random() * 1000),
  (site) => site.restartNode('SIGTERM', random() * 500),
  (site) => site.stopNode(random() * 3000),
];
/** What happens to Redis. */
const OF_REDIS: readonly Deed[] = [
  (site) => site.restartRedis(true, random() * 4000),
  (site) => site.restartRedis(true, 0),
  (site) => site.restartRedis(false, random() * 1000),
  (site) => site.stopRedis(random() * 3000),
  (site) => site.cutRedis('pubsub'),
  (site) => site.cutRedis('normal'),
];

/** In the sample: a node is killed, another one is lost and comes back, and Redis is killed. */
const SAMPLE: readonly (readonly Deed[])[] = [
  [(site) => site.restartNode('SIGKILL', 0), (site) => site.stopNode(2500)],
  [(site) => site.cutRedis('pubsub'), (site) => site.restartRedis(random() < 0.5, 300)],
];

/** Does one after the other until the time is over. */
async function disturb(site: StreamSite, deeds: readonly Deed[], pauseMs: number): Promise<void> {
  for (const endAt = Date.now() + SECONDS * 1000; Date.now() < endAt;) {
    await sleep(random() * pauseMs);
    await pick(deeds)(site);
  }
}

async function doEach(site: StreamSite, deeds: readonly Deed[]): Promise<void> {
  for (const deed of deeds) await deed(site);
}

const disturbAll = (site: StreamSite): Promise<unknown> =>
  SECONDS > 0
    ? Promise.all([disturb(site, OF_NODES, 1500), disturb(site, OF_REDIS, 4000)])
    : Promise.all(SAMPLE.map((deeds) => doEach(site, deeds)));

/** Two rooms of each kind. */
const roomsOf = (index: number): string[] => {
  const kinds = Object.keys(SIZES).map((kind) => STREAMS.filter((room) => room.startsWith(kind)));
  return kinds.flatMap((rooms) => [...new Set([rooms[index % rooms.length]!, pick(rooms)])]);
};

describe(`${NODES} nodes behind nginx, and ${CLIENTS} clients of the library over three transports`, () => {
  it(
    'lose and repeat nothing inside the retention, while nodes and Redis are killed and started again',
    async () => {
      const ledger = new RecoveryLedger(SIZES);
      const clients: RecoveringClient[] = [];
      const rooms = Object.fromEntries(
        Object.entries(SIZES).map(([kind, size]) => [`${kind}:*`, { history: { size, age: 600 } }]),
      );
      const everyMs = (1000 * NODES) / (RATE * STREAMS.length);
      const site = await StreamSite.start({ nodes: NODES, rooms, streams: STREAMS, everyMs }, ledger);
      try {
        for (let i = 0; i < CLIENTS; i++) {
          clients.push(new RecoveringClient(`client ${i}`, site.url, TRANSPORTS[i % 4]!, roomsOf(i)));
        }
        const away = () => clients.filter(({ isOpen }) => !isOpen).map(({ name, state }) => ({ name, state }));
        const allOpen = () => until('all clients to be open', away, ({ length }) => length === 0, 60_000);
        await allOpen();
        await disturbAll(site);
        await allOpen();
        await site.settle();
        const tops = () => clients.flatMap((client) => behind(client, site));
        await until('the last entries to come to everybody', tops, ({ length }) => length === 0, 60_000);
      } finally {
        for (const client of clients) client.close();
        await site.stop();
      }
      for (const { name, logs } of clients) for (const [room, log] of logs) ledger.add(name, room, log);
      ledger.check();
      for (const { room, times } of site.kept) if (room.startsWith('deep')) ledger.confirmed(room, times);
      const opened = clients.reduce((sum, client) => sum + client.opened, 0);
      const resumed = clients.reduce((sum, client) => sum + client.resumed, 0);
      const seen = { seed, entries: ledger.entries, opened, resumed, told: ledger.told, done: site.done };
      process.stdout.write(`${JSON.stringify(seen)}\n`);
      expect(ledger.faults.slice(0, 20)).toEqual([]);
      expect(clients.flatMap(({ name, closed }) => closed.map((why) => `${name} gave up: ${why}`))).toEqual([]);
      expect(clients.flatMap(({ name, duplicates }) => (duplicates ? `${name} got ${duplicates} twice` : []))).toEqual(
        [],
      );
      expect([opened > CLIENTS, ledger.entries > CLIENTS]).toEqual([true, true]);
    },
    SECONDS * 1000 + 240_000,
  );
});

/** The rooms in which a client does not stand at the end yet. */
function behind({ name, rooms, positions }: RecoveringClient, { ends }: StreamSite): string[] {
  return rooms.flatMap((room, index) =>
    positions[index] === ends.get(room) ? [] : [`${name}: ${room} is at ${positions[index]}, not at ${ends.get(room)}`],
  );
}
