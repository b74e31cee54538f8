/**
 * All WebSockets of a process are read into the same memory. The application, the queue and an unfinished message keep
 * copies nevertheless: over TCP and over TLS, for messages that fit one read and for those that do not.
 */
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { jest } from '@jest/globals';
import { type INestApplication, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { WebSocketGateway } from '@nestjs/websockets';
import { type Connection, type Message, RealtimeModule, RealtimeServer } from 'nestjs-realtime';
import { WebSocket } from 'ws';
import { until } from '../support/process-guard.js';
import { randomBytes } from '../support/random.js';
import { frame, RawSocket } from '../support/clients/raw-socket.js';

jest.setTimeout(60_000);

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** A key that both sides have, so that no certificate is needed. */
const PSK = { ciphers: 'PSK', maxVersion: 'TLSv1.2' } as const;
const KEY = randomBytes(16);
/** For `tls.connect`, in the types that `ws` declares for it. */
const TRUST = {
  ...PSK,
  pskCallback: () => ({ psk: KEY, identity: 'test' }),
  checkServerIdentity: (() => undefined) as never,
};

/** Messages by the name of their connection, undecoded until the test reads them. */
const kept = new Map<string, Message[]>();
let gate: Promise<void>;
let open: () => void;

@WebSocketGateway({ path: '/ws' })
class KeepingGateway {
  async onMessage(connection: Connection, message: Message): Promise<void> {
    await gate;
    const name = connection.url.slice(connection.url.indexOf('=') + 1);
    kept.set(name, [...(kept.get(name) ?? []), message]);
  }
}

@WebSocketGateway({ path: '/echo' })
class EchoGateway {
  onMessage(connection: Connection, message: Message): void {
    connection.send(message);
  }
}

let app: INestApplication;
let port: number;
let clients: WebSocket[];

async function start(isSecure: boolean): Promise<void> {
  // Fewer than a client sends: its socket is not read for a while
  const queue = { maxQueuedMessages: 4, maxQueuedBytes: 8_000_000 };
  const bounds = { ...queue, maxMessageBytes: 400_000, maxMessageRate: 0, maxByteRate: 0 };
  @Module({
    imports: [RealtimeModule.forRoot({ envFile: false, closeTimeout: 0.3, ...bounds })],
    providers: [KeepingGateway, EchoGateway],
  })
  class AppModule {}
  const httpsOptions = isSecure ? { ...PSK, pskCallback: () => KEY } : undefined;
  app = await NestFactory.create(AppModule, { httpsOptions, logger: false });
  await app.listen(0, '127.0.0.1');
  port = ((app.getHttpServer() as Server).address() as AddressInfo).port;
}

beforeEach(() => {
  kept.clear();
  clients = [];
  gate = new Promise<void>((resolve) => (open = resolve));
});

afterEach(async () => {
  for (const client of clients) client.terminate();
  await app.close();
});

async function connect(isSecure: boolean, path: string): Promise<WebSocket> {
  const client = new WebSocket(`${isSecure ? 'wss' : 'ws'}://127.0.0.1:${port}${path}`, isSecure ? TRUST : {});
  clients.push(client);
  await once(client, 'open');
  return client;
}

async function echoed(client: WebSocket, bytes: Buffer): Promise<Buffer> {
  client.send(bytes);
  return ((await once(client, 'message')) as [Buffer])[0];
}

const SIZES = [1, 64, 125, 126, 4000, 4096, 9000, 16_384, 65_520, 65_536, 70_000, 300_000];

it.each([
  ['TCP', false],
  ['TLS', true],
])('keeps waiting and stored messages untouched by later reads, over %s', async (_, isSecure) => {
  await start(isSecure);
  const names = ['a', 'b', 'c'];
  const sent = new Map(names.map((name) => [name, SIZES.map((size) => randomBytes(size))]));
  const senders = await Promise.all(names.map((name) => connect(isSecure, `/ws?name=${name}`)));
  for (const index of SIZES.keys()) {
    for (const [which, name] of names.entries()) senders[which]!.send(sent.get(name)![index]!);
  }
  const other = await connect(isSecure, '/echo');
  for (const size of SIZES) {
    const bytes = randomBytes(size);
    expect((await echoed(other, bytes)).equals(bytes)).toBe(true);
  }
  const pauses = async () => (await app.get(RealtimeServer).stats()).pauses;
  await until('every sender to be paused', pauses, (found) => found === names.length);
  open();
  const count = () => names.reduce((sum, name) => sum + (kept.get(name)?.length ?? 0), 0);
  await until('all messages', count, (found) => found === names.length * SIZES.length);
  for (const size of SIZES) await echoed(other, randomBytes(size));
  for (const name of names) {
    const same = kept.get(name)!.map((message, index) => message.bytes().equals(sent.get(name)![index]!));
    expect(same).toEqual(SIZES.map(() => true));
  }
});

it('keeps the bytes of a message that arrives byte by byte, but not the memory that they shared with others', async () => {
  await start(false);
  open();
  const slow = await RawSocket.upgraded(port, { target: '/ws?name=slow' });
  const busy = await connect(false, '/echo');
  const text = 'x'.repeat(1000);
  const bytes = frame({ payload: text });
  collect();
  const before = process.memoryUsage().arrayBuffers;
  for (const byte of bytes.subarray(0, -1)) {
    slow.send(Buffer.from([byte]));
    // They fill the rest of a pool, and their round trips make the next byte a read of its own
    for (let i = 0; i < 3; i++) await echoed(busy, Buffer.alloc(3000));
  }
  collect();
  collect();
  // A thousand pools of 8 KiB would be 8 MB
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2_000_000);
  slow.send(bytes.subarray(-1));
  await until(
    'the message',
    () => kept.get('slow')?.length ?? 0,
    (found) => found === 1,
  );
  expect(kept.get('slow')![0]!.text()).toBe(text);
  slow.destroy();
});
