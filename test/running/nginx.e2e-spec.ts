/** The configuration of docs/nginx.md in a real nginx, in front of the demo and of a gateway that tells addresses. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
import { until, within } from '../support/process-guard.js';

/** nginx connects from 127.0.0.1; clients come from elsewhere, as they do. */
const PROXY = '127.0.0.1';
const CLIENT = '127.0.0.9';

const READ_TIMEOUT_S = 1;
const PING_INTERVAL_S = 0.3;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

class Nginx {
  private constructor(
    private readonly child: ChildProcess,
    private readonly folder: string,
    readonly port: number,
  ) {}

  /** Starts one with the configuration of the docs, on a free port. @throws Error when it does not run */
  static async start(appPort: number): Promise<Nginx> {
    const folder = await mkdtemp(join(tmpdir(), 'nginx-'));
    const port = await freePort();
    const path = join(folder, 'nginx.conf');
    await writeFile(path, configuration(await documented(), folder, { port, appPort }));
    const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` };
    const child = spawn('nginx', ['-p', folder, '-c', path, '-e', 'stderr'], {
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const nginx = new Nginx(child, folder, port);
    await nginx.listening();
    return nginx;
  }

  private async listening(): Promise<void> {
    let output = '';
    this.child.stderr!.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const failed = new Promise<never>((_resolve, reject) => {
      this.child.once('error', (error) =>
        reject(new Error(`nginx does not start (npm run test:setup): ${error.message}`)),
      );
      this.child.once('exit', (code) => reject(new Error(`nginx has ended with ${code}:\n${output}`)));
    });
    const answers = () =>
      fetch(`http://127.0.0.1:${this.port}/`).then(
        () => true,
        () => false,
      );
    await Promise.race([until('nginx to listen', answers, Boolean), failed]);
    failed.catch(() => {});
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null) {
      this.child.kill('SIGTERM');
      await once(this.child, 'exit');
    }
    await rm(this.folder, { recursive: true });
  }
}

/** The first configuration in the docs. */
async function documented(): Promise<string> {
  const text = await readFile(new URL('../../docs/nginx.md', import.meta.url), 'utf8');
  const found = /^```nginx\n(.*?)^```$/ms.exec(text);
  if (!found) throw new Error('docs/nginx.md holds no configuration');
  return found[1]!;
}

/** A whole file around it, in one process that belongs to the test; only ports and the timeout are other ones. */
function configuration(text: string, folder: string, { port, appPort }: { port: number; appPort: number }): string {
  const changes: [string, string][] = [
    ['listen 80;', `listen 127.0.0.1:${port};`],
    ['server 127.0.0.1:3000;', `server 127.0.0.1:${appPort};`],
    ['proxy_read_timeout 60s;', `proxy_read_timeout ${READ_TIMEOUT_S}s;`],
  ];
  for (const [from, to] of changes) {
    if (text.split(from).length !== 2) throw new Error(`docs/nginx.md has not exactly one "${from}"`);
    text = text.replace(from, to);
  }
  const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  return `daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log stderr error;
events {}
http {
access_log off;
${folders.join('\n')}
${text}}
`;
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
  imports: [RealtimeModule.forRoot({ envFile: false, heartbeatPingInterval: PING_INTERVAL_S, ...options })],
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
  nginx = await Nginx.start(portOf(nest));
}
const url = (path: string) => `ws://127.0.0.1:${nginx.port}${path}`;

afterEach(async () => {
  await nest.close();
  await nginx.stop();
});

describe('Through nginx', () => {
  it('the demo serves its page and chats, on one server name', async () => {
    await start(AppModule, new ExpressAdapter());
    const page = await fetch(`http://127.0.0.1:${nginx.port}/`);
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    const clients = [await TestClient.connect(url('/ws')), await TestClient.connect(url('/ws'))];
    for (const client of clients) expect(await frameOf(client)).toMatchObject({ type: 'welcome' });
    clients[0]!.send({ type: 'connect', text: 'Ann' });
    for (const client of clients) expect(await frameOf(client)).toMatchObject({ type: 'connect' });
    clients[0]!.send({ type: 'message', text: 'hello, all' });
    for (const client of clients) {
      expect(await frameOf(client)).toMatchObject({ type: 'message', data: { name: 'Ann', text: 'hello, all' } });
    }
    for (const client of clients) expect(await client.close()).toEqual({ code: 1000, reason: '' });
  });

  async function frameOf(client: TestClient): Promise<unknown> {
    return JSON.parse((await client.next()) as string);
  }

  it('a connection that is silent outlives the timeout of nginx thanks to the pings', async () => {
    await start(withWhere(), new ExpressAdapter());
    const client = await TestClient.connect(url('/where'), { timeoutMs: 10_000 });
    await client.next();
    const startedAt = performance.now();
    const pings = Math.ceil((3 * READ_TIMEOUT_S) / PING_INTERVAL_S);
    for (let count = 0; count < pings; count++) await within(2000, 'a ping', once(client.socket, 'ping'));
    expect(performance.now() - startedAt).toBeGreaterThan(2000 * READ_TIMEOUT_S);
    client.send('still there');
    expect(await client.next()).toBe('still there');
    await client.close();
  });

  it('a connection that is silent is cut where there are no pings', async () => {
    await start(withWhere({ heartbeatPingInterval: 0 }), new ExpressAdapter());
    const client = await TestClient.connect(url('/where'));
    expect((await client.closed()).code).toBe(1006);
  });

  it('a restart of the application is a close with 1001, and the next attempt that finds it succeeds', async () => {
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
  /** What the application takes for the address of a client. */
  async function addressSeen(headers: Record<string, string> = {}): Promise<string> {
    const socket = new WebSocket(url('/where'), { localAddress: CLIENT, headers });
    const [data] = (await within(5000, 'the address', once(socket, 'message'))) as [Buffer];
    socket.terminate();
    return data.toString();
  }
  const forged = { 'X-Forwarded-For': '203.0.113.9', Forwarded: 'for=203.0.113.9', 'X-Real-IP': '203.0.113.9' };

  it("the address is the client's when the proxy is trusted, whatever the client says of itself", async () => {
    await start(withWhere(), make(PROXY));
    expect(await addressSeen()).toBe(CLIENT);
    expect(await addressSeen(forged)).toBe(CLIENT);
  });

  it("the address is the proxy's when it is not trusted, whatever the client says of itself", async () => {
    await start(withWhere(), make());
    expect(await addressSeen()).toBe(PROXY);
    expect(await addressSeen(forged)).toBe(PROXY);
  });

  it('the address that a client forges on its way around the proxy is not believed', async () => {
    await start(withWhere(), make(PROXY));
    const socket = new WebSocket(`ws://127.0.0.1:${portOf(nest)}/where`, { localAddress: CLIENT, headers: forged });
    const [data] = (await within(5000, 'the address', once(socket, 'message'))) as [Buffer];
    expect(data.toString()).toBe(CLIENT);
    socket.terminate();
  });

  it.each([
    [
      'of its own',
      (port: number) => ({ host: `app.example.com:${port}`, origin: `http://app.example.com:${port}` }),
      101,
    ],
    ['of another port', (port: number) => ({ host: `app.example.com:${port}`, origin: 'http://app.example.com' }), 403],
    ['of another site', (port: number) => ({ host: `app.example.com:${port}`, origin: 'https://evil.example' }), 403],
  ])('a page %s is judged by the host that the browser sees', async (_which, headersOf, expected) => {
    await start(withWhere(), make(PROXY));
    const status = await TestClient.connect(url('/where'), { headers: headersOf(nginx.port) }).then(
      () => 101,
      (error: Refusal) => error.status,
    );
    expect(status).toBe(expected);
  });

  it('HTTP and WebSocket share one server name, and keep-alive works for HTTP', async () => {
    await start(withWhere(), make(PROXY));
    const connections: unknown[] = [];
    (nest.getHttpServer() as Server).on('connection', (socket) => connections.push(socket));
    for (let count = 0; count < 5; count++) {
      expect(await (await fetch(`http://127.0.0.1:${nginx.port}/page`)).text()).toBe('a page');
    }
    expect(connections.length).toBeLessThan(5);
    expect(await addressSeen()).toBe(CLIENT);
  });
});
