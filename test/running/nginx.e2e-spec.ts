/** The configuration of docs/nginx.md in a real nginx, in front of the demo and of a gateway that sends addresses. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Controller, Get, type INestApplication, type Type } from '@nestjs/common';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { WebSocketGateway } from '@nestjs/websockets';
import express from 'express';
import { type Connection, type Message, RealtimeModule, type RealtimeOptions } from 'nestjs-realtime';
import { type Refusal, TestClient } from 'nestjs-realtime/testing';
import { WebSocket } from 'ws';
import { AppModule } from '../../src/app.module.js';
import { Nginx, type Servers } from '../support/nginx.js';
import { within } from '../support/process-guard.js';

/** nginx connects from 127.0.0.1, and clients connect from another address. */
const PROXY = '127.0.0.1';
const CLIENT = '127.0.0.9';

const READ_TIMEOUT_MS = 600;
const PING_INTERVAL_MS = 150;

/** The first configuration in the docs. */
async function documented(): Promise<string> {
  const text = await readFile(new URL('../../docs/nginx.md', import.meta.url), 'utf8');
  const found = /^```nginx\n(.*?)^```$/ms.exec(text);
  if (!found) throw new Error('docs/nginx.md holds no configuration');
  return found[1]!;
}

/** The configuration of the docs with the ports and the timeout of this test. */
async function configured(appPort: number): Promise<Servers> {
  const text = await documented();
  return (port) =>
    [
      ['listen 80;', `listen 127.0.0.1:${port};`],
      ['server 127.0.0.1:3000;', `server 127.0.0.1:${appPort};`],
      ['proxy_read_timeout 60s;', `proxy_read_timeout ${READ_TIMEOUT_MS}ms;`],
    ].reduce((changed, [from, to]) => {
      if (changed.split(from!).length !== 2) throw new Error(`docs/nginx.md has not exactly one "${from}"`);
      return changed.replace(from!, to!);
    }, text);
}

@WebSocketGateway({ path: '/where' })
class Where {
  onOpen(connection: Connection) {
    connection.send(connection.address);
  }
  onMessage(connection: Connection, message: Message) {
    connection.send(message.text());
  }
}

@Controller()
class Page {
  @Get('page')
  page() {
    return 'a page';
  }
}

async function startNest(module: Type | object, adapter: AbstractHttpAdapter, port = 0): Promise<INestApplication> {
  const moduleRef = await Test.createTestingModule({ imports: [module as Type] }).compile();
  const nest = moduleRef.createNestApplication(adapter, { logger: false });
  await nest.listen(port, '127.0.0.1');
  return nest;
}
const portOf = (nest: INestApplication) => ((nest.getHttpServer() as Server).address() as AddressInfo).port;

const withWhere = (options: RealtimeOptions = {}) => ({
  module: class WhereModule {},
  imports: [RealtimeModule.forRoot({ envFile: false, heartbeatPingInterval: PING_INTERVAL_MS / 1000, ...options })],
  controllers: [Page],
  providers: [Where],
});

const expressThat = (trust?: string) => {
  const app = express();
  if (trust !== undefined) app.set('trust proxy', trust);
  return new ExpressAdapter(app);
};
const fastifyThat = (trust?: string) => new FastifyAdapter(trust === undefined ? {} : { trustProxy: trust });

let nest: INestApplication;
let nginx: Nginx;

async function start(module: Type | object, adapter: AbstractHttpAdapter) {
  nest = await startNest(module, adapter);
  nginx = await Nginx.start(await configured(portOf(nest)));
}
const url = (path: string) => `ws://127.0.0.1:${nginx.port}${path}`;

async function stop() {
  await nest.close();
  await nginx.stop();
}

describe('Through nginx', () => {
  afterEach(stop);

  it('the demo serves its page and chats through nginx on one server name', async () => {
    await start(AppModule, new ExpressAdapter());
    const page = await fetch(`http://127.0.0.1:${nginx.port}/`);
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    const clients = [await TestClient.connect(url('/ws?name=Ann')), await TestClient.connect(url('/ws?name=Bob'))];
    for (const client of clients) expect(await client.next('welcome')).toMatchObject({ id: expect.any(String) });
    await clients[0]!.request('say', { text: 'hello, all' });
    for (const client of clients) {
      expect(await client.next('message')).toMatchObject({ from: 'Ann', text: 'hello, all' });
    }
    for (const client of clients) expect(await client.close()).toEqual({ code: 1000, reason: '' });
  });

  it('a silent connection outlives the timeout of nginx thanks to the pings', async () => {
    await start(withWhere(), new ExpressAdapter());
    const client = await TestClient.connect(url('/where'), { timeoutMs: 10_000 });
    await client.next();
    const startedAt = performance.now();
    const pings = Math.ceil((3 * READ_TIMEOUT_MS) / PING_INTERVAL_MS);
    for (let count = 0; count < pings; count++) await within(2000, 'a ping', once(client.socket, 'ping'));
    expect(performance.now() - startedAt).toBeGreaterThan(2 * READ_TIMEOUT_MS);
    client.send('still there');
    expect(await client.next()).toBe('still there');
    await client.close();
  });

  it('nginx cuts a silent connection where there are no pings', async () => {
    await start(withWhere({ heartbeatPingInterval: 0 }), new ExpressAdapter());
    const client = await TestClient.connect(url('/where'));
    expect((await client.closed()).code).toBe(1006);
  });

  it('a restart of the application closes with 1001, and an attempt after it succeeds', async () => {
    await start(withWhere(), new ExpressAdapter());
    const port = portOf(nest);
    const client = await TestClient.connect(url('/where'));
    await nest.close();
    expect((await client.closed()).code).toBe(1001);
    const refused = await TestClient.connect(url('/where')).then(
      () => undefined,
      (error: Refusal) => error.status,
    );
    expect(refused).toBe(502);
    nest = await startNest(withWhere(), new ExpressAdapter(), port);
    const again = await TestClient.connect(url('/where'));
    again.send('back again');
    await again.next();
    expect(await again.next()).toBe('back again');
    await again.close();
  });
});

describe.each([
  ['Express', expressThat],
  ['Fastify', fastifyThat],
] as [string, (trust?: string) => AbstractHttpAdapter][])('Through nginx to %s', (_platform, make) => {
  /** Connects through nginx. @returns the address of the client as the application sees it */
  async function addressSeen(headers: Record<string, string> = {}): Promise<string> {
    const socket = new WebSocket(url('/where'), { localAddress: CLIENT, headers });
    const [data] = (await within(5000, 'the address', once(socket, 'message'))) as [Buffer];
    socket.terminate();
    return data.toString();
  }
  const forged = { 'X-Forwarded-For': '203.0.113.9', Forwarded: 'for=203.0.113.9', 'X-Real-IP': '203.0.113.9' };

  describe('where the application trusts the proxy', () => {
    beforeAll(() => start(withWhere(), make(PROXY)));
    afterAll(stop);

    it("the address is the client's when the proxy is trusted, whatever the client claims", async () => {
      expect(await addressSeen()).toBe(CLIENT);
      expect(await addressSeen(forged)).toBe(CLIENT);
    });

    it('the address that a client forges on its way around the proxy is ignored', async () => {
      const socket = new WebSocket(`ws://127.0.0.1:${portOf(nest)}/where`, { localAddress: CLIENT, headers: forged });
      const [data] = (await within(5000, 'the address', once(socket, 'message'))) as [Buffer];
      expect(data.toString()).toBe(CLIENT);
      socket.terminate();
    });

    it.each([
      [
        'of the same origin',
        (port: number) => ({ host: `app.example.com:${port}`, origin: `http://app.example.com:${port}` }),
        101,
      ],
      [
        'of another port',
        (port: number) => ({ host: `app.example.com:${port}`, origin: 'http://app.example.com' }),
        403,
      ],
      ['of another site', (port: number) => ({ host: `app.example.com:${port}`, origin: 'https://evil.example' }), 403],
    ])('a page %s is judged by the host that the browser sees', async (_which, headersOf, expected) => {
      const status = await TestClient.connect(url('/where'), { headers: headersOf(nginx.port) }).then(
        () => 101,
        (error: Refusal) => error.status,
      );
      expect(status).toBe(expected);
    });

    it('HTTP and WebSocket share one server name, and keep-alive works for HTTP', async () => {
      const connections: unknown[] = [];
      (nest.getHttpServer() as Server).on('connection', (socket) => connections.push(socket));
      for (let count = 0; count < 5; count++) {
        expect(await (await fetch(`http://127.0.0.1:${nginx.port}/page`)).text()).toBe('a page');
      }
      expect(connections.length).toBeLessThan(5);
      expect(await addressSeen()).toBe(CLIENT);
    });
  });

  describe('where the application does not trust the proxy', () => {
    beforeAll(() => start(withWhere(), make()));
    afterAll(stop);

    it("the address is the proxy's when it is not trusted, whatever the client claims", async () => {
      expect(await addressSeen()).toBe(PROXY);
      expect(await addressSeen(forged)).toBe(PROXY);
    });
  });
});
