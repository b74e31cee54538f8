/** SSE and long polling through proxies that break things, and through a real nginx. */
import { setTimeout as sleep } from 'node:timers/promises';
import { PLATFORMS } from '../support/platforms.js';
import { FaultProxy, type Faults } from '../support/clients/fault-proxy.js';
import { Nginx } from '../support/nginx.js';
import { seeded, until, within } from '../support/process-guard.js';
import { PollingClient, SseClient } from '../support/clients/request-clients.js';
import { SteadyPolling, SteadySse } from '../support/clients/steady-clients.js';
import { bootRoom, type RoomApp, stop } from '../support/apps/transport-app.js';

const COUNT = 150;
const NUMBERS = Array.from({ length: COUNT }, (_, i) => `n${i}`);
const STEADY = { sse: SteadySse, polling: SteadyPolling } as const;

describe.each(PLATFORMS)('on $platform', ({ adapter }) => {
  let site: RoomApp;
  let proxy: FaultProxy;

  const boot = async (faults: Faults, pollHold = 0.5) => {
    site = await bootRoom({ graceTime: 3, closeTimeout: 0.2, pollHold }, {}, { adapter: adapter() });
    proxy = await FaultProxy.start(site.app.url, faults);
  };

  afterEach(async () => {
    await proxy.close();
    await stop(site);
  });

  /** Numbered messages in bursts: some polls come back at once, others are held. */
  const pushNumbers = async () => {
    for (const [i, text] of NUMBERS.entries()) {
      await site.app.server.toEveryone().push(text);
      await sleep(i % 30 === 29 ? 120 : 2);
    }
  };

  describe.each(Object.keys(STEADY) as (keyof typeof STEADY)[])('the numbered stream of a client by %s', (kind) => {
    const receive = async () => {
      const client = new STEADY[kind](`${proxy.url}/ws`);
      await until(
        'the connection',
        () => client.token,
        (token) => token !== '',
      );
      await pushNumbers();
      await until(
        'all messages',
        () => client.messages.length,
        (length) => length >= COUNT,
      );
      await client.stop();
      return client;
    };

    it.each([
      ['every response is cut after a while', { cutsAfterMs: 60 }],
      ['answers are lost at random', { loses: seededLoss(7) }],
      ['answers are cut and lost at random', { cutsAfterMs: 100, loses: seededLoss(42) }],
    ] as [string, Faults][])('arrives complete and once where %s', async (_name, faults) => {
      await boot(faults);
      const client = await receive();
      expect(proxy.broken).toBeGreaterThan(3);
      expect(client.messages).toEqual(NUMBERS);
      // one connection for all its requests; another only where the very first answer, with the token, was lost
      expect(site.room.connections.length - client.connections).toBeLessThanOrEqual(proxy.broken);
      expect(client.connections).toBe(1);
    });

    it('arrives complete and once where every response is cut after 5 s', async () => {
      await boot({ cutsAfterMs: 5000 }, 20);
      const client = new STEADY[kind](`${proxy.url}/ws`);
      const isThere = (token: string) => token !== '';
      await until('the connection', () => client.token, isThere);
      const isNext = (cuts: number) => (broken: number) => broken > cuts;
      for (const text of NUMBERS.slice(0, 3)) {
        await site.app.server.toEveryone().push(text);
        await until('the next cut', () => proxy.broken, isNext(proxy.broken));
      }
      const hasAll = (length: number) => length >= 3;
      await until('all messages', () => client.messages.length, hasAll);
      await client.stop();
      expect([client.messages, client.connections]).toEqual([NUMBERS.slice(0, 3), 1]);
    });

    it('arrives where Upgrade is stripped, and a WebSocket does not', async () => {
      await boot({ stripsUpgrade: true });
      await expect(site.app.connect('/ws')).resolves.toBeDefined();
      const { TestClient } = await import('nestjs-realtime/testing');
      await expect(TestClient.connect(`${proxy.url.replace('http', 'ws')}/ws`)).rejects.toMatchObject({ status: 426 });
      expect((await receive()).messages).toEqual(NUMBERS);
    });
  });
});

describe.each(PLATFORMS)('behind nginx with its default buffering on $platform', ({ adapter }) => {
  let site: RoomApp;
  let nginx: Nginx;

  beforeAll(async () => {
    site = await bootRoom({ pollHold: 0.3, closeTimeout: 0.2 }, {}, { adapter: adapter() });
    nginx = await Nginx.start(site.app.url);
  });

  afterAll(async () => {
    await nginx.stop();
    await stop(site);
  });

  // nginx would keep the stream back until its buffer of 4 or 8 KiB is full or the response ends
  it('the first byte of a stream and every message come at once', async () => {
    const client = await within(2000, 'the first event', SseClient.connect(`${nginx.url}/ws`));
    await within(2000, 'the request', client.send('hello') as Promise<void>);
    expect(await within(2000, 'a message', client.next())).toBe('echo hello');
    await client.close();
    expect(await site.room.closed(1)).toMatchObject({ code: 1000 });
  });

  it('long polling works, and held polls come back empty', async () => {
    const client = await PollingClient.connect(`${nginx.url}/ws`);
    await until(
      'a few polls',
      () => site.seen.requests.length,
      (count) => count > 6,
    );
    await client.send('hello');
    expect(await within(2000, 'a message', client.next())).toBe('echo hello');
    await client.close();
    expect(await site.room.closed(2)).toMatchObject({ code: 1000 });
  });

  it('a client that goes away is noticed', async () => {
    const client = await SseClient.connect(`${nginx.url}/ws`);
    const before = await site.app.server.stats();
    expect(before.current).toBe(1);
    await site.app.server.disconnect(client.id, 4500);
    expect(await client.closed()).toMatchObject({ code: 4500 });
    expect(await client.open()).toBe(204);
  });
});

function seededLoss(seed: number): () => boolean {
  const random = seeded(seed);
  let asked = 0;
  // the first answer carries the token: without it there is nothing to come back to
  return () => asked++ > 1 && random() < 0.15;
}
