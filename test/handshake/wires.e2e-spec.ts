/** Network connections that are not plain TCP: unix sockets, TLS on one of them, HTTP/2. */
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import type { INestApplication } from '@nestjs/common';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { WebSocketGateway } from '@nestjs/websockets';
import express from 'express';
import {
  type Connection,
  type HandshakeRequest,
  type Message,
  RealtimeModule,
  type RealtimeOptions,
  RealtimeServer,
} from 'nestjs-realtime';
import { within } from '../support/process-guard.js';
import { frame, httpRequest, parseAnswer, parseFrame, upgradeRequest } from '../support/clients/raw-socket.js';
import { Lines } from '../support/apps/transport-app.js';

class Echo {
  onHandshake({ query }: HandshakeRequest) {
    if (query.has('deny')) throw new Error('no');
  }
  onOpen(connection: Connection) {
    connection.send(connection.address);
  }
  onMessage(connection: Connection, message: Message) {
    connection.send(message.text());
  }
}
@WebSocketGateway({ path: '/ws' })
class Gateway extends Echo {}
@WebSocketGateway({ path: '/bare', middleware: false } as object)
class BareGateway extends Echo {}

let app: INestApplication;
let lines: Lines;
const clients: Socket[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await app.close();
});

let unix = 0;
/** Starts an application on a unix socket. @returns its path */
async function start(adapter: AbstractHttpAdapter, options: RealtimeOptions, more: object = {}): Promise<string> {
  const moduleRef = await Test.createTestingModule({
    imports: [RealtimeModule.forRoot({ envFile: false, ...options })],
    providers: [Gateway, BareGateway],
  }).compile();
  lines = new Lines();
  app = moduleRef.createNestApplication(adapter, { logger: lines, ...more });
  const path = join(tmpdir(), `realtime-${process.pid}-${unix++}.sock`);
  await app.listen(path);
  return path;
}

const stats = () => app.get(RealtimeServer).stats();

/** The bytes of each client that no call has taken. */
const unread = new WeakMap<Socket, Buffer>();

/** Reads until the bytes can be parsed. */
async function read<T>(socket: Socket, parse: (bytes: Buffer) => readonly [T, number] | undefined): Promise<T> {
  for (;;) {
    const bytes = unread.get(socket)!;
    const found = parse(bytes);
    if (found) unread.set(socket, bytes.subarray(found[1]));
    if (found) return found[0];
    await within(5000, 'more bytes', once(socket, 'data'));
  }
}

const nextText = async (socket: Socket) => (await read(socket, parseFrame)).payload.toString();

function track<T extends Socket>(socket: T): T {
  clients.push(socket.on('error', () => {}));
  unread.set(socket, Buffer.alloc(0));
  return socket.on('data', (chunk: Buffer) => unread.set(socket, Buffer.concat([unread.get(socket)!, chunk])));
}

/** Attempts a handshake. @returns the status and, if it is admitted, the address that the hooks saw */
async function knock(path: string, target: string, headers: Record<string, string> = {}) {
  const client = track(connect(path));
  client.write(upgradeRequest({ target, headers }));
  const { status } = await read(client, parseAnswer);
  return status === 101 ? nextText(client) : status;
}

const ADAPTERS: [string, (trust?: number) => AbstractHttpAdapter][] = [
  [
    'Express',
    (trust) => {
      const server = express();
      if (trust !== undefined) server.set('trust proxy', trust);
      return new ExpressAdapter(server);
    },
  ],
  [
    'Fastify',
    (trust = 0) => new FastifyAdapter({ trustProxy: (_address: string, hop: number) => hop < trust } as object),
  ],
];
const FORWARDED = { 'X-Forwarded-For': '203.0.113.9' };

describe.each(ADAPTERS)('A unix socket on %s', (_platform, make) => {
  const BOUNDED = { maxConnectionsPerAddress: 2, maxFailedHandshakes: 2 };

  it.each(['/ws', '/bare'])('limits no address on %s, because all clients have the address "unix"', async (target) => {
    const path = await start(make(), BOUNDED);
    for (let failed = 0; failed < 4; failed++) expect(await knock(path, `${target}?deny`)).toBe(500);
    for (let failed = 0; failed < 4; failed++) expect(await knock(path, target, { Origin: 'http://x.y' })).toBe(403);
    for (let open = 0; open < 4; open++) expect(await knock(path, target)).toBe('unix');
    expect((await stats()).limits).toMatchObject({ connectionsPerAddress: 0, failedHandshakes: 0 });
    expect(lines.all.filter((line) => line.includes('refused'))[0]).toMatch(/ ip=unix /);
    expect(lines.warnings.join()).not.toContain('does not trust');
  });

  it.each(['/ws', '/bare'])('limits the address that a trusted proxy forwards on %s', async (target) => {
    const path = await start(make(1), BOUNDED);
    expect(await knock(path, target, FORWARDED)).toBe('203.0.113.9');
    expect(await knock(path, target, FORWARDED)).toBe('203.0.113.9');
    expect(await knock(path, target, FORWARDED)).toBe(429);
    expect(await knock(path, target, { 'X-Forwarded-For': '203.0.113.10' })).toBe('203.0.113.10');
    expect(await knock(path, target)).toBe('unix');
    expect(lines.warnings.join()).not.toContain('does not trust');
  });

  it('ignores the address that a proxy forwards where nobody trusts it, and logs once what to set', async () => {
    const path = await start(make(), BOUNDED);
    for (let open = 0; open < 4; open++) expect(await knock(path, '/ws', FORWARDED)).toBe('unix');
    expect(lines.warnings.filter((line) => line.includes('does not trust'))).toEqual([
      expect.stringMatching(/^Clients come through a proxy at unix that the application does not trust: .* to 1 or /),
    ]);
  });

  it('keeps SSE clients apart from an address as well', async () => {
    const path = await start(make(), { ...BOUNDED, closeTimeout: 0.1 });
    for (let open = 0; open < 4; open++) {
      const client = track(connect(path));
      client.write(httpRequest({ target: '/ws', headers: { Accept: 'text/event-stream' } }));
      expect(await read(client, (bytes) => (bytes.includes('data: unix') ? ([true, 0] as const) : undefined))).toBe(
        true,
      );
    }
  });
});

describe('The header deadline', () => {
  const KEY = Buffer.from('d731ef57be09e5204f0b205b60627028', 'hex');
  const PSK = { ciphers: 'PSK', maxVersion: 'TLSv1.2' } as const;

  it('cuts no TLS connection on a unix socket that has sent its request, and every other one', async () => {
    const httpsOptions = { ...PSK, pskCallback: () => KEY };
    const path = await start(new ExpressAdapter(), { headerTimeout: 0.3 }, { httpsOptions });
    const tls = async () => {
      const pskCallback = () => ({ psk: KEY, identity: 'test' });
      const client = track(connectTls({ ...PSK, path, pskCallback, checkServerIdentity: () => undefined }));
      await once(client, 'secureConnect');
      return client;
    };
    const good = await Promise.all([tls(), tls(), tls()]);
    const silent = await Promise.all([tls(), tls()]);
    for (const client of good) {
      client.write(upgradeRequest());
      expect((await read(client, parseAnswer)).status).toBe(101);
      expect(await nextText(client)).toBe('unix');
    }
    await Promise.all(silent.map((client) => once(client.resume(), 'close')));
    for (const client of good) {
      client.write(frame({ payload: 'still here' }));
      expect(await nextText(client)).toBe('still here');
    }
    expect((await stats()).limits.headerTime).toBe(2);
  });

  it('does not cut an HTTP/2 connection that has sent its request', async () => {
    const path = await start(new FastifyAdapter({ http2: true } as never), { headerTimeout: 0.3 });
    const session = connectHttp2('http://localhost', { createConnection: () => connect(path).on('error', () => {}) });
    const stream = session.request({ ':path': '/ws', accept: 'text/event-stream' });
    const events: string[] = [];
    stream.setEncoding('utf8').on('data', (text: string) => events.push(text));
    await once(stream, 'data');
    // Silent network connections are cut later than this one would be
    const silent = track(connect(path));
    await once(silent.resume(), 'close');
    const more = once(stream, 'data');
    await app.get(RealtimeServer).toEveryone().push('still here');
    await within(5000, 'the push', more);
    expect(events.join('')).toContain('data: still here');
    expect((await stats()).limits.headerTime).toBe(1);
    session.destroy();
  });

  it.each(ADAPTERS)('does not cut a connection on %s whose request offers h2c', async (_platform, make) => {
    const path = await start(make(), { headerTimeout: 0.3 });
    const client = track(connect(path));
    const offer = { Connection: 'Upgrade, HTTP2-Settings', Upgrade: 'h2c', 'HTTP2-Settings': 'AAMAAABkAAQAAP__' };
    client.write(httpRequest({ target: '/ws', headers: { ...offer, Accept: 'text/event-stream' } }));
    const seen = (text: string) => (bytes: Buffer) => (bytes.includes(text) ? ([true, 0] as const) : undefined);
    await read(client, seen('data: unix'));
    // A network connection that came later is cut later than this one would be
    const silent = track(connect(path));
    await once(silent.resume(), 'close');
    await app.get(RealtimeServer).toEveryone().push('still here');
    expect(await read(client, seen('data: still here'))).toBe(true);
    expect((await stats()).limits.headerTime).toBe(1);
  });
});
