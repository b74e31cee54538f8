/** Who a client is behind a proxy: the platform's own trust settings decide, for the address and for the origin. */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { WebSocketGateway } from '@nestjs/websockets';
import express from 'express';
import { type Connection, type HandshakeRequest, RealtimeModule } from 'nestjs-realtime';
import { type Refusal, type TestApp, TestClient } from 'nestjs-realtime/testing';
import { startApp } from '../support/clients/handshake.js';

type Headers = Readonly<Record<string, string>>;
type Trust = boolean | string;

const PLATFORMS: [name: string, make: (trust?: Trust) => AbstractHttpAdapter][] = [
  [
    'Express',
    (trust) => {
      const app = express();
      if (trust !== undefined) app.set('trust proxy', trust);
      return new ExpressAdapter(app);
    },
  ],
  ['Fastify', (trust) => (trust === undefined ? new FastifyAdapter() : new FastifyAdapter({ trustProxy: trust }))],
];

class Tells {
  onOpen(connection: Connection, request: HandshakeRequest) {
    expect(request.address).toBe(connection.address);
    connection.send(connection.address);
  }
}
@WebSocketGateway({ path: '/ws' })
class Gateway extends Tells {}
@WebSocketGateway({ path: '/bare', middleware: false } as object)
class BareGateway extends Tells {}

const PATHS = ['/ws', '/bare'];

describe.each(PLATFORMS)('Behind a proxy on %s', (_platform, make) => {
  let app: TestApp;
  const start = async (trust?: Trust) => {
    app = await startApp(make(trust), { providers: [Gateway, BareGateway] });
  };
  afterEach(() => app.close());

  async function addressOf(path: string, forwardedFor: string): Promise<unknown> {
    const client = await app.connect(path, { headers: { 'X-Forwarded-For': forwardedFor } });
    const address = await client.next();
    const [info] = (await app.server.list()).items;
    expect(info?.address).toBe(address);
    await client.close();
    return address;
  }

  describe.each(PATHS)('the address of a client on %s', (path) => {
    it.each(['203.0.113.9', '203.0.113.9, 198.51.100.7', '::1', '127.0.0.1', 'nonsense'])(
      'is that of the socket by default, whatever it says of itself: %s',
      async (forged) => {
        await start();
        expect(await addressOf(path, forged)).toBe('127.0.0.1');
      },
    );

    it.each([
      ['203.0.113.9', '203.0.113.9'],
      ['1.1.1.1, 203.0.113.9', '203.0.113.9'],
      ['203.0.113.9, 127.0.0.1', '203.0.113.9'],
      ['1.1.1.1, 203.0.113.9, 127.0.0.2', '203.0.113.9'],
      ['2001:db8::9', '2001:db8::9'],
      ['::ffff:203.0.113.9', '203.0.113.9'],
      ['127.0.0.9', '127.0.0.9'],
      ['nonsense', '127.0.0.1'],
      ['203.0.113.9:4711', '127.0.0.1'],
      ['203.0.113.9 user=admin', '127.0.0.1'],
    ])('is the rightmost one that is not trusted, from a trusted proxy: %s', async (forwardedFor, address) => {
      await start('loopback');
      expect(await addressOf(path, forwardedFor)).toBe(address);
    });

    it('is that of the socket when the proxy is another one than the trusted', async () => {
      await start('192.0.2.0/24');
      expect(await addressOf(path, '203.0.113.9')).toBe('127.0.0.1');
    });
  });

  describe.each(PATHS)('the origin of a page on %s', (path) => {
    const HOST = 'app.example.com';
    const behind = (more: Headers): Headers => ({ Host: 'backend:3000', 'X-Forwarded-Host': HOST, ...more });
    const statusOf = (headers: Headers) =>
      app.connect(path, { headers }).then(
        () => 101,
        ({ status }: Refusal) => status,
      );
    const CASES: [what: string, headers: Headers, trusted: number, untrusted: number][] = [
      ['the forwarded host and scheme', behind({ Origin: `https://${HOST}`, 'X-Forwarded-Proto': 'https' }), 101, 403],
      ['the forwarded host', behind({ Origin: `https://${HOST}` }), 101, 403],
      [
        'the forwarded host, but not the scheme',
        behind({ Origin: `http://${HOST}`, 'X-Forwarded-Proto': 'https' }),
        403,
        403,
      ],
      ['the host behind the proxy', behind({ Origin: 'http://backend:3000' }), 403, 101],
      [
        'the host, but not the forwarded scheme',
        { Host: HOST, Origin: `http://${HOST}`, 'X-Forwarded-Proto': 'https' },
        403,
        101,
      ],
      ['neither', behind({ Origin: 'https://evil.example' }), 403, 403],
    ];

    it.each(CASES)('that is %s is allowed by a trusted proxy only as it says', async (_what, headers, trusted) => {
      await start('loopback');
      expect(await statusOf(headers)).toBe(trusted);
    });

    it.each(CASES)(
      'that is %s is judged without the proxy where it is not trusted',
      async (_what, headers, _trusted, untrusted) => {
        await start();
        expect(await statusOf(headers)).toBe(untrusted);
      },
    );

    it('cannot be made the same by a client that forges the headers', async () => {
      await start();
      const forged = { Host: HOST, 'X-Forwarded-Host': 'evil.example', Forwarded: 'host=evil.example' };
      expect(await statusOf({ ...forged, Origin: 'https://evil.example' })).toBe(403);
    });
  });
});

describe("An Express application's own rule for the address", () => {
  let app: TestApp;
  beforeEach(async () => {
    const own = express();
    Object.defineProperty(own.request, 'ip', { get: () => '203.0.113.77' });
    app = await startApp(new ExpressAdapter(own), { providers: [Gateway, BareGateway] });
  });
  afterEach(() => app.close());

  it.each(PATHS)('counts on %s, without any forwarding header', async (path) => {
    const client = await app.connect(path);
    expect(await client.next()).toBe('203.0.113.77');
  });
});

describe.each(PLATFORMS)('On a socket for both versions of IP, on %s', (_platform, make) => {
  it.each([
    ['127.0.0.1', '127.0.0.1'],
    ['[::1]', '::1'],
  ])('the address of a client that connects to %s is %s', async (host, address) => {
    const moduleRef = await Test.createTestingModule({
      imports: [RealtimeModule.forRoot({ envFile: false })],
      providers: [Gateway, BareGateway],
    }).compile();
    const nest = moduleRef.createNestApplication(make(), { logger: false });
    await nest.listen(0, '::');
    const { port } = (nest.getHttpServer() as Server).address() as AddressInfo;
    for (const path of PATHS) {
      const client = await TestClient.connect(`ws://${host}:${port}${path}`);
      expect(await client.next()).toBe(address);
      await client.close();
    }
    await nest.close();
  });
});
