/** Sessions of client libraries on real wires: {websocket, sse, polling} × {Express, Fastify}. */
import { Test } from '@nestjs/testing';
import { RealtimeModule, type RealtimeOptions } from 'nestjs-realtime';
import { createTestApp, type TestApp } from 'nestjs-realtime/testing';
import { NumberedGateway } from '../support/apps/numbered-gateway.js';
import { Lines } from '../support/apps/transport-app.js';
import { hearAll, NumberedClient, talk } from '../support/clients/numbered-client.js';
import type { WireName } from '../support/clients/session-wires.js';
import { TcpProxy } from '../support/clients/tcp-proxy.js';
import { PLATFORMS } from '../support/platforms.js';
import { random } from '../support/random.js';

const WIRES: readonly WireName[] = ['websocket', 'sse', 'polling'];
const other = (wire: WireName) => WIRES[(WIRES.indexOf(wire) + 1) % WIRES.length]!;

describe.each(PLATFORMS)('A session on $platform', ({ adapter }) => {
  let app: TestApp;
  let proxy: TcpProxy;
  let gateway: NumberedGateway;
  let log: Lines;
  const clients: NumberedClient[] = [];

  const boot = async (options: RealtimeOptions = {}) => {
    log = new Lines();
    const imports = [RealtimeModule.forRoot({ envFile: false, maxMessageRate: 0, shutdownTimeout: 0.05, ...options })];
    const moduleRef = await Test.createTestingModule({ imports, providers: [NumberedGateway] }).compile();
    app = await createTestApp(moduleRef, { adapter: adapter(), logger: log });
    gateway = app.app.get(NumberedGateway);
    proxy = await TcpProxy.start(Number(new URL(app.url).port));
  };
  const connect = async (wire: WireName, user = 'ann') => {
    const client = new NumberedClient(`http://127.0.0.1:${proxy.port}/ws`, { 'x-user': user });
    clients.push(client);
    client.connect(wire);
    await client.opens();
    return client;
  };
  const lines = (part: string) => log.all.filter((line) => line.includes(part));

  afterEach(async () => {
    for (const client of clients.splice(0)) client.stop();
    await proxy.stop();
    await app.close();
  });

  it.each(WIRES)('begins over %s with rt:open, and acknowledges what arrives', async (wire) => {
    await boot();
    const client = await connect(wire);
    expect(client.openData).toEqual({
      ...{ id: gateway.connections[0]!.id, session: expect.stringMatching(/^[\w-]{44}$/), resumed: false, seen: 0 },
      ...{ ping: 25_000, maxBytes: 1_048_576 },
    });
    client.say(40);
    await gateway.hears(40);
    await client.until(() => client.pending <= 8);
    gateway.push(50);
    await client.until(() => client.heard.length === 50);
    expect([client.faults, gateway.faults]).toEqual([[], []]);
  });

  it.each(WIRES)('goes on over %s after a cut, and hooks do not notice', async (wire) => {
    await boot();
    const client = await connect(wire);
    talk(client, gateway, 10);
    await hearAll(client, gateway);
    proxy.cut();
    client.cut();
    talk(client, gateway, 10);
    client.connect(wire);
    await client.opens();
    await hearAll(client, gateway);
    expect([client.heard.length, client.said]).toEqual([20, 20]);
    expect(client).toMatchObject({ resumed: 1, begun: 1, faults: [] });
    expect([gateway.opened, gateway.closes.length, gateway.faults]).toEqual([1, 0, []]);
    expect(lines('connection resumed')).toHaveLength(1);
    expect((await app.server.stats()).resumed).toBe(1);
  });

  it.each(WIRES)('that began over %s goes on over each other transport', async (first) => {
    await boot();
    const client = await connect(first);
    for (let wire = other(first), turns = 1; turns <= 3; wire = other(wire), turns++) {
      talk(client, gateway, 5);
      client.connect(wire);
      await client.opens();
      talk(client, gateway, 5);
      await hearAll(client, gateway);
      expect(gateway.connections[0]!.transport).toBe(wire);
    }
    expect(client).toMatchObject({ resumed: 3, begun: 1, faults: [] });
    expect([gateway.opened, gateway.closes.length, gateway.faults]).toEqual([1, 0, []]);
  });

  it('loses nothing and repeats nothing, wherever wires are cut', async () => {
    await boot();
    const client = await connect('websocket');
    for (let turn = 0; turn < 40; turn++) {
      proxy.cutAfter(Math.floor(random() * 1500));
      gateway.push(Math.floor(random() * 20));
      client.say(Math.floor(random() * 20));
      client.connect(WIRES[Math.floor(random() * 3)]!);
      gateway.push(Math.floor(random() * 20));
      client.say(Math.floor(random() * 20));
      await client.settles();
    }
    proxy.cutAfter(Infinity);
    client.connect('websocket');
    await client.opens();
    await hearAll(client, gateway);
    expect([client.faults, gateway.faults, client.begun]).toEqual([[], [], 1]);
  });

  it.each(WIRES)('over %s ends after the grace time, with onClose once', async (wire) => {
    await boot({ graceTime: 0.2 });
    const client = await connect(wire);
    client.cut();
    expect(await gateway.closed()).toMatchObject({ code: 1006, initiator: 'client', wasClean: false });
    client.connect(wire);
    await client.opens();
    expect([client.begun, client.resumed, gateway.opened, gateway.closes.length]).toEqual([2, 0, 2, 1]);
  });

  it.each(['websocket', 'sse'] as const)(
    'over %s tells what nobody knows, where another one has to begin',
    async (wire) => {
      await boot({ maxDetached: 0 });
      const client = await connect(wire);
      client.say(3);
      client.cut();
      await gateway.closed();
      client.connect(wire);
      await client.opens();
      expect([client.begun, client.unknown]).toEqual([2, ['1', '2', '3']]);
    },
  );

  it.each(WIRES)('over %s is ended by its client, and by the server with its code', async (wire) => {
    await boot();
    const ann = await connect(wire);
    ann.close();
    expect(await gateway.closed()).toMatchObject({ code: 1000, initiator: 'client', wasClean: true });
    const bob = await connect(wire, 'bob');
    gateway.connections[1]!.close(4321, 'as you wish');
    await bob.until(() => bob.ends.length === 1);
    expect(bob.ends).toEqual([{ code: 4321, reason: 'as you wish' }]);
    expect(bob.session).toBeUndefined();
  });

  it.each(WIRES)(
    'that ended without a wire tells its client so over %s: what was sent before, then the code',
    async (wire) => {
      await boot();
      const client = await connect('websocket');
      client.cut();
      await log.has('connection detached');
      gateway.push(2);
      gateway.connections[0]!.close(4500, 'banned');
      expect(await gateway.closed()).toMatchObject({ code: 4500, initiator: 'server' });
      client.connect(wire);
      await client.until(() => client.ends.length === 1);
      expect([client.heard, client.ends, gateway.opened]).toEqual([[1, 2], [{ code: 4500, reason: 'banned' }], 1]);
    },
  );

  it('goes on after the client has left with 3100, and ends after any other code', async () => {
    await boot();
    const client = await connect('websocket');
    client.leave();
    await client.until(() => client.ends.length === 1);
    gateway.push(3);
    client.connect('websocket');
    await client.until(() => client.heard.length === 3);
    expect([client.resumed, gateway.closes.length]).toEqual([1, 0]);
    expect(lines('connection detached id=')).toHaveLength(1);
  });

  it('goes on for the same user with another credential, whose expiry counts', async () => {
    await boot({ expiryNotice: 0 });
    const client = await connect('websocket');
    client.headers['authorization'] = 'Bearer fresh';
    gateway.expiresAt = new Date(Date.now() + 300);
    client.connect('websocket');
    await client.opens();
    expect([client.resumed, gateway.handshakes, gateway.opened]).toEqual([1, 2, 1]);
    expect(await gateway.closed()).toMatchObject({ code: 4502, initiator: 'limit' });
  });

  it.each(WIRES)('does not go on over %s for another user, who gets a connection of their own', async (wire) => {
    await boot();
    const client = await connect(wire);
    client.headers['x-user'] = 'eve';
    client.connect(wire);
    await client.opens();
    expect([client.resumed, client.begun, gateway.opened]).toEqual([0, 2, 2]);
    expect(gateway.connections.map(({ userId }) => userId)).toEqual(['ann', 'eve']);
    expect(gateway.closes).toEqual([]);
  });

  it.each(WIRES)('does not go on over %s for a user who was revoked', async (wire) => {
    await boot({ graceTime: 0.3 });
    const client = await connect(wire);
    client.cut();
    gateway.revoked.add('ann');
    client.connect(wire);
    await client.until(() => client.ends.length === 1);
    expect(await gateway.closed()).toMatchObject({ code: 1006 });
    expect([client.resumed, gateway.opened]).toEqual([0, 1]);
  });

  it.each(WIRES)('needs no second place to go on over %s', async (wire) => {
    await boot({ maxConnections: 1, maxConnectionsPerUser: 1, maxConnectionsPerAddress: 1 });
    const client = await connect(wire);
    for (let turn = 1; turn <= 3; turn++) {
      client.connect(wire);
      await client.opens();
    }
    expect([client.resumed, client.begun]).toEqual([3, 1]);
    client.close();
    await gateway.closed();
    await connect(wire);
    expect(await app.server.stats()).toMatchObject({ current: 1, accepted: 2, resumed: 3, detached: 0 });
  });

  it('ends when more is sent than it may keep without a wire', async () => {
    await boot({ maxReplayBytes: 1000 });
    const client = await connect('websocket');
    client.cut();
    await log.has('connection detached');
    for (let i = 0; i < 10; i++) gateway.connections[0]!.send('x'.repeat(200));
    expect(await gateway.closed()).toMatchObject({ code: 1006 });
    expect(gateway.connections[0]!.send('more')).toBe(false);
    expect((await app.server.stats()).limits.replayBytes).toBe(1);
  });

  it('waits for another wire only while few others do', async () => {
    await boot({ maxDetached: 1 });
    const [ann, bob] = [await connect('websocket', 'ann'), await connect('websocket', 'bob')];
    ann.cut();
    await log.has('connection detached');
    expect((await app.server.stats()).detached).toBe(1);
    bob.cut();
    await gateway.closed();
    expect(gateway.closes).toHaveLength(1);
    expect(await app.server.stats()).toMatchObject({ detached: 1, current: 1, limits: { detached: 1 } });
  });

  it('ends at once at a shutdown when it has no wire', async () => {
    await boot();
    const client = await connect('websocket');
    client.cut();
    await log.has('connection detached');
    await app.close();
    expect(gateway.closes).toMatchObject([{ code: 1001, initiator: 'shutdown' }]);
  });

  it('answers rt:ping with rt:pong, and shows neither hello nor credential', async () => {
    await boot();
    const client = await connect('websocket');
    client.ping();
    await client.until(() => client.pongs === 1);
    expect(gateway.connections[0]!.protocol).toBe('realtime.v1');
    for (const line of log.all) expect(line).not.toContain('hello.');
    expect(log.all.join()).not.toContain(client.session!.slice(12));
  });

  it.each(['sse', 'polling'] as const)('refuses messages over %s that leave a hole', async (wire) => {
    await boot();
    const client = await connect(wire);
    const post = (count?: string) => {
      const more: Record<string, string> = count === undefined ? {} : { 'x-realtime-count': count };
      const headers = { 'x-user': 'ann', 'content-type': 'text/plain', 'x-realtime-token': client.session!, ...more };
      return fetch(`${app.url}/ws`, { method: 'POST', headers, body: '1' });
    };
    expect([(await post('2')).status, (await post()).status, (await post('0')).status]).toEqual([409, 400, 400]);
    expect([(await post('1')).status, (await post('1')).status]).toEqual([204, 204]);
    await gateway.hears(1);
    expect(gateway.faults).toEqual([]);
  });
});
