/** Attacks on SSE and long polling on both platforms: floods, guesses, names, resets at every stage. By raw sockets. */
import { jest } from '@jest/globals';
import { HostileApp, type HostileSettings } from '../support/apps/hostile-app.js';
import { ask, type Kind, open, opening, poll, upstream } from '../support/clients/hostile-requests.js';
import { until } from '../support/process-guard.js';
import { httpRequest, type RawSocket } from '../support/clients/raw-socket.js';
import { randomBytes } from '../support/random.js';
import { canEncode } from '../support/can-encode.js';

jest.setTimeout(60_000);

const MB = 1024 * 1024;
const KINDS: readonly Kind[] = ['sse', 'polling'];
const times = <T>(count: number, make: (index: number) => T) =>
  Array.from({ length: count }, (_, index) => make(index));

describe.each(['express', 'fastify'])('on %s', (platform) => {
  let app: HostileApp;

  const start = async (settings: HostileSettings = {}) => {
    const quick = { POLL_HOLD: 0.3, CLOSE_TIMEOUT: 0.1 };
    app = await HostileApp.start({ APP_PLATFORM: platform, ...quick, ...settings });
  };
  /** Ends the connections of the test from the server, and checks that nothing of them is left. */
  const end = async () => {
    await app.order('endRequests');
    await app.expectCalm(12);
  };

  describe('with the bounds that hold by default', () => {
    beforeAll(() => start());
    afterAll(() => app.stop());
    beforeEach(() => app.begin());
    afterEach(end);

    it('50 bodies of text and of JSON at once that never end are refused, and cost next to nothing', async () => {
      const before = (await app.state()).memory;
      const { token } = await open(app, 'sse');
      const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
      const flood = async (index: number) => {
        const type = ['text/plain', 'application/json'][index % 2]!;
        const headers = { 'X-Realtime-Token': token, 'Content-Type': type, 'Transfer-Encoding': 'chunked' };
        const client = await app.connect();
        client.send(httpRequest({ method: 'POST', target: '/ws', headers }));
        let isAnswered = false;
        const feed = () => void (isAnswered || client.socket.write(chunk, () => setImmediate(feed)));
        feed();
        const { status } = await client.answer();
        isAnswered = true;
        return status;
      };
      const statuses = await Promise.all(times(50, flood));
      expect(new Set(statuses).size).toBeLessThanOrEqual(2);
      for (const status of statuses) expect([413, 429]).toContain(status);
      // All of them together are held up to their bound, 2 MiB, and no further
      expect((await app.state()).memory.rss - before.rss).toBeLessThan(100 * MB);
      const { messageBytes = 0, posts = 0, postBytes = 0, ...others } = await app.limits();
      expect([messageBytes + posts + postBytes, others]).toEqual([50, {}]);
    });

    it.each(KINDS)(
      '800 bodies of a client of %s that do not end are refused but for 16, which its end refuses',
      async (kind) => {
        const { token } = await open(app, kind);
        const { body = '', ...post } = upstream(token, 'x'.repeat(1_000_000));
        const begun = await Promise.all(
          times(800, async () => {
            const client = await app.connect();
            client.send(httpRequest({ ...post, body: body.slice(0, 100_000) }));
            return client;
          }),
        );
        let refused = 0;
        const statuses = begun.map(async (client) => {
          const { status } = await client.answer();
          if (status === 429) refused++;
          return status;
        });
        await until(
          'the refusals',
          () => refused,
          (count) => count === 784,
        );
        expect(await app.limits()).toEqual({ posts: 784 });
        expect((await ask(app, upstream(token, '', 'text/plain', 'DELETE'))).status).toBe(204);
        expect((await Promise.all(statuses)).filter((status) => status === 404)).toHaveLength(16);
      },
    );

    it('a third body of a megabyte at once is refused with 429 before its end', async () => {
      const { token } = await open(app, 'sse');
      const post = httpRequest(upstream(token, 'x'.repeat(1_000_000))).subarray(0, -1);
      const three = await Promise.all(times(3, () => app.connect()));
      for (const client of three) client.send(post);
      expect((await Promise.race(three.map((client) => client.answer()))).status).toBe(429);
      expect(await app.limits()).toEqual({ postBytes: 1 });
    });

    it('JSON that is nested too deeply for this Node is answered with 400, and leaves no line of an error', async () => {
      const { token } = await open(app, 'polling');
      const deep = `{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}`;
      for (let sent = 0; sent < 3; sent++) {
        expect((await ask(app, upstream(token, deep, 'application/json'))).status).toBe(canEncode(deep) ? 204 : 400);
      }
      expect(app.output).not.toMatch(/ERROR|WARN/);
    });

    it('messages above the rate are dropped, and the client gets an error frame', async () => {
      const { token } = await open(app, 'polling');
      const before = await app.state();
      const batch = JSON.stringify(times(100, () => 'hush'));
      for (let sent = 0; sent < 20; sent++) {
        expect((await ask(app, upstream(token, batch, 'application/json'))).status).toBe(204);
      }
      const { hooks, stats } = await app.state();
      const { messageRate: dropped = 0 } = await app.limits();
      expect(dropped).toBeGreaterThan(500);
      expect(stats.messagesIn - before.stats.messagesIn).toBe(2000);
      expect(hooks.messages - before.hooks.messages + dropped).toBe(2000);
      expect(JSON.parse((await poll(app, token))[0]!)).toMatchObject({
        event: 'exception',
        data: { code: 'rate_limit' },
      });
    });

    it.each(KINDS)('a client of %s that never reads is closed with 4001 while 100 MB are pushed', async (kind) => {
      const { client } = await open(app, kind, '/newest');
      client.socket.pause();
      const before = (await app.state()).memory;
      await app.order('flood', { path: '/newest', count: 400, bytes: 262_144, slow: 'close' });
      const { stats, memory } = await app.until('the close', () => /code=4001/.test(app.output));
      expect(memory.rss - before.rss).toBeLessThan(100 * MB);
      expect(await app.limits()).toEqual({ bufferedBytes: 1 });
      expect(stats.current).toBe(1);
    });

    it('500 guessed tokens reach no connection, and do not flood the log', async () => {
      const { token } = await open(app, 'sse');
      const before = await app.state();
      const guess = (index: number) => {
        const guessed =
          ['__proto__', 'constructor', token.slice(1), ''][index] ?? randomBytes(24).toString('base64url');
        return ask(app, upstream(guessed, 'guessed', 'text/plain', index % 2 ? 'POST' : 'DELETE'));
      };
      for (let batch = 0; batch < 10; batch++) {
        const answers = await Promise.all(times(50, (index) => guess(batch * 50 + index)));
        expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([404]));
      }
      const { hooks, stats } = await app.state();
      expect(hooks.messages).toBe(before.hooks.messages);
      expect(stats.refused - before.stats.refused).toBe(500);
      expect(app.output).not.toContain('WARN');
      expect((await ask(app, upstream(token, 'mine'))).status).toBe(204);
    });

    it('rooms and users may have any name', async () => {
      const names = ['__proto__', 'constructor', 'toString', 'error', '*', 'a\r\nb'];
      for (const [index, name] of names.entries()) {
        const { token } = await open(app, KINDS[index % 2]!, `?user=${encodeURIComponent(name)}`);
        expect((await ask(app, upstream(token, `join ${name}`))).status).toBe(204);
      }
      const expected = [...names.map(() => 1), 0];
      expect(await app.order('rooms', { names: [...names, 'hasOwnProperty'] })).toEqual(expected);
      expect(await app.order('users', { names: [...names, 'hasOwnProperty'] })).toEqual(expected);
    });

    it('200 bombs of headers are answered with 431 and reach no hook', async () => {
      const { hooks } = await app.state();
      const bomb = { 'X-Bomb': 'x'.repeat(20_000) };
      const answers = await Promise.all(times(200, (index) => ask(app, opening(KINDS[index % 2]!, '', bomb))));
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([431]));
      expect((await app.state()).hooks.handshakes).toBe(hooks.handshakes);
    });

    it('messages that race with the close are accepted or refused, and each connection ends once', async () => {
      for (let round = 0; round < 5; round++) {
        const opened = await Promise.all(times(20, (index) => open(app, KINDS[index % 2]!, '?user=raced')));
        const racing = opened.flatMap(({ token }) =>
          times(4, (index) => ask(app, upstream(token, 'hush', 'text/plain', index === 3 ? 'DELETE' : 'POST'))),
        );
        await app.order('revoke', { user: 'raced' });
        for (const { status } of await Promise.all(racing)) expect([204, 404]).toContain(status);
      }
      await app.until('all to end', ({ stats }) => stats.current === 1);
    });
  });

  describe('clients that reset their connections', () => {
    beforeAll(() => start({ GRACE_TIME: 0.2 }));
    afterAll(() => app.stop());
    beforeEach(() => app.begin());
    // Only the grace time ends the connections that these clients leave
    afterEach(() => app.expectCalm(12));

    const half = (parts: Parameters<typeof httpRequest>[0], share: number) => {
      const bytes = httpRequest(parts);
      return bytes.subarray(0, Math.floor(bytes.length * share));
    };
    const STAGES: [string, (client: RawSocket, token: string, kind: Kind) => unknown][] = [
      ['in the middle of the header', (client, _token, kind) => client.send(half(opening(kind), 0.6))],
      ['with the request', (client, _token, kind) => client.send(httpRequest(opening(kind)))],
      ['while a hook runs', (client, _token, kind) => client.send(httpRequest(opening(kind, '?wait=50')))],
      ['during the refusal', (client, _token, kind) => client.send(httpRequest(opening(kind, '?deny=1')))],
      ['while onOpen runs', (client, _token, kind) => client.send(httpRequest(opening(kind, '?dawdle=50')))],
      ['in the middle of a body', (client, token) => client.send(half(upstream(token, 'x'.repeat(500)), 0.8))],
      ['with a message', (client, token) => client.send(httpRequest(upstream(token, 'hello')))],
      ['with the goodbye', (client, token) => client.send(httpRequest(upstream(token, '', 'text/plain', 'DELETE')))],
    ];

    it.each(STAGES)('50 resets %s leave nothing behind', async (_name, act) => {
      const opened = await Promise.all(times(2, (index) => open(app, KINDS[index]!)));
      await Promise.all(
        times(50, async (index) => {
          const client = await app.connect();
          act(client, opened[index % 2]!.token, KINDS[index % 2]!);
          for (let turns = index % 8; turns > 0; turns--) await new Promise(setImmediate);
          client.reset();
        }),
      );
    });
  });

  describe.each(KINDS)('with bounds of their own, by %s', (kind) => {
    afterEach(async () => {
      await end();
      await app.stop();
    });

    it('refuses one connection too many of the node with 503, and keeps the others', async () => {
      await start({ MAX_CONNECTIONS: 3 });
      const [{ token }] = [await open(app, kind), await open(app, kind === 'sse' ? 'polling' : 'sse')];
      const { status, headers } = await ask(app, opening(kind));
      expect([status, headers['retry-after']]).toEqual([503, '5']);
      expect((await ask(app, upstream(token, 'still here'))).status).toBe(204);
      await app.echo();
      expect(await app.limits()).toEqual({ connections: 1 });
    });

    it('refuses one connection too many of an address with 429, until another ends', async () => {
      await start({ MAX_CONNECTIONS_PER_ADDRESS: 3 });
      const [{ token }] = [await open(app, kind), await open(app, kind === 'sse' ? 'polling' : 'sse')];
      const { status, headers } = await ask(app, opening(kind));
      expect([status, headers['retry-after']]).toEqual([429, '5']);
      expect((await ask(app, upstream(token, '', 'text/plain', 'DELETE'))).status).toBe(204);
      await open(app, kind);
      expect(await app.limits()).toEqual({ connectionsPerAddress: 1 });
    });

    it('refuses a body that does not arrive in time with 408', async () => {
      await start({ MESSAGE_TIMEOUT: 0.3 });
      const { token } = await open(app, kind);
      const client = await app.connect();
      client.send(half(token));
      expect((await client.answer()).status).toBe(408);
      expect(await app.limits()).toEqual({ messageTime: 1 });
    });

    const half = (token: string) => httpRequest(upstream(token, 'x'.repeat(500))).subarray(0, -100);
  });
});
