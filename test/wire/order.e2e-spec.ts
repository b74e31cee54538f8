/**
 * Messages to one connection arrive in the order in which they were sent, whoever sends them and however they leave:
 * collected for one write per turn, through ws's compression, or as a frame that ws makes itself. Real sockets.
 */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { jest } from '@jest/globals';
import { Test } from '@nestjs/testing';
import { WebSocketGateway } from '@nestjs/websockets';
import { type Connection, Message, type RealtimeOptions, RealtimeModule, RealtimeServer } from 'nestjs-realtime';
import { createTestApp, type TestApp } from 'nestjs-realtime/testing';
import { WebSocket } from 'ws';
import { until as untilState } from '../support/process-guard.js';
import { closeFrame, frame, Opcode, RawSocket } from '../support/clients/raw-socket.js';

jest.setTimeout(30_000);

type Script = (connection: Connection, server: RealtimeServer, text: string) => unknown;

/** The body of `onMessage`; each test sets its own. */
let script: Script = () => {};
const opened: Connection[] = [];

@WebSocketGateway({ path: '/ws' })
class ScriptGateway {
  constructor(private readonly server: RealtimeServer) {}

  onOpen(connection: Connection): void {
    opened.push(connection);
  }

  onMessage(connection: Connection, message: Message): unknown {
    return script(connection, this.server, message.text());
  }
}

let app: TestApp;
let port: number;
const clients: RawSocket[] = [];

async function start(options: RealtimeOptions = {}): Promise<void> {
  const imports = [
    RealtimeModule.forRoot({ envFile: false, closeTimeout: 0.1, maxConnectionRatePerAddress: 0, ...options }),
  ];
  const moduleRef = await Test.createTestingModule({ imports, providers: [ScriptGateway] }).compile();
  app = await createTestApp(moduleRef);
  port = ((app.app.getHttpServer() as Server).address() as AddressInfo).port;
}

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await untilState(
    'nobody to be connected',
    () => app.server.connections.size,
    (size) => size === 0,
  );
  opened.length = 0;
});

async function connect(options?: { staysOpen: boolean }): Promise<RawSocket> {
  const client = await RawSocket.upgraded(port, { target: '/ws' }, undefined, options);
  clients.push(client);
  return client;
}

/** @returns the next frames: text as it is, control frames by name */
async function take(client: RawSocket, count: number): Promise<string[]> {
  const found: string[] = [];
  while (found.length < count) {
    const { opcode, payload } = await client.frame();
    if (opcode === Opcode.CLOSE) found.push(`close ${payload.readUInt16BE(0)}`);
    else if (opcode === Opcode.PONG) found.push(`pong ${payload.toString()}`);
    else if (opcode === Opcode.PING) found.push('ping');
    else found.push(payload.toString());
  }
  return found;
}

const until = (ask: () => boolean) => untilState('it', ask, (isSo) => isSo);

const said = (text: string) => frame({ payload: text });
const echo: Script = (connection, _server, text) => connection.send(text);

describe.each([0, 0.001])('messages of one turn, with a flush window of %d s', (flushWindow) => {
  beforeAll(() => start({ flushWindow }));
  afterAll(() => app.close());

  it('keeps the order of pushes to a room, pushes to everyone and direct replies', async () => {
    script = async (connection, server) => {
      await connection.join('lobby');
      connection.send('1');
      void server.to('lobby').push('2');
      connection.send('3');
      void server.toEveryone().push('4');
      void server.push(connection.id, '5');
      connection.emit('6');
      connection.send('7');
    };
    const client = await connect();
    client.send(said('go'));
    expect(await take(client, 7)).toEqual(['1', '2', '3', '4', '5', '{"event":"6"}', '7']);
  });

  it('keeps the order of frames of all lengths when a turn sends more than one write takes', async () => {
    const sizes = [1, 40_000, 5, 100, 33_000, 2, 70_000, 7, 16_384, 16_384, 3, 126, 65_536, 1];
    const texts = sizes.map((size, i) => `${i}`.padEnd(size, '.'));
    script = (connection, server) => {
      texts.forEach((text, i) => (i % 2 ? connection.send(text) : void server.toEveryone().push(text)));
    };
    const client = await connect();
    client.send(said('go'));
    const found = await take(client, texts.length);
    expect(found.map((text) => text.length)).toEqual(texts.map((text) => text.length));
    expect(found).toEqual(texts);
  });

  it('sends bytes as they were, although the application changes them afterwards', async () => {
    script = (connection) => {
      for (const size of [10, 4095, 4096, 60_000]) {
        const bytes = Buffer.alloc(size, 'a');
        connection.send(bytes);
        bytes.fill('b');
      }
    };
    const client = await connect();
    client.send(said('go'));
    const found = await take(client, 4);
    expect(found.map((text) => [text.length, new Set(text)])).toEqual(
      [10, 4095, 4096, 60_000].map((size) => [size, new Set('a')]),
    );
  });

  it('keeps the replies to several clients apart when their hooks run at the same time', async () => {
    script = async (connection, _server, text) => {
      for (let i = 0; i < 50; i++) {
        connection.send(`${text} ${i}`);
        await Promise.resolve();
      }
    };
    const three = await Promise.all(['a', 'b', 'c'].map(() => connect()));
    three.forEach((client, i) => client.send(said('abc'[i]!)));
    for (const [index, client] of three.entries()) {
      const expected = Array.from({ length: 50 }, (_, i) => `${'abc'[index]} ${i}`);
      expect(await take(client, 50)).toEqual(expected);
    }
  });

  it('pushes to every member in the same order, also to one that receives a direct reply in between', async () => {
    script = (connection, server, text) => {
      void server.toEveryone().push(`${text} a`);
      connection.send('yours');
      void server.toEveryone().push(`${text} b`);
    };
    const [ann, bob] = [await connect(), await connect()];
    ann.send(said('x'));
    expect(await take(ann, 3)).toEqual(['x a', 'yours', 'x b']);
    expect(await take(bob, 2)).toEqual(['x a', 'x b']);
  });

  it('pushes to all of 400 clients, more than one turn can write to', async () => {
    const crowd = await Promise.all(Array.from({ length: 400 }, () => connect()));
    await app.server.toEveryone().push('one');
    opened[0]!.send('two');
    await app.server.toEveryone().push('three');
    const found = await Promise.all(crowd.map((client, i) => take(client, i === 0 ? 3 : 2)));
    const extra = found.filter((texts) => texts.length === 3);
    expect(new Set(found.flat())).toEqual(new Set(['one', 'two', 'three']));
    expect(found.every((texts) => texts[0] === 'one' && texts.at(-1) === 'three')).toBe(true);
    expect(extra).toHaveLength(1);
  });

  it('counts messages as buffered before they are written', async () => {
    const seen: number[] = [];
    script = (connection) => {
      for (let i = 0; i < 3; i++) {
        connection.send('x'.repeat(1000));
        seen.push(connection.bufferedBytes);
      }
    };
    const client = await connect();
    client.send(said('go'));
    await take(client, 3);
    expect(seen).toEqual([1004, 2008, 3012]);
    await until(() => opened[0]!.bufferedBytes === 0);
  });
});

describe('frames that ws writes itself', () => {
  beforeAll(() => start());
  afterAll(() => app.close());

  it('sends a pong after earlier messages', async () => {
    script = echo;
    const client = await connect();
    client.send(said('a'), said('b'), frame({ opcode: Opcode.PING, payload: 'p' }), said('c'));
    expect(await take(client, 4)).toEqual(['a', 'b', 'pong p', 'c']);
  });

  it('sends a close frame after earlier messages', async () => {
    script = (connection) => {
      for (const text of ['a', 'b', 'c']) connection.send(text);
      connection.close(4000);
      expect(connection.send('late')).toBe(false);
    };
    const client = await connect();
    client.send(said('go'));
    expect(await take(client, 4)).toEqual(['a', 'b', 'c', 'close 4000']);
  });

  it("answers the client's close frame after earlier messages", async () => {
    script = echo;
    const client = await connect();
    client.send(said('a'), said('b'), closeFrame(1000));
    expect(await take(client, 3)).toEqual(['a', 'b', 'close 1000']);
  });

  it('sends the close frame for a protocol error after earlier messages', async () => {
    script = echo;
    const client = await connect();
    client.send(said('a'), frame({ rsv: 7 }));
    expect(await take(client, 2)).toEqual(['a', 'close 1002']);
  });

  it('ends the connection of a client that ended its side after earlier messages', async () => {
    script = echo;
    const client = await connect({ staysOpen: true });
    client.send(said('a'), said('b'));
    client.finish();
    expect(await take(client, 2)).toEqual(['a', 'b']);
    expect(await client.ended()).toHaveLength(0);
  });

  it('sends an exception frame after earlier messages', async () => {
    script = (connection) => {
      connection.send('before');
      throw new Error('no');
    };
    const client = await connect();
    client.send(said('a'), said('b'));
    const found = await take(client, 4);
    expect([found[0], found[2]]).toEqual(['before', 'before']);
    expect(found[1]).toContain('exception');
    expect(found[3]).toContain('exception');
  });
});

describe('settings of their own', () => {
  afterEach(() => app.close());

  it('sends the ping of the heartbeat after earlier messages', async () => {
    await start({ heartbeatPingInterval: 0.1 });
    const client = await connect();
    await until(() => opened.length === 1);
    const sending = setInterval(() => ['a', 'b'].forEach((text) => opened[0]!.send(text)), 5);
    const found: string[] = [];
    while (!found.includes('ping')) found.push(...(await take(client, 1)));
    clearInterval(sending);
    const before = found.slice(0, -1);
    expect(before).toEqual(before.map((_text, i) => (i % 2 ? 'b' : 'a')));
  });

  it('counts messages that wait for the end of the turn towards the bound of a slow client', async () => {
    await start({ maxBufferedBytes: 200_000 });
    const sent: boolean[] = [];
    script = (connection) => {
      for (let i = 0; i < 20_000; i++) sent.push(connection.send('x'.repeat(1000)));
      expect(connection.bufferedBytes).toBeLessThan(300_000);
    };
    const client = await connect();
    client.socket.pause();
    client.send(said('go'));
    await until(() => opened[0]!.readyState !== 1);
    expect(sent.filter((ok) => !ok).length).toBeGreaterThan(0);
    client.destroy();
  });

  it('sends everything in order to a slow client that reads again', async () => {
    await start({ maxBufferedBytes: 50_000_000 });
    const client = await connect();
    await until(() => opened.length === 1);
    client.socket.pause();
    const texts = Array.from({ length: 3000 }, (_, i) => `${i}`.padEnd(3000, '.'));
    for (const [i, text] of texts.entries()) {
      opened[0]!.send(text);
      if (i % 7 === 0) await turn();
    }
    client.socket.resume();
    const found = await take(client, texts.length);
    expect(found.every((text, i) => text === texts[i])).toBe(true);
  });

  it.each([0, 1024])(
    'keeps the order of compressed and plain messages with a threshold of %i bytes',
    async (threshold) => {
      await start({
        compression: true,
        compressionThresholdBytes: threshold,
        maxBufferedBytes: 50_000_000,
        closeTimeout: 10,
      });
      const texts = Array.from({ length: 400 }, (_, i) => `${i} `.padEnd([5, 3000, 60, 9000, 1200][i % 5]!, 'ab'));
      script = async (connection, server) => {
        for (const [i, text] of texts.entries()) {
          if (i % 2) connection.send(text);
          else void server.toEveryone().push(text);
          if (i % 11 === 0) await turn();
        }
        connection.close(4000);
      };
      const client = new WebSocket(`ws://127.0.0.1:${port}/ws`, { perMessageDeflate: true });
      const found: string[] = [];
      client.on('message', (data) => found.push((data as Buffer).toString()));
      const closed = new Promise((resolve) => client.once('close', resolve));
      await new Promise((resolve) => client.once('open', resolve));
      expect(client.extensions).toContain('permessage-deflate');
      client.send('go');
      expect(await closed).toBe(4000);
      expect(found).toEqual(texts);
    },
  );
});
