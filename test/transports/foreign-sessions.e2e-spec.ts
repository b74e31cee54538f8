/** Client libraries whose wires and requests reach another node than the one that has their session. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Test } from '@nestjs/testing';
import { RealtimeModule } from 'nestjs-realtime';
import { connect as connectLibrary } from 'nestjs-realtime-client';
import { createTestApp, type TestApp } from 'nestjs-realtime/testing';
import { type Numbers, startNumbers } from '../support/apps/client-app.js';
import { NumberedGateway } from '../support/apps/numbered-gateway.js';
import { FaultProxy } from '../support/clients/fault-proxy.js';
import { hearAll, NumberedClient, talk } from '../support/clients/numbered-client.js';
import type { WireName } from '../support/clients/session-wires.js';
import { PLATFORMS } from '../support/platforms.js';
import { until } from '../support/process-guard.js';
import { random } from '../support/random.js';

const WIRES: readonly WireName[] = ['websocket', 'sse', 'polling'];

interface TestNode {
  readonly app: TestApp;
  readonly gateway: NumberedGateway;
  readonly url: string;
}

const folder = mkdtempSync(join(tmpdir(), 'foreign-'));
let nodes: TestNode[];
const clients: NumberedClient[] = [];

const boot = async (adapter: (typeof PLATFORMS)[number]['adapter']): Promise<TestNode> => {
  const broker = { broker: 'workers', workersFolder: folder, app: `foreign-${process.pid}` } as const;
  // What is over before the grace time was ended by the other node
  const options = { ...broker, maxMessageRate: 0, graceTime: 3600, closeTimeout: 0.05, shutdownTimeout: 0.3 };
  const imports = [RealtimeModule.forRoot({ envFile: false, ...options })];
  const moduleRef = await Test.createTestingModule({ imports, providers: [NumberedGateway] }).compile();
  const app = await createTestApp(moduleRef, { adapter: adapter() });
  return { app, gateway: app.app.get(NumberedGateway), url: `${app.url}/ws` };
};

/** A client whose requests go where `at` says. */
async function connect(wire: WireName, at: () => TestNode, user = 'ann'): Promise<NumberedClient> {
  const client = new NumberedClient(() => at().url, { 'x-user': user });
  clients.push(client);
  client.connect(wire);
  await client.opens();
  return client;
}

beforeEach(async () => {
  nodes = [];
  // On each platform, because both nodes take part
  for (const { adapter } of PLATFORMS) nodes.push(await boot(adapter));
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.stop();
  await Promise.all(nodes.map(({ app }) => app.close()));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe.each(WIRES)('A client that comes to another node over %s', (wire) => {
  it('gets a new connection, and the one that it had ends at once, with a wire or without', async () => {
    const [first, second] = nodes as [TestNode, TestNode];
    let at = first;
    const present = await connect(wire, () => at);
    const absent = await connect('websocket', () => at, 'bob');
    absent.cut();
    at = second;
    for (const client of [present, absent]) {
      client.connect(wire);
      await client.opens();
      expect(client).toMatchObject({ resumed: 0, begun: 2 });
    }
    await first.gateway.closed(2);
    expect(first.gateway.closes).toMatchObject([
      { code: 1006, initiator: 'client' },
      { code: 1006, initiator: 'client' },
    ]);
    expect([second.gateway.opened, second.gateway.closes]).toEqual([2, []]);
    expect(await first.app.server.stats()).toMatchObject({ current: 0, detached: 0 });
  });
});

it('A session ends for its own user alone', async () => {
  const [first, second] = nodes as [TestNode, TestNode];
  let at = first;
  const client = await connect('websocket', () => at);
  const { id } = first.gateway.connections[0]!;
  at = second;
  client.headers['x-user'] = 'bob';
  client.connect('websocket');
  await client.opens();
  // Frames of one node arrive in their order: this answer comes after the other node was asked to end the session
  expect(await second.app.server.exists(id)).toBe(true);
  expect(first.gateway.closes).toEqual([]);
});

it.each(['sse', 'polling'] as const)('Requests of a session over %s may go to any node', async (wire) => {
  const [first] = nodes as [TestNode];
  let isFirst = true;
  const client = await connect(wire, () => {
    const at = isFirst ? first : nodes[Math.floor(random() * nodes.length)]!;
    isFirst = false;
    return at;
  });
  const ROUNDS = 30;
  for (let round = 0; round < ROUNDS; round++) {
    talk(client, first.gateway, 5);
    await hearAll(client, first.gateway);
  }
  expect(client).toMatchObject({ resumed: 0, begun: 1, faults: [] });
  expect([first.gateway.faults, nodes.map(({ gateway }) => gateway.opened)]).toEqual([[], [1, 0]]);
});

it('A late poll of a session that has another wire is refused, on any node, and opens nothing', async () => {
  const [first] = nodes as [TestNode];
  const client = await connect('polling', () => first);
  client.connect('websocket');
  await client.opens();
  const headers = { 'x-user': 'ann', 'x-realtime-token': client.session! };
  for (const { url } of nodes) {
    for (const more of ['transport=polling&position=0', '']) {
      const stream = { accept: 'text/event-stream', 'last-event-id': `${client.session}.0` };
      const response = await fetch(`${url}?${more}`, { headers: { ...headers, ...(more ? {} : stream) } });
      expect([response.status, await response.json()]).toMatchObject([
        409,
        { message: expect.stringContaining('another one with its hello') },
      ]);
    }
  }
  expect(nodes.map(({ gateway }) => gateway.opened)).toEqual([1, 0]);
  client.say(1);
  await first.gateway.hears(1);
  expect(client).toMatchObject({ resumed: 1, begun: 1, faults: [] });
});

describe.each(['sse', 'polling'] as const)('The client library over %s', (transport) => {
  it('is one connection behind a balancer that sends each request to any node', async () => {
    const broker = { broker: 'workers', workersFolder: folder, app: `any-${process.pid}` } as const;
    const sites = await Promise.all([1, 2].map(() => startNumbers({ ...broker, closeTimeout: 0.05 })));
    for (const { app } of sites)
      await until(
        'the other node',
        () => app.server.nodes().length,
        (count) => count === 2,
      );
    const balancer = await FaultProxy.start(() => sites[Math.floor(random() * sites.length)]!.app.url, {});
    const socket = connectLibrary<Numbers>(`${balancer.url}/ws`, { transports: [transport], timeout: 50_000 });
    const got: number[] = [];
    socket.on('n', (n) => got.push(n));
    for (let n = 1; n <= 30; n++) {
      expect(await socket.request('say', n)).toBe(n);
      await sites[n % 2]!.app.server.toEveryone().emit('n', n);
    }
    const all = Array.from({ length: 30 }, (_, index) => index + 1);
    await until(
      'all events',
      () => got.length,
      (length) => length >= 30,
    );
    const { opened, said } = sites.map(({ gateway }) => gateway).find(({ opened }) => opened.length > 0)!;
    expect([got, said, sites.flatMap(({ gateway }) => gateway.opened)]).toEqual([all, all, opened]);
    expect(opened).toHaveLength(1);
    socket.close();
    await balancer.close();
    await Promise.all(sites.map(({ app }) => app.close()));
  });
});
