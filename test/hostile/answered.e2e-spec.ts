/** Responses that somebody else has answered, and responses that wait behind others: nothing of them stops the rest. */
import { EventEmitter, once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { WebSocketGateway } from '@nestjs/websockets';
import type { TestApp } from 'nestjs-realtime/testing';
import { bootRoom, renew, type RoomApp, stop } from '../support/apps/transport-app.js';
import { portOf } from '../support/clients/handshake.js';
import { PollingClient, SseClient } from '../support/clients/request-clients.js';
import { httpRequest, RawSocket } from '../support/clients/raw-socket.js';
import { PLATFORMS } from '../support/platforms.js';
import { until, within } from '../support/process-guard.js';

/** The requests that middleware answers itself as soon as the test says so. */
const timer = new EventEmitter();

/** Limits the time of a request, and does not look whether it has been answered meanwhile. */
function timeOut(request: { url: string }, response: ServerResponse, next: () => void): void {
  const { searchParams } = new URL(request.url, 'http://test');
  const how = searchParams.get('late');
  if (how !== null) {
    timer.once('over', () => {
      if (how === 'end') response.end('too late');
      else if (how === 'destroy') response.destroy();
      else if (!response.headersSent) response.writeHead(503, { 'Content-Type': 'text/plain' }).end('too late');
    });
  }
  next();
  timer.emit('begun');
}

const SSE = { headers: { Accept: 'text/event-stream' } };
const sse = (query = '') => httpRequest({ target: `/ws${query}`, ...SSE });
const poll = (query = '') => httpRequest({ target: `/ws?transport=polling${query}` });

/** Its handshake takes until the test says so. */
@WebSocketGateway({ path: '/slow' })
class SlowGateway {
  async onHandshake() {
    timer.emit('shaking');
    await once(timer, 'go');
  }
  onMessage(): void {}
}

describe.each(PLATFORMS)('on $platform', ({ adapter }) => {
  let site: RoomApp;
  let app: TestApp;
  let port: number;
  const clients: RawSocket[] = [];

  const boot = () =>
    bootRoom(
      { pollHold: 5, graceTime: 0.2, closeTimeout: 0.2, shutdownTimeout: 2, maxConnectionRatePerAddress: 0 },
      { providers: [SlowGateway] },
      { adapter: adapter(), configure: (nest) => void nest.use(timeOut) },
    );
  const use = (booted: RoomApp) => {
    site = booted;
    ({ app } = site);
    port = portOf(app);
  };
  beforeAll(async () => use(await boot()));
  afterAll(() => stop(site));
  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy();
    await renew(site);
  });

  const connect = async () => {
    const client = await RawSocket.connect(port);
    clients.push(client);
    return client;
  };
  const opened = (count: number) =>
    until(
      `${count} connections`,
      () => site.room.connections.length,
      (length) => length === count,
    );

  /** Opens an SSE or polling connection whose request the middleware has answered, beside a client that behaves. */
  const ANSWERED: [what: string, how: string, open: (query: string) => Promise<void>][] = [
    ...['writeHead', 'end', 'destroy'].map((how): (typeof ANSWERED)[number] => [
      'an SSE stream',
      how,
      async (query) => (await connect()).send(sse(query)),
    ]),
    ...['writeHead', 'end', 'destroy'].map((how): (typeof ANSWERED)[number] => [
      'a held poll',
      how,
      async (query) => {
        const client = await PollingClient.connect(`${site.url}?transport=polling`);
        const begun = once(timer, 'begun');
        const raw = await connect();
        const headers = { 'x-realtime-token': client.token };
        raw.send(httpRequest({ target: `/ws?transport=polling&position=0&${query.slice(1)}`, headers }));
        await begun;
      },
    ]),
  ];

  describe.each(ANSWERED)('%s that middleware has answered with %s', (_what, how, open) => {
    it('disturbs neither a push nor a disconnect of everybody', async () => {
      await open(`?late=${how}`);
      await opened(1);
      const good = await app.connect('/ws');
      await opened(2);
      timer.emit('over');
      for (const text of ['one', 'two']) {
        await app.server.toEveryone().push(text);
        expect(await good.next()).toBe(text);
      }
      await app.server.toEveryone().disconnect();
      expect(await good.closed()).toMatchObject({ code: 4500 });
      await site.room.closed(2);
    });
  });

  it.each([
    ['an SSE stream', SSE, ''],
    ['a poll', {}, '&transport=polling'],
  ])('opens no connection for %s that middleware has answered during the handshake', async (_what, parts, more) => {
    const before = await app.server.stats();
    const shaking = once(timer, 'shaking');
    const client = await connect();
    client.send(httpRequest({ target: `/slow?late=end${more}`, ...parts }));
    await shaking;
    timer.emit('over');
    expect(await client.answer()).toMatchObject({ status: 200, body: 'too late' });
    timer.emit('go');
    await until(
      'the end of the handshake',
      async () => (await app.server.stats()).unfinished,
      (unfinished) => unfinished === 0,
    );
    expect((await app.server.stats()).accepted).toBe(before.accepted);
  });

  /** Two requests each of SSE and polling, one after the other on one TCP connection. */
  const pipeline = async () => {
    const client = await connect();
    client.send(sse(), poll(), sse(), poll());
    await opened(4);
    return client;
  };

  it.each<[string, (client: RawSocket) => void]>([
    ['resets', (client) => client.reset()],
    ['ends its side', (client) => client.finish()],
    ['goes', (client) => client.destroy()],
  ])('forgets all pipelined requests of a client that %s', async (_how, leave) => {
    const client = await pipeline();
    leave(client);
    expect(await within(5000, 'the end', site.room.closed(4))).toMatchObject({ code: 1006 });
  });

  it('pushes to, and disconnects, others beside pipelined requests', async () => {
    await pipeline();
    const good = await app.connect('/ws');
    await opened(5);
    for (const text of ['one', 'two']) {
      await app.server.toEveryone().push(text);
      expect(await good.next()).toBe(text);
    }
    await app.server.toEveryone().disconnect();
    expect(await good.closed()).toMatchObject({ code: 4500 });
    await site.room.closed(5);
  });

  it('answers a request that waits behind a stream when the stream has ended', async () => {
    const client = await connect();
    client.send(sse(), poll());
    await opened(2);
    await app.server.toEveryone().push('one');
    const [first] = site.room.connections;
    first!.close(4000);
    const stream = await client.answer();
    expect(stream.body).toContain('data: one');
    expect((await client.answer()).body).toContain('"token"');
  });

  it('closes while responses are answered by somebody else or wait behind others', async () => {
    const shared = site;
    use(await boot());
    try {
      await pipeline();
      const answered = await connect();
      answered.send(sse('?late=end'));
      await SseClient.connect(site.url);
      const good = await app.connect('/ws');
      await opened(7);
      timer.emit('over');
      const closing = app.close();
      expect(await good.closed()).toMatchObject({ code: 1001 });
      await within(5000, 'the shutdown', closing);
      expect(site.room.closes).toHaveLength(7);
    } finally {
      for (const client of clients.splice(0)) client.destroy();
      use(shared);
    }
  });
});
