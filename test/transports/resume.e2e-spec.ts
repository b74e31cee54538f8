/** How a connection survives between requests, for how long, and that nothing of it is left afterwards. */
import type { Server } from 'node:http';
import { connect as connectTcp, type Socket } from 'node:net';
import { jest } from '@jest/globals';
import type { RealtimeOptions } from 'nestjs-realtime';
import { PLATFORMS } from '../support/platforms.js';
import { countConnections, seeded, until, untilConnections, within } from '../support/process-guard.js';
import { RawSocket } from '../support/clients/raw-socket.js';
import { PollingClient, SseClient } from '../support/clients/request-clients.js';
import { SteadySse } from '../support/clients/steady-clients.js';
import { cookieOf, TestStore, useSessions } from '../support/apps/sessions.js';
import { RoomApps } from '../support/apps/room-apps.js';
import { bootRoom, Doorkeeper, renew, type RoomApp } from '../support/apps/transport-app.js';

jest.setTimeout(30_000);

interface Batch {
  readonly id?: string;
  readonly token?: string;
  readonly position?: number;
  readonly messages: string[];
  readonly close?: { code: number; reason: string };
}

const KINDS = { sse: SseClient, polling: PollingClient } as const;
type Kind = keyof typeof KINDS;

/** The tests open many connections from one address. */
const UNBOUNDED: RealtimeOptions = {
  maxConnectionsPerAddress: 0,
  maxConnectionRatePerAddress: 0,
  maxConnectionRate: 0,
};

describe.each(PLATFORMS)('on $platform', ({ adapter }) => {
  const apps = new RoomApps();
  const store = new TestStore();
  const clients: { vanish(): void }[] = [];
  let site: RoomApp;

  const start = (options: RealtimeOptions) => {
    const configure = (app: Parameters<typeof useSessions>[0]) => useSessions(app, store);
    const bounds = { graceTime: 5, closeTimeout: 0.05, shutdownTimeout: 3, ...UNBOUNDED, ...options };
    return bootRoom(bounds, {}, { adapter: adapter(), configure });
  };
  /** Gives the test an application with these options. */
  const boot = async (options: RealtimeOptions = {}) => {
    site = await apps.use(JSON.stringify(options), () => start(options));
  };
  /** As `boot`, for a test that stops it or counts its sockets. */
  const bootAlone = async (options: RealtimeOptions = {}) => {
    site = await apps.useAlone(() => start(options));
  };
  const connect = async <K extends Kind>(kind: K, headers?: Record<string, string>) => {
    const client = (await KINDS[kind].connect(site.url, headers)) as InstanceType<(typeof KINDS)[K]>;
    clients.push(client);
    return client;
  };
  const push = (...texts: string[]) => Promise.all(texts.map((text) => site.app.server.toEveryone().push(text)));
  const poll = async (token: string | undefined, position = 0): Promise<Batch & { status: number }> => {
    const headers: Record<string, string> = token === undefined ? {} : { 'x-realtime-token': token };
    const answer = await fetch(`${site.url}?transport=polling&position=${position}`, { headers });
    return { status: answer.status, ...((await answer.json()) as Batch) };
  };
  const port = () => Number(new URL(site.url).port);
  const server = () => site.app.app.getHttpServer() as Server;
  /** The guard lets the next request wait. `asked` waits until it has been asked so often; later requests do not wait. */
  const slowGuard = () => {
    const doorkeeper = site.app.app.get(Doorkeeper);
    let letIn = () => {};
    doorkeeper.wait = new Promise<void>((resolve) => (letIn = resolve));
    const asked = async (times: number) => {
      await until(
        'the guard',
        () => doorkeeper.asked,
        (count) => count === times,
      );
      doorkeeper.wait = undefined;
    };
    return { letIn: () => letIn(), asked };
  };

  afterEach(async () => {
    for (const client of clients.splice(0)) client.vanish();
    await apps.renew();
    store.texts.clear();
  });
  afterAll(() => apps.stop());

  describe('a dropped stream', () => {
    it('a dropped stream that comes back within the grace time continues without loss or repetition', async () => {
      await boot();
      const client = await connect('sse');
      await push('1', '2', '3');
      for (const text of ['1', '2', '3']) expect(await client.next()).toBe(text);
      client.vanish();
      await push('4', '5');
      expect(await client.open()).toBe(200);
      await push('6');
      for (const text of ['4', '5', '6']) expect(await client.next()).toBe(text);
      expect(client.recovered).toBe(true);
      expect(site.room.connections).toHaveLength(1);
      expect(site.room.closes).toEqual([]);
    });

    it('a dropped stream repeats messages that were written and did not arrive', async () => {
      await boot();
      const client = await connect('sse');
      await push('1', '2', '3');
      for (const text of ['1', '2', '3']) expect(await client.next()).toBe(text);
      client.vanish();
      client.lastEventId = `${client.token}.1`;
      await client.open();
      for (const text of ['2', '3']) expect(await client.next()).toBe(text);
      expect(client.recovered).toBe(true);
    });

    it('a new stream takes over from one whose loss was not noticed', async () => {
      await boot();
      const half = await RawSocket.connect(port());
      half.send('GET /ws HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n');
      await until(
        'the connection',
        () => site.room.connections.length,
        (length) => length === 1,
      );
      const text = () => String((half as unknown as { unread: Buffer }).unread);
      await until('the token', text, (head) => head.includes('"token"'));
      const client = new SseClient(site.url, {});
      clients.push(client);
      client.lastEventId = /id: (\S+)/.exec(text())![1]!;
      await client.open();
      await half.ended();
      await push('for the newer');
      expect(await client.next()).toBe('for the newer');
      expect(site.room.connections).toHaveLength(1);
    });

    it('a newer stream is not cut by a reconnect whose client left during its guard', async () => {
      await boot();
      const client = await connect('sse');
      await push('1');
      expect(await client.next()).toBe('1');
      client.vanish();
      let letIn = () => {};
      site.app.app.get(Doorkeeper).wait = new Promise<void>((resolve) => (letIn = resolve));
      const hasty = await RawSocket.connect(port());
      hasty.send(
        `GET /ws HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nLast-Event-ID: ${client.lastEventId}\r\n\r\n`,
      );
      const asked = () => site.app.app.get(Doorkeeper).asked;
      await until('the guard of the hasty client', asked, (count) => count === 2);
      site.app.app.get(Doorkeeper).wait = undefined;
      await client.open();
      const before = await countConnections(server());
      hasty.destroy();
      await untilConnections(server(), before - 1);
      letIn();
      await new Promise(setImmediate);
      await push('2', '3');
      for (const text of ['2', '3']) expect(await client.next()).toBe(text);
      expect(await countConnections(server())).toBe(before - 1);
    });

    it('a newer stream is not cut by an older reconnect whose guard takes longer: that one gets 204', async () => {
      await boot();
      const client = await connect('sse');
      await push('1');
      expect(await client.next()).toBe('1');
      client.vanish();
      const { letIn, asked } = slowGuard();
      const older = await RawSocket.connect(port());
      older.send(
        `GET /ws HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nLast-Event-ID: ${client.lastEventId}\r\n\r\n`,
      );
      await asked(2);
      await client.open();
      letIn();
      expect((await older.answer()).status).toBe(204);
      older.destroy();
      await push('2', '3');
      for (const text of ['2', '3']) expect(await client.next()).toBe(text);
      expect(site.room.connections).toHaveLength(1);
    });

    it('a stream whose client has vanished without a trace ends with the hold time and the grace time', async () => {
      await boot({ sseHold: 0.2, graceTime: 0.2, heartbeatPingInterval: 0.05 });
      const half = await RawSocket.connect(port());
      half.send('GET /ws HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n');
      // It takes what arrives, and never sends again: to the server, a network that lost its client looks the same
      expect(await site.room.closed()).toMatchObject({ code: 1006, wasClean: false });
      half.destroy();
    });

    it('a stream that comes back after its hold time continues without loss or repetition', async () => {
      await boot({ sseHold: 0.1 });
      const client = new SteadySse(site.url);
      const texts = Array.from({ length: 20 }, (_, index) => String(index));
      const count = () => client.messages.length;
      await until(
        'the connection',
        () => client.token,
        (token) => token !== '',
      );
      const streams = () => site.app.app.get(Doorkeeper).asked;
      for (const [index, text] of texts.entries()) {
        await push(text);
        if (index % 5 === 4) await until('the next stream', streams, (asked) => asked > index / 5 + 1);
      }
      await until('all messages', count, (received) => received === texts.length);
      await client.stop();
      expect([client.messages, client.connections, site.room.handshakes]).toEqual([texts, 1, 1]);
    });

    it('a stream that comes back after the grace time is reported as a new connection', async () => {
      await boot({ graceTime: 0.1 });
      const client = await connect('sse');
      const { id } = client;
      await push('1');
      expect(await client.next()).toBe('1');
      client.vanish();
      expect(await site.room.closed()).toMatchObject({ code: 1006, wasClean: false });
      expect(await client.open()).toBe(200);
      expect(client.recovered).toBe(false);
      expect(client.id).not.toBe(id);
      expect(site.room.handshakes).toBe(2);
    });

    it('a stream whose gap exceeds the replay bound is reported as a new connection', async () => {
      await boot({ maxReplayBytes: 2000 });
      const client = await connect('sse');
      for (let i = 0; i < 10; i++) await push('x'.repeat(300));
      for (let i = 0; i < 10; i++) await client.next();
      client.vanish();
      client.lastEventId = `${client.token}.2`;
      await client.open();
      expect(client.recovered).toBe(false);
      expect(await site.room.closed()).toMatchObject({ code: 1006 });
      expect(site.room.connections).toHaveLength(2);
    });

    it.each([1012, 4500])(
      'a stream repeats its last messages when they were lost together with the close %i',
      async (code) => {
        await boot();
        const client = await connect('sse');
        const { token, id } = client;
        await push('one', 'two');
        await site.app.server.disconnect(id, code, 'bye');
        await client.closed();
        const late = new SseClient(site.url, {});
        clients.push(late);
        late.lastEventId = `${token}.1`;
        expect(await late.open()).toBe(200);
        expect([late.id, late.recovered]).toEqual([id, true]);
        expect(await late.next()).toBe('two');
        expect(await late.closed()).toEqual({ code, reason: 'bye' });
        expect(site.room.connections).toHaveLength(1);
        expect(site.room.closes).toHaveLength(1);
      },
    );

    it.each([
      [4500, 204],
      [4501, 204],
      [1000, 204],
      [4001, 200],
      [1012, 200],
    ])('a stream of a connection that was closed with %i is answered with %i', async (code, status) => {
      await boot();
      const client = await connect('sse');
      await site.app.server.disconnect(client.id, code, 'bye');
      expect(await client.closed()).toEqual({ code, reason: 'bye' });
      expect(await client.open()).toBe(status);
      expect(site.room.connections).toHaveLength(status === 200 ? 2 : 1);
    });
  });

  describe('polling', () => {
    it('polling repeats a lost answer, and delivers nothing twice', async () => {
      await boot();
      const { token, id } = await poll(undefined);
      expect(id).toBe(site.room.connections[0]!.id);
      await push('a', 'b');
      expect(await poll(token)).toEqual({ status: 200, position: 2, messages: ['a', 'b'] });
      expect(await poll(token)).toEqual({ status: 200, position: 2, messages: ['a', 'b'] });
      expect(await poll(token, 1)).toEqual({ status: 200, position: 2, messages: ['b'] });
      await push('c');
      expect(await poll(token, 2)).toEqual({ status: 200, position: 3, messages: ['c'] });
      expect(site.room.connections[0]!.bufferedBytes).toBeGreaterThan(0);
    });

    it('polling refuses a request that was overtaken with 409, and keeps the connection', async () => {
      await boot();
      const { token } = await poll(undefined);
      await push('a', 'b');
      await poll(token);
      await push('c');
      await poll(token, 2);
      expect((await poll(token, 0)).status).toBe(409);
      expect(await poll(token, 2)).toMatchObject({ status: 200, position: 3, messages: ['c'] });
      expect(site.room.closes).toEqual([]);
    });

    it('polling answers the older of two polls without messages', async () => {
      await boot();
      const { token } = await poll(undefined);
      const older = poll(token);
      await until(
        'the older poll',
        () => site.seen.requests.length,
        (length) => length === 2,
      );
      const newer = poll(token);
      expect(await older).toEqual({ status: 200, position: 0, messages: [] });
      await push('news');
      expect(await newer).toEqual({ status: 200, position: 1, messages: ['news'] });
    });

    it('polling answers the older of two polls without messages, also when its guard takes longer', async () => {
      await boot();
      const { token } = await poll(undefined);
      const { letIn, asked } = slowGuard();
      const older = poll(token);
      await asked(2);
      const newer = poll(token);
      await asked(3);
      letIn();
      expect(await older).toEqual({ status: 200, position: 0, messages: [] });
      await push('news');
      expect(await newer).toEqual({ status: 200, position: 1, messages: ['news'] });
    });

    it('polling holds a poll without messages for the hold time', async () => {
      await boot({ pollHold: 0.3 });
      const { token } = await poll(undefined);
      const startedAt = performance.now();
      expect(await within(3000, 'the answer', poll(token))).toEqual({ status: 200, position: 0, messages: [] });
      expect(performance.now() - startedAt).toBeGreaterThan(290);
    });

    it('a polling connection ends after the grace time without a poll', async () => {
      await boot({ graceTime: 0.1 });
      const { token } = await poll(undefined);
      expect(await site.room.closed()).toMatchObject({ code: 1006, initiator: 'client' });
      expect((await poll(token)).token).not.toBe(token);
    });

    it('polling reports the close to a client that was away, also when it asks again', async () => {
      await boot({ closeTimeout: 3 });
      const { token } = await poll(undefined);
      await push('last words');
      await site.app.server.disconnect(site.room.connections[0]!.id, 4500, 'bye');
      const close = { code: 4500, reason: 'bye' };
      expect(await poll(token)).toEqual({ status: 200, position: 1, messages: ['last words'], close });
      expect(await poll(token, 1)).toEqual({ status: 200, position: 1, messages: [], close });
      expect(await site.room.closed()).toMatchObject({ code: 4500, wasClean: true });
    });

    it.each([1012, 4500])('polling repeats a last answer that was lost together with the close %i', async (code) => {
      await boot();
      const { token } = await poll(undefined);
      const { id } = site.room.connections[0]!;
      const aborter = new AbortController();
      const headers = { 'x-realtime-token': token! };
      const held = fetch(`${site.url}?transport=polling`, { headers, signal: aborter.signal });
      await until(
        'the poll',
        () => site.seen.requests.length,
        (length) => length === 2,
      );
      site.room.connections[0]!.send('one');
      site.room.connections[0]!.send('two');
      await site.app.server.disconnect(id, code, 'bye');
      expect((await held).status).toBe(200);
      aborter.abort();
      expect(await site.room.closed()).toMatchObject({ code, wasClean: true });
      const close = { code, reason: 'bye' };
      expect(await poll(token)).toEqual({ status: 200, position: 2, messages: ['one', 'two'], close });
      expect(await poll(token, 1)).toEqual({ status: 200, position: 2, messages: ['two'], close });
      expect(site.room.closes).toHaveLength(1);
      expect(site.room.connections).toHaveLength(1);
    });

    it('polling repeats nothing to a client that comes back after the grace time', async () => {
      await boot({ graceTime: 0.1 });
      const { token } = await poll(undefined);
      await push('missed');
      await site.room.closed();
      const next = await poll(token);
      expect(next.token).not.toBe(token);
      expect(next.messages).toEqual([]);
    });

    it('polling reports the close to the client that asked for it', async () => {
      await boot();
      const client = await connect('polling');
      expect(await client.close()).toBe(204);
      expect(await client.closed()).toEqual({ code: 1000, reason: '' });
      expect(await client.close()).toBe(404);
    });

    it('polling bounds the empty messages that wait, and closes the connection with 4001 above the bound', async () => {
      await boot({ maxBufferedBytes: 100_000 });
      await poll(undefined);
      const [connection] = site.room.connections;
      let taken = 0;
      while (taken < 10_000 && connection!.send('')) taken++;
      expect(taken).toBeLessThan(1000);
      expect(await site.room.closed()).toMatchObject({ code: 4001, initiator: 'limit' });
    });
  });

  describe('the heartbeat', () => {
    const BEAT = { heartbeatPingInterval: 0.1, heartbeatIdleTime: 0.4, heartbeatCheckInterval: 0.1 };

    it('the heartbeat of a stream is a comment, and keeps it open beyond the idle time', async () => {
      await boot(BEAT);
      const raw = await RawSocket.connect(port());
      raw.send('GET /ws HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n');
      const comments = () => String((raw as unknown as { unread: Buffer }).unread).split(':\n\n').length - 1;
      await until('ten comments', comments, (count) => count >= 10);
      expect(site.room.closes).toEqual([]);
      raw.destroy();
    });

    it('the heartbeat of polling is the next poll, whatever the hold time', async () => {
      await boot({ ...BEAT, heartbeatPingInterval: 0, pollHold: 20 });
      await connect('polling');
      await until(
        'ten polls',
        () => site.seen.requests.length,
        (count) => count >= 10,
      );
      expect(site.room.closes).toEqual([]);
    });

    it.each(['websocket', 'sse', 'polling'])('the heartbeat closes a silent %s client with 4000', async (transport) => {
      await boot({ ...BEAT, heartbeatPingInterval: 0 });
      if (transport === 'websocket') await site.app.connect('/ws');
      else if (transport === 'sse') await connect('sse');
      else await poll(undefined);
      expect(await site.room.closed()).toMatchObject({ code: 4000, initiator: 'heartbeat' });
    });
  });

  it('a shutdown ends held polls and streams at once', async () => {
    await bootAlone({ pollHold: 25 });
    const [sse, polling] = [await connect('sse'), await connect('polling')];
    await until(
      'the held poll',
      () => site.seen.requests.length,
      (count) => count === 3,
    );
    const startedAt = performance.now();
    await Promise.all([site.app.app.close(), sse.closed(), polling.closed()]);
    expect(performance.now() - startedAt).toBeLessThan(2500);
    for (const client of [sse, polling]) expect(await client.closed()).toMatchObject({ code: 1001 });
    expect(site.room.closes).toMatchObject([{ code: 1001 }, { code: 1001 }]);
  });

  it('a shutdown does not wait for a client that never reads', async () => {
    await bootAlone({ maxSlowTime: 0 });
    const raw = await stuckStream();
    const closing = within(4000, 'the shutdown', site.app.app.close());
    await closing;
    expect(await countConnections(server()).catch(() => 0)).toBe(0);
    raw.destroy();
  });

  /** Opens a stream that is never read, and fills its buffers. */
  async function stuckStream(): Promise<Socket> {
    const socket = connectTcp(port(), '127.0.0.1');
    socket.on('error', () => {}).pause();
    socket.write('GET /ws HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n');
    await until(
      'the connection',
      () => site.room.connections.length,
      (length) => length === 1,
    );
    const [connection] = site.room.connections;
    for (let i = 0; i < 2000 && connection!.bufferedBytes < 500_000; i++) {
      connection!.send('x'.repeat(20_000));
      await new Promise(setImmediate);
    }
    return socket;
  }

  it('a stream that is never read is closed with 4001, and its memory is freed', async () => {
    await boot({ maxBufferedBytes: 600_000 });
    const raw = await stuckStream();
    const [connection] = site.room.connections;
    let most = 0;
    while (connection!.send('x'.repeat(20_000))) most = Math.max(most, connection!.bufferedBytes);
    expect(most).toBeLessThanOrEqual(700_000);
    expect(await site.room.closed()).toMatchObject({ code: 4001, initiator: 'limit' });
    // the bytes in the socket would otherwise stay for as long as the client keeps it open
    await untilConnections(server(), 0);
    raw.destroy();
  });

  it('changes of the session in onHandshake and onOpen are saved before anything is sent', async () => {
    for (const kind of ['sse', 'polling'] as const) {
      await boot();
      site.room.inHandshake = ({ session }) => void ((session as Record<string, unknown>)['visits'] = 1);
      site.room.inOpen = (connection, { session }) => {
        (session as Record<string, unknown>)['opened'] = true;
        connection.send(`opened with ${JSON.stringify(store.stored)}`);
      };
      const client = await connect(kind);
      const first = String(await client.next());
      expect(store.stored).toMatchObject([{ visits: 1, opened: true }]);
      // the session was saved once before the hook ran, and once more before its message was sent
      expect(first).toContain('"visits":1');
      client.vanish();
      await renew(site);
      store.texts.clear();
    }
  });

  it('a session that begins in onHandshake reaches the client and binds the connection', async () => {
    await boot();
    site.room.inHandshake = ({ session }) => void ((session as Record<string, unknown>)['visits'] = 1);
    const answer = await fetch(`${site.url}?transport=polling`);
    const { token } = (await answer.json()) as { token: string };
    const cookie = cookieOf(answer.headers.get('set-cookie'));
    const send = (headers: Record<string, string>) =>
      fetch(site.url, { method: 'POST', headers: { 'x-realtime-token': token, ...headers }, body: 'hi' });
    expect((await send({})).status).toBe(403);
    expect((await send({ cookie })).status).toBe(204);
    const stream = new AbortController();
    const sse = await fetch(site.url, { headers: { accept: 'text/event-stream' }, signal: stream.signal });
    expect(cookieOf(sse.headers.get('set-cookie'))).toMatch(/=/);
    stream.abort();
  });

  it('a close in onOpen waits until the session is saved', async () => {
    // the close waits for the client's second poll, which a busy machine delays
    await boot({ closeTimeout: 10 });
    site.room.inOpen = (connection, { session }) => {
      (session as Record<string, unknown>)['seen'] = true;
      connection.send('go away');
      connection.close(4500, 'not you');
      store.behaviour = 'slowly';
    };
    const connecting = connect('polling');
    let isTold = false;
    void connecting.then((client) => client.closed()).then(() => (isTold = true));
    await until(
      'the save',
      () => store.held.length,
      (length) => length > 0,
    );
    expect(isTold).toBe(false);
    store.behaviour = 'works';
    for (const end of store.held.splice(0)) end();
    const client = await connecting;
    expect(await client.next()).toBe('go away');
    expect(await client.closed()).toEqual({ code: 4500, reason: 'not you' });
  });

  it('a client that goes during its handshake leaves nothing behind', async () => {
    await bootAlone();
    store.behaviour = 'slowly';
    site.room.inHandshake = ({ session }) => void ((session as Record<string, unknown>)['visits'] = 1);
    for (const query of ['', '?transport=polling']) {
      const raw = await RawSocket.connect(port());
      raw.send(`GET /ws${query} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n`);
      await until(
        'the save',
        () => store.held.length,
        (length) => length === 1,
      );
      raw.reset();
      await untilConnections(server(), 0);
      store.held.pop()!();
    }
    await until(
      'no handshake',
      () => site.app.server.stats(),
      ({ unfinished }) => unfinished === 0,
    );
    expect(await apps.counted()).toMatchObject({ accepted: 0 });
    expect(await site.app.server.stats()).toMatchObject({ current: 0 });
    store.behaviour = 'works';
  });

  it('1,000 clients that vanish at any point leave nothing behind', async () => {
    await boot({ graceTime: 0.2, pollHold: 0.3 });
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    const random = seeded(1000);
    const vanish = async (i: number) => {
      const head = ['Accept: text/event-stream', 'Accept: */*'][i % 2]!;
      const request = `GET /ws?transport=polling HTTP/1.1\r\nHost: x\r\n${head}\r\n\r\n`;
      const body = 'POST /ws HTTP/1.1\r\nHost: x\r\nX-Realtime-Token: x\r\nContent-Length: 9\r\n\r\nhalf';
      const bytes = i % 10 === 9 ? body : request.slice(0, i % 3 === 0 ? request.length * random() : undefined);
      const raw = await RawSocket.connect(port());
      raw.send(bytes);
      for (let turns = Math.floor(random() * 12); turns > 0; turns--) await new Promise(setImmediate);
      if (random() < 0.5) raw.reset();
      else raw.destroy();
    };
    for (let i = 0; i < 1000; i += 50) await Promise.all(Array.from({ length: 50 }, (_, n) => vanish(i + n)));
    await untilConnections(server(), 0);
    const isOver = (stats: { current: number; unfinished: number }) => stats.current === 0 && stats.unfinished === 0;
    await until('no connection', () => site.app.server.stats(), isOver);
    const { rooms, users } = await site.app.server.stats();
    const { accepted } = await apps.counted();
    expect({ rooms, users }).toEqual({ rooms: 0, users: 0 });
    expect(accepted).toBeGreaterThan(100);
    expect(site.room.closes).toHaveLength(accepted);
    await until('no timer', timers, (count) => count <= before);
  });
});
