/**
 * Limits count the bytes of messages; these tests measure the memory. A short message that is passed on is a slice of
 * its network read, and what waits or is kept must not keep that read.
 */
import { once } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { jest } from '@jest/globals';
import { Module } from '@nestjs/common';
import { WebSocketGateway } from '@nestjs/websockets';
import { Test } from '@nestjs/testing';
import { type Connection, type Message, RealtimeModule, RealtimeServer } from 'nestjs-realtime';
import { createTestApp, type TestApp } from 'nestjs-realtime/testing';
import { WebSocket } from 'ws';
import { until } from '../support/process-guard.js';
import { PollingClient, SseClient } from '../support/clients/request-clients.js';

jest.setTimeout(60_000);

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const MB = 1024 * 1024;
/** More than wait in the transport itself: that has 64 KiB, with 128 bytes for each. */
const COUNT = 1000;

let relayed = 0;

/** Passes on the short messages; the long ones fill the network reads beside them. */
@WebSocketGateway({ path: '/in' })
class RelayGateway {
  constructor(private readonly server: RealtimeServer) {}

  async onMessage(_connection: Connection, message: Message): Promise<void> {
    if (message.size > 100) return;
    await this.server.toEveryone('/feed').push(message);
    for (const connection of this.server.connections.values())
      if (connection.path === '/single') connection.send(message);
    relayed++;
  }
}

@WebSocketGateway({ path: '/feed' })
class FeedGateway {
  onOpen(): void {}
}

@WebSocketGateway({ path: '/single' })
class SingleGateway {
  onOpen(): void {}
}

let app: TestApp;

beforeAll(async () => {
  @Module({
    imports: [RealtimeModule.forRoot({ envFile: false, maxMessageRate: 0, maxByteRate: 0, graceTime: 60 })],
    providers: [RelayGateway, FeedGateway, SingleGateway],
  })
  class AppModule {}
  app = await createTestApp(await Test.createTestingModule({ imports: [AppModule] }).compile());
});
afterAll(() => app.close());

/** The memory outside of the heap that is in use. */
function external(): number {
  for (let round = 0; round < 3; round++) collect();
  return process.memoryUsage().arrayBuffers;
}

const FEEDS: Readonly<Record<string, () => Promise<{ vanish(): void }>>> = {
  'an SSE stream that keeps them for a reconnect': () => SseClient.connect(`${app.url}/feed`),
  'a polling client that does not poll': async () => {
    const client = await PollingClient.connect(`${app.url}/feed`);
    client.vanish();
    return client;
  },
  'a WebSocket that does not read': () => stuckWebSocket('/feed'),
  'a WebSocket that does not read, and gets each message alone': () => stuckWebSocket('/single'),
};

/** A WebSocket that reads nothing more; what it was sent fills the buffers of the kernel. */
async function stuckWebSocket(path: string): Promise<{ vanish(): void }> {
  const client = new WebSocket(`${app.url.replace('http', 'ws')}${path}`);
  await once(client, 'open');
  client.pause();
  const { server } = app;
  await until(
    'a client that is behind',
    async () => {
      await server.toEveryone(path).push(Buffer.alloc(65_536));
      return server.list();
    },
    ({ items }) => items.some((item) => item.path === path && item.bufferedBytes > 0),
  );
  return { vanish: () => client.terminate() };
}

it.each(Object.keys(FEEDS))('1,000 short messages cost little more memory than their bytes in %s', async (name) => {
  const feed = await FEEDS[name]!();
  const sender = new WebSocket(`${app.url.replace('http', 'ws')}/in`);
  await once(sender, 'open');
  const filler = Buffer.alloc(60_000);
  const before = external();
  relayed = 0;
  for (let sent = 0; sent < COUNT; sent++) {
    sender.send(filler);
    sender.send(`short ${sent}`);
    if (sent % 10 === 9)
      await until(
        'the relay',
        () => relayed,
        (count) => count === sent + 1,
      );
  }
  // A network read of 64 KiB each would be 65 MB
  expect(external() - before).toBeLessThan(5 * MB);
  sender.terminate();
  feed.vanish();
});
