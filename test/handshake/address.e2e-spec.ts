/** The address and the origin of a client behind a proxy, both decided by the platform's own trust settings. */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { WebSocketGateway } from '@nestjs/websockets';
import express from 'express';
import { type Connection, type HandshakeRequest, RealtimeModule } from 'nestjs-realtime';
import { createTestApp, type Refusal, type TestApp, TestClient } from 'nestjs-realtime/testing';
import { Lines } from '../support/apps/transport-app.js';
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

class Addresses {
  onOpen(connection: Connection, request: HandshakeRequest) {
    expect(request.address).toBe(connection.address);
    connection.emit('opened', { id: connection.id, address: connection.address });
  }
}
@WebSocketGateway({ path: '/ws' })
class Gateway extends Addresses {}
@WebSocketGateway({ path: '/bare', middleware: false } as object)
class BareGateway extends Addresses {}

/** The address that the hooks saw of a client. */
const addressSeen = async (client: TestClient) => (await client.next<{ address: string }>('opened')).address;

const PATHS = ['/ws', '/bare'];

describe.each(PLATFORMS)('Behind a proxy on %s', (_platform, make) => {
  const start = (trust?: Trust) =>
    startApp(make(trust), { providers: [Gateway, BareGateway], options: { maxFailedHandshakes: 0 } });
  let trustingNobody: TestApp;
  let trustingUs: TestApp;
  let trustingAnother: TestApp;
  beforeAll(async () => {
    trustingNobody = await start();
    trustingUs = await start('loopback');
    trustingAnother = await start('192.0.2.0/24');
  });
  afterAll(async () => {
    for (const app of [trustingNobody, trustingUs, trustingAnother]) await app.close();
  });

  async function addressOf(app: TestApp, path: string, forwardedFor: string): Promise<string> {
    const client = await app.connect(path, { headers: { 'X-Forwarded-For': forwardedFor } });
    const { id, address } = await client.next<{ id: string; address: string }>('opened');
    expect((await app.server.list()).items.find((info) => info.id === id)).toMatchObject({ address });
    await client.close();
    return address;
  }

  describe.each(PATHS)('the address of a client on %s', (path) => {
    it.each(['203.0.113.9', '203.0.113.9, 198.51.100.7', '::1', '127.0.0.1', 'nonsense'])(
      'takes the address of the socket by default when X-Forwarded-For is %s',
      async (forged) => {
        expect(await addressOf(trustingNobody, path, forged)).toBe('127.0.0.1');
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
    ])("reads a trusted proxy's X-Forwarded-For of %s as the address %s", async (forwardedFor, address) => {
      expect(await addressOf(trustingUs, path, forwardedFor)).toBe(address);
    });

    it('takes the address of the socket when the proxy is not the trusted one', async () => {
      expect(await addressOf(trustingAnother, path, '203.0.113.9')).toBe('127.0.0.1');
    });
  });

  describe.each(PATHS)('the origin of a page on %s', (path) => {
    const HOST = 'app.example.com';
    const behind = (more: Headers): Headers => ({ Host: 'backend:3000', 'X-Forwarded-Host': HOST, ...more });
    const statusOf = (app: TestApp, headers: Headers) =>
      app.connect(path, { headers }).then(
        () => 101,
        ({ status }: Refusal) => status,
      );
    const CASES: [what: string, headers: Headers, trusted: number, untrusted: number][] = [
      ['the forwarded host and scheme', behind({ Origin: `https://${HOST}`, 'X-Forwarded-Proto': 'https' }), 101, 403],
      ['the forwarded host', behind({ Origin: `https://${HOST}` }), 101, 403],
      [
        'the forwarded host with another scheme',
        behind({ Origin: `http://${HOST}`, 'X-Forwarded-Proto': 'https' }),
        403,
        403,
      ],
      ['the host behind the proxy', behind({ Origin: 'http://backend:3000' }), 403, 101],
      [
        'the Host header without the forwarded scheme',
        { Host: HOST, Origin: `http://${HOST}`, 'X-Forwarded-Proto': 'https' },
        403,
        101,
      ],
      ['an unrelated host', behind({ Origin: 'https://evil.example' }), 403, 403],
    ];

    it.each(CASES)('compares an Origin of %s with what a trusted proxy forwards', async (_what, headers, trusted) => {
      expect(await statusOf(trustingUs, headers)).toBe(trusted);
    });

    it.each(CASES)(
      'compares an Origin of %s with the Host header when the proxy is not trusted',
      async (_what, headers, _trusted, untrusted) => {
        expect(await statusOf(trustingNobody, headers)).toBe(untrusted);
      },
    );

    it('refuses a foreign Origin although the client forges forwarding headers that match it', async () => {
      const forged = { Host: HOST, 'X-Forwarded-Host': 'evil.example', Forwarded: 'host=evil.example' };
      expect(await statusOf(trustingNobody, { ...forged, Origin: 'https://evil.example' })).toBe(403);
    });
  });
});

describe.each(PLATFORMS)('A client on the machine of its proxy on %s', (_platform, make) => {
  it.each<[trust: string | undefined, what: string, warnings: number]>([
    ['loopback', 'no warning', 0],
    [undefined, 'a warning', 1],
  ])('leads, where "%s" is trusted, to %s about an unknown proxy', async (trust, _what, warnings) => {
    const moduleRef = await Test.createTestingModule({
      imports: [RealtimeModule.forRoot({ envFile: false })],
      providers: [Gateway, BareGateway],
    }).compile();
    const lines = new Lines();
    const app = await createTestApp(moduleRef, { adapter: make(trust), logger: lines });
    for (const path of PATHS) {
      const client = await app.connect(path, { headers: { 'X-Forwarded-For': '127.0.0.1' } });
      expect(await addressSeen(client)).toBe('127.0.0.1');
      await client.close();
    }
    await app.close();
    expect(lines.warnings.filter((line) => line.includes('does not trust'))).toHaveLength(warnings);
  });
});

describe("An Express application's own rule for the address", () => {
  let app: TestApp;
  beforeAll(async () => {
    const own = express();
    Object.defineProperty(own.request, 'ip', { get: () => '203.0.113.77' });
    app = await startApp(new ExpressAdapter(own), { providers: [Gateway, BareGateway] });
  });
  afterAll(() => app.close());

  it.each(PATHS)("takes the address that an Express application's own rule gives, on %s", async (path) => {
    expect(await addressSeen(await app.connect(path))).toBe('203.0.113.77');
  });
});

describe.each(PLATFORMS)('A socket for both versions of IP on %s', (_platform, make) => {
  it.each([
    ['127.0.0.1', '127.0.0.1'],
    ['[::1]', '::1'],
  ])('gives a client that connects to %s the address %s', async (host, address) => {
    const moduleRef = await Test.createTestingModule({
      imports: [RealtimeModule.forRoot({ envFile: false })],
      providers: [Gateway, BareGateway],
    }).compile();
    const nest = moduleRef.createNestApplication(make(), { logger: false });
    await nest.listen(0, '::');
    const { port } = (nest.getHttpServer() as Server).address() as AddressInfo;
    for (const path of PATHS) {
      const client = await TestClient.connect(`ws://${host}:${port}${path}`);
      expect(await addressSeen(client)).toBe(address);
      await client.close();
    }
    await nest.close();
  });
});
