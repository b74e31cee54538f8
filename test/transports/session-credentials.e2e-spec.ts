/** Sessions of client libraries whose first message is their credential: {websocket, sse, polling} × {Express, Fastify}. */
import { Test } from '@nestjs/testing';
import { RealtimeModule } from 'nestjs-realtime';
import { createTestApp, type TestApp } from 'nestjs-realtime/testing';
import { CredentialGateway } from '../support/apps/numbered-gateway.js';
import { hearAll, NumberedClient, talk } from '../support/clients/numbered-client.js';
import type { WireName } from '../support/clients/session-wires.js';
import { PLATFORMS } from '../support/platforms.js';
import { until } from '../support/process-guard.js';

const WIRES: readonly WireName[] = ['websocket', 'sse', 'polling'];
const PAIRS = WIRES.flatMap((first) => WIRES.map((second) => [first, second] as const));

describe.each(PLATFORMS)('A session with onAuthenticate on $platform', ({ adapter }) => {
  /** By their grace time in seconds. */
  const apps = new Map<number, TestApp>();
  let app: TestApp;
  let gateway: CredentialGateway;
  const clients: NumberedClient[] = [];

  const use = async (graceTime = 120) => {
    app = apps.get(graceTime) ?? (await start(graceTime));
    apps.set(graceTime, app);
    gateway = app.app.get(CredentialGateway);
  };
  const start = async (graceTime: number) => {
    // Clients that are gone at the end of a test are not waited for
    const options = { envFile: false, maxMessageRate: 0, closeTimeout: 0.05, graceTime } as const;
    const imports = [RealtimeModule.forRoot(options)];
    const moduleRef = await Test.createTestingModule({ imports, providers: [CredentialGateway] }).compile();
    return createTestApp(moduleRef, { adapter: adapter() });
  };
  const connect = async (wire: WireName, credential = 'ann') => {
    const client = new NumberedClient(`${app.url}/ws`, {}, credential);
    clients.push(client);
    client.connect(wire);
    await client.opens();
    return client;
  };

  afterEach(async () => {
    for (const client of clients.splice(0)) client.stop();
    const left = async () => {
      await app.server.toEveryone().disconnect();
      const { current, unfinished } = await app.server.stats();
      return current + unfinished + gateway.opened - gateway.closes.length;
    };
    await until('everybody to have left', left, (count) => count === 0);
    gateway.renew();
  });
  afterAll(() => Promise.all([...apps.values()].map((each) => each.close())));

  it.each(PAIRS)(
    'that began over %s goes on over %s for another token of the same user, and loses nothing',
    async (first, second) => {
      await use();
      const before = await app.server.stats();
      const client = await connect(first);
      talk(client, gateway, 10);
      await hearAll(client, gateway);
      client.cut();
      talk(client, gateway, 10);
      client.credential = 'ann 2';
      client.connect(second);
      await client.opens();
      gateway.push(10);
      // With the ten that are sent again, twice as many as are acknowledged without a wait
      client.say(54);
      await hearAll(client, gateway);
      expect([client.heard.length, client.said]).toEqual([30, 74]);
      await client.until(() => client.pending <= 8);
      expect(client).toMatchObject({ resumed: 1, begun: 1, faults: [] });
      expect([gateway.opened, gateway.closes, gateway.faults]).toEqual([1, [], []]);
      expect(gateway.credentials).toEqual(['ann', 'ann 2']);
      const { accepted, resumed } = before;
      const now = { current: 1, accepted: accepted + 1, resumed: resumed + 1, detached: 0 };
      expect(await app.server.stats()).toMatchObject(now);
    },
  );

  it.each(WIRES)('does not go on over %s for a user who was revoked', async (wire) => {
    await use(0.3);
    const client = await connect(wire);
    client.cut();
    gateway.revoked.add('ann');
    client.connect(wire);
    await client.until(() => client.ends.length === 1);
    expect(client.ends).toEqual([{ code: 4501, reason: 'unauthorized' }]);
    expect(await gateway.closed()).toMatchObject({ code: 1006 });
    expect([client.resumed, gateway.opened]).toEqual([0, 1]);
  });

  it.each(WIRES)('does not go on over %s for another user, who gets a connection of their own', async (wire) => {
    await use();
    const client = await connect(wire);
    client.credential = 'eve';
    client.connect(wire);
    await client.opens();
    expect([client.resumed, client.begun, gateway.closes]).toEqual([0, 2, []]);
    expect(gateway.connections.map(({ userId }) => userId)).toEqual(['ann', 'eve']);
  });

  it.each(['sse', 'polling'] as const)(
    'takes requests over %s under its secret and under the token of the wire',
    async (wire) => {
      await use();
      const client = await connect('websocket');
      client.connect(wire);
      await client.opens();
      const post = (count: string) => {
        const headers = {
          'content-type': 'text/plain',
          'x-realtime-token': client.session!,
          'x-realtime-count': count,
        };
        return fetch(`${app.url}/ws`, { method: 'POST', headers, body: '1' });
      };
      expect([(await post('2')).status, (await post('1')).status, (await post('1')).status]).toEqual([409, 204, 204]);
      await gateway.hears(1);
      client.close();
      expect(await gateway.closed()).toMatchObject({ code: 1000, initiator: 'client', wasClean: true });
      expect((await post('2')).status).toBe(404);
      expect(gateway.faults).toEqual([]);
    },
  );
});
