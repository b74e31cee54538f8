/** A client that resets its connection while the body of its request is read: this is not a fault of the application. */
import { once } from 'node:events';
import type { Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { ArgumentsHost, Body, Catch, Controller, Post } from '@nestjs/common';
import { BaseExceptionFilter } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { createTestApp, type TestApp } from 'nestjs-realtime/testing';
import { bootRoom, Lines, type RoomApp, stop } from '../support/apps/transport-app.js';
import { SseClient } from '../support/clients/request-clients.js';
import { PLATFORMS } from '../support/platforms.js';
import { within } from '../support/process-guard.js';

@Controller()
class Echo {
  @Post('echo')
  echo(@Body() body: unknown): unknown {
    return body;
  }
}

/** Keeps the errors apart. */
class Errors extends Lines {
  readonly errors: string[] = [];
  override readonly error = (message: unknown) => void this.errors.push(String(message));
}

type Headers = Readonly<Record<string, string>>;

/** The ways in which a body is announced. */
const BODIES: readonly Headers[] = ['application/json', 'text/plain'].flatMap((type): Headers[] => [
  { 'Content-Type': type, 'Content-Length': '100' },
  { 'Content-Type': type, 'Transfer-Encoding': 'chunked' },
]);

/** Sends the beginning of a request, and resets the connection once the server has it. */
async function reset({ app, url }: TestApp, start: string, headers: Headers): Promise<void> {
  const server = app.getHttpServer() as Server;
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const requested = once(server, 'request');
  const client = connect(Number(new URL(url).port), '127.0.0.1');
  client.on('error', () => {});
  const [socket] = await accepted;
  const lines = Object.entries({ Host: 'x', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  client.write(`${start} HTTP/1.1\r\n${lines.join('')}\r\n3\r\nabc`);
  await within(5000, `${start} to arrive`, requested);
  const closed = new Promise((resolve) => socket.on('close', resolve));
  client.resetAndDestroy();
  await within(5000, 'the end of the connection', closed);
  // Whatever follows from the end of that connection has followed when another request is answered
  await fetch(`${url}/nothing`);
}

const H2C = { Connection: 'Upgrade, HTTP2-Settings', Upgrade: 'h2c', 'HTTP2-Settings': 'AAMAAABkAAQAAP__' };
const token = (value: string) => ({ 'X-Realtime-Token': value });
const OPEN = 'of an open connection';

const REQUESTS: readonly [string, string, Headers][] = [
  ['POST /ws', 'with a token that is unknown', token('a'.repeat(32))],
  ['POST /ws', 'with the token of an open connection', token(OPEN)],
  ['POST /ws', 'with the token of an open connection and an offer of h2c', { ...token(OPEN), ...H2C }],
  ['POST /ws', 'without a token', {}],
  ['POST /ws', 'without a token and with an offer of h2c', H2C],
  ['DELETE /ws', 'with the token of an open connection', token(OPEN)],
  ['DELETE /ws', 'without a token', {}],
  ['PUT /ws', 'without a token', {}],
  ['GET /ws', 'without a token', {}],
];

describe.each(PLATFORMS)(
  "a client that resets in the middle of a body, on a gateway's path, on $platform",
  (platform) => {
    const lines = new Errors();
    let site: RoomApp;
    beforeAll(async () => {
      site = await bootRoom({ maxFailedHandshakes: 0 }, {}, { adapter: platform.adapter(), logger: lines });
    });
    afterAll(() => stop(site));

    it.each(REQUESTS)('is not logged as an error: %s %s', async (start, _title, headers) => {
      const isOpen = headers['X-Realtime-Token'] === OPEN;
      for (const body of BODIES) {
        const own = isOpen ? token((await SseClient.connect(site.url)).token) : {};
        await reset(site.app, start, { ...headers, ...own, ...body });
      }
      expect(lines.errors).toEqual([]);
    });

    it('gets 404 for a whole body without a token, as on any other path', async () => {
      const [ours, other] = await Promise.all(
        [site.url, `${site.app.url}/nothing`].map((url) => fetch(url, { method: 'POST', body: '{"a":1}' })),
      );
      expect([ours!.status, other!.status]).toEqual([404, 404]);
    });
  },
);

/** The recipe of docs/troubleshooting.md. */
@Catch()
class IgnoreResets extends BaseExceptionFilter {
  override catch(error: unknown, host: ArgumentsHost): void {
    if ((error as { code?: unknown } | null)?.code !== 'ECONNRESET') super.catch(error, host);
  }
}

describe("a client that resets in the middle of a body, on an application's own route on Fastify", () => {
  const lines = new Errors();
  const apps: TestApp[] = [];
  afterEach(async () => {
    lines.errors.length = 0;
    for (const app of apps.splice(0)) await app.close();
  });

  /** An application without this module. */
  async function withoutModule(configure: Parameters<typeof createTestApp>[1] = {}): Promise<TestApp> {
    const moduleRef = await Test.createTestingModule({ controllers: [Echo] }).compile();
    const app = await createTestApp(moduleRef, { ...configure, adapter: new FastifyAdapter(), logger: lines });
    apps.push(app);
    return app;
  }

  it('is logged by Nest as an error in an application without this module', async () => {
    const app = await withoutModule();
    await reset(app, 'POST /echo', BODIES[0]!);
    expect(lines.errors).toEqual(['Error: aborted']);
  });

  it('is not logged where a global filter ignores ECONNRESET', async () => {
    const app = await withoutModule({
      configure: (nest) => void nest.useGlobalFilters(new IgnoreResets(nest.getHttpAdapter())),
    });
    await reset(app, 'POST /echo', BODIES[0]!);
    expect(lines.errors).toEqual([]);
  });
});
