/**
 * Whoever stays connected to a live node with a live broker gets every number once and in order, while others join, leave,
 * connect and nodes are killed. A small sample; `npm run soak:cluster` runs it for longer (SOAK_SECONDS, FUZZ_SEED).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ClusterApp } from '../support/apps/cluster-app.js';
import { Ledger, StreamClient } from '../support/clients/stream-clients.js';
import { until } from '../support/process-guard.js';
import { random } from '../support/random.js';
import { RedisProcess } from '../support/redis.js';

const SECONDS = Number(process.env['SOAK_SECONDS'] || 4);
const NODES = 3;
const CLIENTS = 500;
/** Every node has members of these all the time, and pushes to them at intervals. */
const BUSY = Array.from({ length: 20 }, (_, index) => `busy${index}`);
/** Often a node has the first or the last member of these; some node pushes to one as soon as somebody has joined. */
const QUIET = Array.from({ length: 480 }, (_, index) => `quiet${index}`);

const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;

class Run {
  readonly ledger = new Ledger();
  readonly clients = Array.from(
    { length: CLIENTS },
    (_, index) => new StreamClient(`client${index}`, this.ledger, (room) => this.pushTo(room)),
  );
  readonly nodes: ClusterApp[] = [];
  kills = 0;
  private readonly killed = new Set<ClusterApp>();
  private isOver = false;
  private readonly busy: Promise<unknown>[] = [];

  constructor(private readonly env: Readonly<Record<string, string>>) {}

  /** Starts a node that pushes numbers. */
  async startNode(): Promise<void> {
    const node = await ClusterApp.start(this.env);
    this.nodes.push(node);
    await node.ask('start', { rooms: BUSY, everyMs: 25 });
  }

  /** Some node pushes to a room, unless it is killed meanwhile. */
  private pushTo(room: string): void {
    pick(this.nodes)
      .ask('push', room)
      .catch(() => {});
  }

  /** Connects a client to some node, as often as it loses one. */
  async connect(client: StreamClient): Promise<void> {
    while (!this.isOver) {
      const node = pick(this.nodes);
      const ended = (code: number) => {
        if (this.isOver) return;
        if (!this.killed.has(node)) this.ledger.faults.push(`a node that lives has closed a connection with ${code}`);
        this.busy.push(this.connect(client));
      };
      if (await client.connect(node.port, [pick(BUSY), pick(QUIET)], ended)) return;
      await sleep(20);
    }
  }

  /** Joins and leaves all the time, and one node after the other is killed and replaced. */
  async disturb(): Promise<void> {
    const joins = setInterval(() => pick(this.clients).toggle(pick(random() < 0.5 ? BUSY : QUIET)), 5);
    for (const endAt = Date.now() + SECONDS * 1000; Date.now() < endAt; this.kills++) {
      await sleep(500 + random() * 1000);
      const node = pick(this.nodes);
      this.killed.add(node);
      this.nodes.splice(this.nodes.indexOf(node), 1);
      await node.kill();
      await this.startNode();
    }
    clearInterval(joins);
  }

  /** Everybody gets what was pushed last. */
  async settle(): Promise<void> {
    for (const node of this.nodes) {
      const pushed = await node.ask<Record<string, number[]>>('stop');
      for (const [room, times] of Object.entries(pushed)) this.ledger.pushed(`${room} ${node.process.pid}`, times);
    }
    for (const task of this.busy) await task;
    const behind = () => this.clients.flatMap((client) => client.behind());
    await until('the last numbers to come to everybody', behind, ({ length }) => length === 0);
    this.ledger.checkStarts();
  }

  async end(): Promise<void> {
    this.isOver = true;
    for (const client of this.clients) client.close();
    await Promise.all(this.nodes.map((node) => node.kill()));
  }
}

describe(`${NODES} nodes and ${CLIENTS} clients`, () => {
  it(
    'give every number once and in order to whoever stays, while clients join and leave and nodes are killed',
    async () => {
      const redis = await RedisProcess.start();
      const run = new Run({
        REALTIME_REDIS_URL: redis.url,
        REALTIME_APP: 'numbers',
        REALTIME_MAX_CONNECTIONS_PER_IP: '0',
      });
      try {
        await Promise.all(Array.from({ length: NODES }, () => run.startNode()));
        await Promise.all(run.clients.map((client) => run.connect(client)));
        await run.disturb();
        await run.settle();
      } finally {
        await run.end();
        await redis.stop();
      }
      const { ledger, kills, clients } = run;
      const connections = clients.reduce((sum, client) => sum + client.connections, 0);
      process.stdout.write(`kills=${kills} connections=${connections} received=${ledger.received}\n`);
      expect(ledger.faults.slice(0, 20)).toEqual([]);
      expect([kills > 0, connections > CLIENTS, ledger.received > 10_000]).toEqual([true, true, true]);
    },
    SECONDS * 1000 + 60_000,
  );
});
