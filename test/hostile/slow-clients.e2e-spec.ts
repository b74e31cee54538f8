/** Clients that do not read, or read too slowly; and messages that are sent while clients close. */
import { jest } from '@jest/globals';
import { HostileApp } from '../support/apps/hostile-app.js';
import { frame, Opcode, type RawSocket } from '../support/clients/raw-socket.js';

jest.setTimeout(60_000);

const MB = 1024 * 1024;
const times = <T>(count: number, make: (index: number) => T) =>
  Array.from({ length: count }, (_, index) => make(index));

let app: HostileApp;

afterEach(() => app.stop());

/** Opens a client that stops reading after its handshake. */
async function frozen(path: string): Promise<RawSocket> {
  const client = await app.open(path);
  client.socket.pause();
  return client;
}

/** Counts the numbered messages of a flood as they arrive, and keeps none. */
function counting(client: RawSocket) {
  const seen = { count: 0, isOrdered: true };
  void (async () => {
    for (;;) {
      const { opcode, payload } = await client.frame();
      if (opcode !== Opcode.TEXT) continue;
      const number = Number.parseInt(payload.toString('utf8', 0, 20), 10);
      // The message of onDrain does not belong to the flood
      if (Number.isNaN(number)) continue;
      if (number !== seen.count) seen.isOrdered = false;
      seen.count++;
    }
  })().catch(() => {});
  return seen;
}

/** Reads again until the report of lost messages. @returns the numbers that arrived, and how many were lost */
async function readUntilDropped(client: RawSocket) {
  client.socket.resume();
  const numbers: number[] = [];
  for (;;) {
    const text = (await client.frame()).payload.toString('utf8', 0, 60);
    if (!text.startsWith('{')) numbers.push(Number.parseInt(text, 10));
    else if (text.includes('dropped'))
      return { numbers, lost: (JSON.parse(text) as { data: { count: number } }).data.count };
  }
}

describe('a client that never reads', () => {
  it('a client that never reads is closed with 4001 while 300 MB are pushed, and others get everything in order', async () => {
    app = await HostileApp.startAlone();
    const COUNT = 1200;
    const client = await frozen('/newest');
    const seen = (await Promise.all(times(2, () => app.open('/newest')))).map(counting);
    const start = (await app.state()).memory.rss;
    let peak = 0;
    const look = async () => (peak = Math.max(peak, (await app.state()).memory.rss));
    const watch = setInterval(() => void look().catch(() => {}), 200);
    try {
      // Three clients read: these two, and the bystander that every one of these applications has
      await app.order('flood', { path: '/newest', count: COUNT, bytes: 262_144, slow: 'close', readers: 3 });
      await app.until('everything to arrive', () => seen.every(({ count }) => count === COUNT), 20_000);
    } finally {
      clearInterval(watch);
    }
    expect(seen.map(({ isOrdered }) => isOrdered)).toEqual([true, true]);
    const { stats } = await app.until('the close', (state) => state.stats.closed.limit >= 1);
    expect([stats.limits.bufferedBytes, stats.closed.limit, stats.dropped]).toEqual([1, 1, 0]);
    expect(app.output).toMatch(/code=4001 reason="slow consumer: more than 4194304 bytes wait" by=limit/);
    // Each client has at most its bound in flight; the allocator has not given back the rest
    expect(peak - start).toBeLessThan(150 * MB);
    client.destroy();
    await app.expectCalm();
  });

  it('a client that never reads is closed with 4001 after the slow time, also below the bound of bytes', async () => {
    app = await HostileApp.start({ MAX_SLOW_TIME: 0.5, MAX_BUFFERED_BYTES: 20 * MB });
    await frozen('/newest');
    await app.order('flood', { path: '/newest', count: 150, bytes: 65_536 });
    await app.until('one to be slow', ({ stats }) => stats.slow === 1 || stats.closed.limit === 1);
    await app.until('the close', ({ stats }) => stats.closed.limit === 1);
    expect(await app.limits()).toEqual({ slowTime: 1 });
    expect(app.output).toContain('reason="slow consumer: behind for 0.5s" by=limit');
    await app.expectCalm();
  });

  it('the bytes that wait for all clients together are bounded', async () => {
    app = await HostileApp.start({ MAX_BUFFERED_BYTES: 50 * MB, MAX_BUFFERED_BYTES_TOTAL: 10 * MB, MAX_SLOW_TIME: 0 });
    const clients = await Promise.all(times(10, () => frozen('/newest')));
    const start = (await app.state()).memory.external;
    await app.order('flood', { path: '/newest', count: 400, bytes: 65_536 });
    const { memory, stats } = await app.state();
    expect(stats.limits.bufferedBytesTotal).toBeGreaterThan(0);
    expect(stats.dropped).toBeGreaterThan(0);
    expect(memory.external - start).toBeLessThan(60 * MB);
    for (const client of clients) client.destroy();
    await app.expectCalm();
  });
});

describe('a client that reads again', () => {
  it.each(['newest', 'oldest'])(
    'a client that reads again has kept its connection and learns how many messages it lost: drop-%s',
    async (which) => {
      app = await HostileApp.start();
      const COUNT = 400;
      const client = await frozen(`/${which}`);
      await app.order('flood', { path: `/${which}`, count: COUNT, bytes: 65_536 });
      const { stats } = await app.state();
      expect(stats.dropped).toBeGreaterThan(50);
      const { numbers, lost } = await readUntilDropped(client);
      expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
      expect([numbers.length + lost, lost]).toEqual([COUNT, stats.dropped]);
      // Either the newest messages are lost, or the oldest of those that waited
      expect(numbers.at(-1) === COUNT - 1).toBe(which === 'oldest');
      expect(JSON.parse((await client.frame()).payload.toString())).toEqual({ event: 'caught-up' });
      expect((await app.state()).hooks.drains).toBe(1);
      client.send(frame({ payload: 'and on it goes' }));
      expect((await client.frame()).payload.toString()).toBe('and on it goes');
      await app.expectCalm();
    },
  );

  it('the policy of a push for slow clients overrides that of the gateway', async () => {
    app = await HostileApp.start();
    const client = await frozen('/newest');
    await app.order('flood', { path: '/newest', count: 400, bytes: 65_536, slow: 'close' });
    await app.until('the close', ({ stats }) => stats.closed.limit === 1);
    expect((await app.state()).stats.dropped).toBe(0);
    client.destroy();
    await app.expectCalm();
  });
});

describe('a client that is closed while it is sent to', () => {
  it('1,000 sends that race with closes do not throw, and each returns whether it was sent', async () => {
    app = await HostileApp.start();
    await app.begin();
    const clients = await Promise.all(times(40, () => app.open()));
    const seen = clients.map((client) => ({ count: 0, client }));
    for (const one of seen) {
      void (async () => {
        for (;;) if ((await one.client.frame()).opcode === Opcode.TEXT) one.count++;
      })().catch(() => {});
    }
    for (const [index, client] of clients.slice(20, 30).entries()) setTimeout(() => client.reset(), index * 2);
    const { sent, refused } = await app.order<{ sent: number; refused: number }>('race', { count: 1000 });
    expect(sent + refused).toBe(1000);
    expect(refused).toBeGreaterThan(0);
    expect(app.output).not.toMatch(/failed|Unhandled/);
    await app.until('closes', ({ stats }) => stats.closed.server >= 15);
  });
});

describe('a client library that loses its wire', () => {
  /** Opens a session, and loses its wire. */
  const lose = async () => {
    const client = await app.open('/newest', { headers: { 'Sec-WebSocket-Protocol': 'realtime.v1' } });
    expect((await client.frame()).payload.toString()).toContain('rt:open');
    client.reset();
  };

  it('a session without a wire keeps only so many bytes, and only so many sessions are without one', async () => {
    app = await HostileApp.startAlone({ MAX_REPLAY_BYTES: 5000, MAX_DETACHED: 2 });
    for (const detached of [1, 2]) {
      await lose();
      await app.until('it to be detached', ({ stats }) => stats.detached === detached);
    }
    await lose();
    await app.until('one too many to be ended', ({ stats }) => stats.limits.detached === 1);
    await app.order('flood', { path: '/newest', count: 10, bytes: 1000 });
    await app.until('them to be ended', ({ stats }) => stats.detached === 0);
    expect((await app.state()).stats.limits.replayBytes).toBe(2);
    await app.expectCalm();
  });
});
