/** SSE and long polling through proxies that cut or lose responses, and through a real nginx. */
import { TestClient } from 'nestjs-realtime/testing';
import { PLATFORMS } from '../support/platforms.js';
import { FaultProxy, type Faults } from '../support/clients/fault-proxy.js';
import { Nginx, plainProxy } from '../support/nginx.js';
import { seeded, until, within } from '../support/process-guard.js';
import { PollingClient, SseClient } from '../support/clients/request-clients.js';
import { SteadyPolling, SteadySse } from '../support/clients/steady-clients.js';
import { bootRoom, renew, type RoomApp, stop } from '../support/apps/transport-app.js';

const COUNT = 150;
const NUMBERS = Array.from({ length: COUNT }, (_, i) => `n${i}`);
const STEADY = { sse: SteadySse, polling: SteadyPolling } as const;
type Kind = keyof typeof STEADY;
const KINDS = Object.keys(STEADY) as Kind[];

const connected = async (kind: Kind, proxy: FaultProxy) => {
  const client = new STEADY[kind](`${proxy.url}/ws`);
  await until(
    'the connection',
    () => client.token,
    (token) => token !== '',
  );
  return client;
};
const hasReceived = (client: { messages: string[] }, count: number) =>
  until(
    `${count} messages`,
    () => client.messages.length,
    (length) => length >= count,
  );
const nextCut = (proxy: FaultProxy) => {
  const { broken } = proxy;
  return until(
    'the next cut',
    () => proxy.broken,
    (count) => count > broken,
  );
};

const LATE_CASES = PLATFORMS.flatMap(({ platform, adapter }) => KINDS.map((kind) => ({ platform, adapter, kind })));
const TEXTS = NUMBERS.slice(0, 3);

/** Pushes one message after each cut. @returns the messages of the client, and how many connections it had */
const receiveLate = async ({ adapter, kind }: (typeof LATE_CASES)[number]) => {
  const site = await bootRoom({ graceTime: 1.5, closeTimeout: 0.05, pollHold: 20 }, {}, { adapter: adapter() });
  const proxy = await FaultProxy.start(site.app.url, { cutsAfterMs: 1800 });
  const client = await connected(kind, proxy);
  for (const text of TEXTS) {
    await site.app.server.toEveryone().push(text);
    await nextCut(proxy);
  }
  await hasReceived(client, TEXTS.length);
  await client.stop();
  await proxy.close();
  await stop(site);
  return [client.messages, client.connections];
};

/** These clients only wait for cuts, so they run beside the other tests. */
let lateCuts: Promise<unknown[]>[] = [];

beforeAll(() => {
  lateCuts = LATE_CASES.map(receiveLate);
  void Promise.allSettled(lateCuts);
});
afterAll(() => Promise.allSettled(lateCuts));

describe.each(PLATFORMS)('on $platform', ({ adapter }) => {
  let site: RoomApp;
  let proxy: FaultProxy;

  beforeAll(async () => {
    const options = { graceTime: 3, closeTimeout: 0.05, pollHold: 0.5, maxConnectionRatePerAddress: 0 };
    site = await bootRoom(options, {}, { adapter: adapter() });
  });
  afterAll(() => stop(site));
  afterEach(async () => {
    await proxy.close();
    await renew(site);
  });

  describe.each(KINDS)('the numbered stream of a client by %s', (kind) => {
    /** Pushes in bursts, from one message to five: some polls are answered at once, others are held. */
    const receive = async (faults: Faults) => {
      proxy = await FaultProxy.start(site.app.url, faults);
      const client = await connected(kind, proxy);
      for (let sent = 0, burst = 1; sent < COUNT; sent += burst, burst = (burst % 5) + 1) {
        for (const text of NUMBERS.slice(sent, sent + burst)) await site.app.server.toEveryone().push(text);
        await arrivedOrLost(client, Math.min(COUNT, sent + burst));
        if (faults.cutsAfterMs && burst === 5 && proxy.broken < 4) await nextCut(proxy);
      }
      await hasReceived(client, COUNT);
      await client.stop();
      return client;
    };
    /** Waits for an arrival or a loss: a message that is pushed after a loss finds the client away. */
    const arrivedOrLost = (client: { messages: string[] }, count: number) => {
      const { broken } = proxy;
      return until(
        `${count} messages or a loss`,
        () => client.messages.length >= count || proxy.broken > broken,
        Boolean,
      );
    };

    it.each([
      ['every response is cut after a while', { cutsAfterMs: 60 }],
      ['answers are lost at random', { loses: seededLoss(7) }],
      ['answers are cut and lost at random', { cutsAfterMs: 100, loses: seededLoss(42) }],
    ] as [string, Faults][])(`delivers every message once by ${kind} where %s`, async (_name, faults) => {
      const client = await receive(faults);
      expect(proxy.broken).toBeGreaterThan(3);
      expect(client.messages).toEqual(NUMBERS);
      // the client has one connection for all its requests; only the loss of the first answer, with the token, makes another
      expect(site.room.connections.length - client.connections).toBeLessThanOrEqual(proxy.broken);
      expect(client.connections).toBe(1);
    });

    it(`delivers every message by ${kind} where Upgrade is stripped and a WebSocket is refused`, async () => {
      proxy = await FaultProxy.start(site.app.url, { stripsUpgrade: true });
      const direct = await site.app.connect('/ws');
      direct.vanish();
      await expect(TestClient.connect(`${proxy.url.replace('http', 'ws')}/ws`)).rejects.toMatchObject({ status: 426 });
      await proxy.close();
      expect((await receive({ stripsUpgrade: true })).messages).toEqual(NUMBERS);
    });
  });
});

describe('a proxy that cuts every response later than the grace time and before the hold time', () => {
  it.each(LATE_CASES.map((each, index) => ({ ...each, index })))(
    'delivers every message once by $kind on $platform through late cuts',
    async ({ index }) => expect(await lateCuts[index]).toEqual([TEXTS, 1]),
  );
});

describe.each(PLATFORMS)('behind nginx with its default buffering on $platform', ({ adapter }) => {
  let site: RoomApp;
  let nginx: Nginx;

  beforeAll(async () => {
    site = await bootRoom({ pollHold: 0.3, closeTimeout: 0.2 }, {}, { adapter: adapter() });
    nginx = await Nginx.start(plainProxy(site.app.url));
  });

  afterAll(async () => {
    await nginx.stop();
    await stop(site);
  });

  // without our header nginx would hold the stream until its buffer of 4 or 8 KiB is full or the response ends
  it('nginx passes on the first byte of a stream, and every message, at once', async () => {
    const client = await within(2000, 'the first event', SseClient.connect(`${nginx.url}/ws`));
    await within(2000, 'the request', client.send('hello') as Promise<void>);
    expect(await within(2000, 'a message', client.next())).toBe('echo hello');
    await client.close();
    expect(await site.room.closed(1)).toMatchObject({ code: 1000 });
  });

  it('long polling works through nginx, and held polls return empty', async () => {
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

  it('a stream through nginx ends with the close code of the server, and is not opened again', async () => {
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
  // the first answer carries the token, without which a client cannot resume
  return () => asked++ > 1 && random() < 0.15;
}
