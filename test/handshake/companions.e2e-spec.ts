/** Packages that many applications use between middleware and hooks: nestjs-cls and @nestjs/throttler. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { TestClient } from 'nestjs-realtime/testing';
import { refusalOf } from '../support/clients/handshake.js';
import { PLATFORMS } from '../support/platforms.js';
import { within } from '../support/process-guard.js';
import { RawSocket, upgradeRequest } from '../support/clients/raw-socket.js';

const FIXTURE = fileURLToPath(new URL('../fixtures/companions-app.mjs', import.meta.url));

describe.each(PLATFORMS)('Companion packages on $platform', ({ platform }) => {
  let child: ChildProcess;
  let port: number;

  beforeAll(async () => {
    const env = { ...process.env, NODE_OPTIONS: '', PLATFORM: platform };
    child = fork(FIXTURE, { env, execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    [{ port }] = (await within(20_000, 'the application to listen', once(child, 'message'))) as [{ port: number }];
  }, 25_000);
  afterAll(async () => {
    const exited = once(child, 'exit');
    child.disconnect();
    await within(5000, 'the application to end', exited);
  });

  const connect = (path: string, headers: Record<string, string> = {}) =>
    TestClient.connect(`ws://127.0.0.1:${port}${path}`, { headers });

  it('gives each connection its own nestjs-cls context up to onOpen, and later only with keepContext', async () => {
    const ids = Array.from({ length: 10 }, (_, index) => `id${index}`);
    for (const [path, isKept] of [
      ['/cls', false],
      ['/cls-kept', true],
    ] as const) {
      const clients = await Promise.all(ids.map((id) => connect(path, { 'x-id': id })));
      for (const [index, client] of clients.entries()) {
        const own = { id: ids[index], from: 'onHandshake' };
        expect(await client.next('opened')).toEqual(own);
        client.send('hello');
        expect(await client.next('seen')).toEqual(isKept ? own : {});
        client.vanish();
      }
    }
  });

  it('refuses with the status, body and headers of a route when the guard of @nestjs/throttler does', async () => {
    const statuses: number[] = [];
    for (let count = 0; count < 3; count++) {
      const raw = await RawSocket.connect(port);
      raw.send(upgradeRequest({ target: '/throttled' }));
      const answer = await raw.answer();
      raw.destroy();
      statuses.push(answer.status);
      const route = await fetch(`http://127.0.0.1:${port}/throttled-route`);
      const limits = ['x-ratelimit-limit', 'x-ratelimit-remaining', 'retry-after', 'content-type'];
      for (const name of answer.status === 101 ? limits.slice(0, 2) : limits) {
        expect([name, answer.headers[name]]).toEqual([name, route.headers.get(name) ?? undefined]);
      }
      if (answer.status !== 101) expect([answer.status, answer.body]).toEqual([route.status, await route.text()]);
    }
    expect(statuses).toEqual([101, 101, 429]);
  });

  it('lets the guard of @nestjs/throttler count by address where the middleware is skipped', async () => {
    for (let count = 0; count < 2; count++) (await connect('/throttled-bare')).vanish();
    expect(await refusalOf(connect('/throttled-bare'))).toMatchObject({
      status: 429,
      headers: { 'retry-after': expect.stringMatching(/^\d+$/) },
    });
  });

  it('lets a guard made from that of @nestjs/throttler limit each event per client address or user', async () => {
    const limited = expect.objectContaining({ code: 'http_exception', statusCode: 429 });
    const asks = async (client: TestClient, event: string) => {
      client.send({ event, data: 1, id: 7 });
      return JSON.parse(String(await client.next())) as object;
    };
    const found = { event: 'found', data: 1, id: 7 };
    const refused = { event: 'exception', data: limited, id: 7 };
    const [one, ann, tab, bob] = await Promise.all(
      ['/search', '/user-search?user=ann', '/user-search?user=ann', '/user-search?user=bob'].map((path) =>
        connect(path),
      ),
    );
    expect([await asks(one!, 'search'), await asks(one!, 'search')]).toEqual([found, refused]);
    for (const event of ['other', 'other']) expect(await asks(one!, event)).toEqual({ event, data: 1, id: 7 });
    expect(await asks(one!, 'other')).toEqual(refused);
    expect([await asks(ann!, 'search'), await asks(tab!, 'search')]).toEqual([found, refused]);
    expect(await asks(bob!, 'search')).toEqual(found);
    for (const client of [one, ann, tab, bob]) client!.vanish();
  });
});
