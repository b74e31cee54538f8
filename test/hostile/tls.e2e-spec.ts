/** The header deadline of an https server covers clients that never finish the TLS handshake. */
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { type INestApplication, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { WebSocketGateway } from '@nestjs/websockets';
import { type Connection, type Message, RealtimeModule, RealtimeServer } from 'nestjs-realtime';
import { until, untilConnections } from '../support/process-guard.js';
import { frame, parseAnswer, parseFrame, upgradeRequest } from '../support/clients/raw-socket.js';

@WebSocketGateway({ path: '/ws' })
class EchoGateway {
  onMessage(connection: Connection, message: Message): void {
    connection.send(message.text());
  }
}

/** Both sides know this key, so no certificate is needed. */
const PSK = { ciphers: 'PSK', maxVersion: 'TLSv1.2' } as const;
const KEY = Buffer.from('d731ef57be09e5204f0b205b60627028', 'hex');

let app: INestApplication;
let port: number;
let clients: Socket[];

async function start(limits: 'enforce' | 'report'): Promise<void> {
  @Module({
    imports: [RealtimeModule.forRoot({ envFile: false, headerTimeout: 0.3, limits })],
    providers: [EchoGateway],
  })
  class AppModule {}
  const httpsOptions = { ...PSK, pskCallback: () => KEY };
  app = await NestFactory.create(AppModule, { httpsOptions, logger: false });
  await app.listen(0, '127.0.0.1');
  port = (app.getHttpServer().address() as { port: number }).port;
  clients = [];
}

afterEach(async () => {
  for (const client of clients) client.destroy();
  await app.close();
});

async function tcp(): Promise<Socket> {
  const socket = connectTcp(port, '127.0.0.1').on('error', () => {});
  clients.push(socket);
  await once(socket, 'connect');
  return socket;
}

async function tls(): Promise<TLSSocket> {
  const pskCallback = () => ({ psk: KEY, identity: 'test' });
  const socket = connectTls({ ...PSK, port, host: '127.0.0.1', pskCallback, checkServerIdentity: () => undefined });
  clients.push(socket.on('error', () => {}));
  await once(socket, 'secureConnect');
  return socket;
}

/** Reads until the bytes can be parsed. */
async function read<T>(socket: Socket, parse: (bytes: Buffer) => readonly [T, number] | undefined): Promise<T> {
  let bytes = Buffer.alloc(0);
  for (;;) {
    const found = parse(bytes);
    if (found) return found[0];
    bytes = Buffer.concat([bytes, ((await once(socket, 'data')) as [Buffer])[0]]);
  }
}

const count = async () => (await app.get(RealtimeServer).stats()).limits.headerTime;

/** Opens clients that send nothing, half a TLS handshake, a whole one without a request, and half a request. */
async function attack(): Promise<Socket[]> {
  const hello = (await tcp()).on('data', () => {});
  // The header announces a record of 512 bytes: content type 22, TLS 1.0
  hello.write(Buffer.from([22, 3, 1, 2, 0, 1, 0, 1]));
  const mute = await tls();
  const half = await tls();
  half.write(upgradeRequest().subarray(0, 60));
  return [(await tcp()).on('data', () => {}), hello, mute.resume(), half.resume()];
}

it('cuts a client without a request in time, wherever its TLS handshake has stopped, and no other', async () => {
  await start('enforce');
  const good = await tls();
  good.write(upgradeRequest());
  expect((await read(good, parseAnswer)).status).toBe(101);
  const bad = await attack();
  await Promise.all(bad.map((socket) => once(socket, 'close')));
  expect(await count()).toBe(4);
  await untilConnections(app.getHttpServer() as never, 1);
  good.write(frame({ payload: 'still here' }));
  expect((await read(good, parseFrame)).payload.toString()).toBe('still here');
});

it('counts clients without a request in time where bounds are only reported, and lets them go on', async () => {
  await start('report');
  const [, , mute] = await attack();
  await until('the count', count, (found) => found === 4);
  mute!.write(upgradeRequest());
  expect((await read(mute!, parseAnswer)).status).toBe(101);
});
