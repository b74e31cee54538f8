/** @SubscribeMessage() methods on this module's engine: routing beside hooks, order of replies, streams, ids, bounds. */
import { once } from 'node:events';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { SubscribeMessage, WebSocketGateway, ConnectedSocket, MessageBody } from '@nestjs/websockets';
import type { LoggerService, ModuleMetadata, Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { type Connection, type Message, RealtimeModule, type RealtimeOptions, Stream } from 'nestjs-realtime';
import { createTestApp, type TestApp } from 'nestjs-realtime/testing';
import { concat, interval, map, NEVER, of, range, take, throwError } from 'rxjs';
import { ask, framesUntil } from '../support/apps/both-adapters.js';
import { Marker } from '../support/apps/classic-gateways.js';
import { seeded, until } from '../support/process-guard.js';

let app: TestApp | undefined;

afterEach(async () => {
  await app?.close();
  app = undefined;
});

async function start(
  providers: ModuleMetadata['providers'],
  options: RealtimeOptions = {},
  logger?: LoggerService,
): Promise<TestApp> {
  const imports = [RealtimeModule.forRoot({ envFile: false, ...options })];
  return createTestApp(await Test.createTestingModule({ imports, providers }).compile(), { logger });
}

/** Starts an application for one test. */
async function boot(...parts: Parameters<typeof start>): Promise<TestApp> {
  app = await start(...parts);
  return app;
}

/** Starts an application for all tests of a describe block. */
function bootOnce(gateway: Type): { connect: TestApp['connect']; readonly server: TestApp['server'] } {
  let shared: TestApp;
  beforeAll(async () => {
    shared = await start([gateway]);
  });
  afterAll(() => shared.close());
  return {
    connect: (path) => shared.connect(path),
    get server() {
      return shared.server;
    },
  };
}

const exception = (data: object) => ({
  event: 'exception',
  data: expect.objectContaining({ status: 'error', ...data }),
});

describe('A gateway with hooks and message methods', () => {
  @WebSocketGateway({ path: '/both' })
  class Both extends Marker {
    onOpen(connection: Connection) {
      connection.emit('welcome');
    }
    onMessage(connection: Connection, message: Message) {
      connection.emit('hook', message.isBinary ? [...message.bytes()] : message.text());
    }
    @SubscribeMessage('method')
    method(@MessageBody() data: unknown) {
      return { event: 'method', data };
    }
  }
  const { connect } = bootOnce(Both);

  it.each<[string | Uint8Array, unknown]>([
    ['{"event":"method","data":1}', { event: 'method', data: 1 }],
    ['{"event":"unknown"}', { event: 'hook', data: '{"event":"unknown"}' }],
    ['{"event":"constructor"}', { event: 'hook', data: '{"event":"constructor"}' }],
    ['[1]', { event: 'hook', data: '[1]' }],
    ['no json', { event: 'hook', data: 'no json' }],
    ['', { event: 'hook', data: '' }],
    [Uint8Array.of(0, 255), { event: 'hook', data: [0, 255] }],
  ])('passes %p to the method of its event, else to onMessage', async (message, frame) => {
    const client = await connect('/both');
    expect(await ask(client, message)).toEqual([{ event: 'welcome' }, frame]);
  });

  it('handles messages for onMessage and for methods in the order of their arrival', async () => {
    const client = await connect('/both');
    await client.next('welcome');
    for (let number = 0; number < 20; number++) {
      client.send(number % 2 ? { event: 'method', data: number } : String(number));
    }
    client.send({ event: 'marker', data: 'end' });
    const frames = (await framesUntil(client, 'end')) as { data: unknown }[];
    expect(frames.map(({ data }) => Number(data))).toEqual([...Array(20).keys()]);
  });
});

describe('A message without a method', () => {
  @WebSocketGateway()
  class Methods extends Marker {}
  const shared = bootOnce(Methods);

  it.each<[string, string | Uint8Array]>([
    ['unknown_event', '{"event":"nobody"}'],
    ['unknown_event', '{"event":"__proto__"}'],
    ['unknown_event', '{"event":""}'],
    ['bad_envelope', 'no json'],
    ['bad_envelope', '[1,2]'],
    ['bad_envelope', 'null'],
    ['bad_envelope', '{"event":7}'],
    ['bad_envelope', '{"data":7}'],
    ['bad_envelope', Uint8Array.of(0xff, 0)],
  ])('answers with %s a message that no method takes: %p', async (code, message) => {
    const before = await shared.server.stats();
    expect(await ask(await shared.connect('/'), message)).toEqual([exception({ code })]);
    expect((await shared.server.stats()).messageErrors - before.messageErrors).toBe(1);
  });

  it('logs nothing of 1,000 messages that no method takes', async () => {
    const lines: unknown[] = [];
    const keep = (line: unknown) => void lines.push(line);
    const logger = { log() {}, warn: keep, error: keep, debug: keep, verbose() {} };
    const testApp = await boot([Methods], { maxMessageRate: 0 }, logger);
    const client = await testApp.connect('/');
    for (let number = 0; number < 1000; number++) client.send(number % 2 ? 'no json' : { event: 'nobody' });
    expect(await ask(client)).toHaveLength(1000);
    expect((await testApp.server.stats()).messageErrors).toBe(1000);
    expect(lines).toEqual([]);
  });

  it('returns the id of a message that no method takes', async () => {
    const [frame] = await ask(await shared.connect('/'), { event: 'nobody', id: 7 });
    expect(frame).toEqual({ ...exception({ code: 'unknown_event' }), id: 7 });
  });

  it('shortens a very long event name in the answer', async () => {
    const [frame] = await ask(await shared.connect('/'), { event: 'x'.repeat(10_000) });
    expect(JSON.stringify(frame).length).toBeLessThan(300);
  });
});

/** The parts of an application that most tests use. */
function bound(testApp: TestApp) {
  return { server: testApp.server, connect: testApp.connect.bind(testApp) };
}

describe('The id of a request', () => {
  @WebSocketGateway()
  class Replying extends Marker {
    @SubscribeMessage('value')
    value(@MessageBody() data: unknown) {
      return data;
    }
    @SubscribeMessage('items')
    items() {
      return of({ event: 'item', data: 1 }, 2);
    }
    @SubscribeMessage('fails')
    fails() {
      throw new Error('secret');
    }
  }
  const { connect } = bootOnce(Replying);

  it.each<[object, unknown[]]>([
    [{ event: 'value', data: 5, id: 1 }, [{ event: 'value', data: 5, id: 1 }]],
    [
      { event: 'value', data: { id: 42, name: 'entity' }, id: 1 },
      [{ event: 'value', data: { id: 42, name: 'entity' }, id: 1 }],
    ],
    [{ event: 'value', data: [1], id: 'a' }, [{ event: 'value', data: [1], id: 'a' }]],
    [{ event: 'value', data: { event: 'other', data: 1 }, id: 0 }, [{ event: 'other', data: 1, id: 0 }]],
    [
      { event: 'items', id: 3 },
      [
        { event: 'item', data: 1, id: 3 },
        { event: 'items', data: 2, id: 3 },
        { event: 'rt:done', data: { dropped: 0 }, id: 3 },
      ],
    ],
    [{ event: 'fails', id: 4 }, [{ ...exception({ code: 'internal' }), id: 4 }]],
    [{ event: 'value', data: 1, id: { not: 'an id' } }, [1]],
  ])('returns the id of a request with each reply to %j', async (message, frames) => {
    expect(await ask(await connect('/'), message)).toEqual(frames);
  });

  it('leaves out an id of more than 256 characters', async () => {
    expect(await ask(await connect('/'), { event: 'value', data: 1, id: 'x'.repeat(257) })).toEqual([1]);
    expect(await ask(await connect('/'), { event: 'value', data: 1, id: 'x'.repeat(256) })).toEqual([
      { event: 'value', data: 1, id: 'x'.repeat(256) },
    ]);
  });

  it('returns the right ids to 1,000 interleaved requests of ten clients', async () => {
    const matched = Array.from({ length: 10 }, async (_, client) => {
      const socket = await connect('/');
      for (let id = 0; id < 100; id++) socket.send({ event: 'value', data: `${client}:${id}`, id });
      for (let id = 0; id < 100; id++) {
        expect(JSON.parse((await socket.next()) as string)).toEqual({ event: 'value', data: `${client}:${id}`, id });
      }
    });
    expect(await Promise.all(matched)).toHaveLength(10);
  });
});

describe('The replies of one connection', () => {
  const random = seeded(4);
  /** Takes up to 4 ms. */
  const dawdle = () => sleep(random() * 4);
  /** Takes a turn of the event loop, or now and then up to 4 ms. */
  const mostlyQuick = () => (random() < 0.8 ? turn() : dawdle());

  @WebSocketGateway()
  class Slow extends Marker {
    running = 0;
    most = 0;
    pause: () => Promise<unknown> = dawdle;

    @SubscribeMessage('number')
    async number(@MessageBody() data: number) {
      this.most = Math.max(this.most, ++this.running);
      await this.pause();
      this.running--;
      return { event: 'number', data };
    }
    @SubscribeMessage('items')
    items(@MessageBody() data: number) {
      return interval(random() * 3).pipe(
        take(3),
        map((item) => ({ event: 'item', data: [data, item] })),
      );
    }
  }

  it('replies in the order of 1,000 requests, whatever time each of them takes', async () => {
    const testApp = await boot([Slow], { maxMessageRate: 0 });
    testApp.app.get(Slow).pause = mostlyQuick;
    const client = await testApp.connect('/');
    for (let number = 0; number < 1000; number++) client.send({ event: 'number', data: number });
    for (let number = 0; number < 1000; number++) expect(await client.next('number')).toBe(number);
    expect(testApp.app.get(Slow).most).toBe(1);
  }, 20_000);

  it('replies in order on each of 100 connections, which do not wait for each other', async () => {
    const testApp = await boot([Slow]);
    const clients = await Promise.all(Array.from({ length: 100 }, () => testApp.connect('/')));
    const heard = clients.map(async (client) => {
      for (let number = 0; number < 20; number++) client.send({ event: 'number', data: number });
      for (let number = 0; number < 20; number++) expect(await client.next('number')).toBe(number);
    });
    await Promise.all(heard);
    expect(testApp.app.get(Slow).most).toBeGreaterThan(50);
  }, 20_000);

  it('sends all items of one Observable before the first item of the next', async () => {
    const client = await (await boot([Slow])).connect('/');
    for (const number of [0, 1, 2]) client.send({ event: 'items', data: number });
    const items: unknown[] = [];
    while (items.length < 9) items.push(await client.next('item'));
    expect(items).toEqual([0, 1, 2].flatMap((number) => [0, 1, 2].map((item) => [number, item])));
  });
});

describe('A stream of replies', () => {
  const ended: string[] = [];

  @WebSocketGateway()
  class Streaming extends Marker {
    @Stream()
    @SubscribeMessage('stream')
    stream() {
      return concat(of('first'), NEVER);
    }
    @SubscribeMessage('blocking')
    blocking() {
      return concat(of('first'), NEVER);
    }
    @Stream()
    @SubscribeMessage('generator')
    async *generator(@MessageBody() name: string) {
      try {
        for (let item = 0; ; item++) {
          yield { event: 'item', data: item };
          await sleep(1);
        }
      } finally {
        ended.push(name);
      }
    }
    @Stream()
    @SubscribeMessage('fails')
    fails() {
      return concat(
        of({ event: 'item' }),
        throwError(() => new Error('secret')),
      );
    }
    @Stream()
    @SubscribeMessage('unencodable')
    unencodable() {
      return of({ event: 'item', data: 1n });
    }
    @SubscribeMessage('many')
    many(@MessageBody() count: number) {
      return range(0, count);
    }
    @Stream()
    @SubscribeMessage('many streamed')
    manyStreamed(@MessageBody() count: number) {
      return range(0, count);
    }
  }

  it('handles the next message during a @Stream(), and does not wait for its end on close', async () => {
    const { connect } = bound(await boot([Streaming]));
    const client = await connect('/');
    expect(await ask(client, { event: 'stream' })).toEqual(['first']);
    expect(await client.close()).toEqual({ code: 1000, reason: '' });
  });

  it('delays the next message until an Observable without @Stream() ends or the connection does', async () => {
    const testApp = await boot([Streaming]);
    const client = await testApp.connect('/');
    client.send({ event: 'blocking' });
    client.send({ event: 'marker', data: 'never' });
    expect(await client.next()).toBe('"first"');
    await client.close();
    await until(
      'the end of the hook',
      () => testApp.server.connections.size,
      (size) => size === 0,
    );
    await expect(client.next('marker')).rejects.toThrow('has ended');
  });

  it('runs the finally block of an async generator when the client disconnects', async () => {
    ended.length = 0;
    const { connect } = bound(await boot([Streaming]));
    const client = await connect('/');
    client.send({ event: 'generator', data: 'ann' });
    await client.next('item');
    client.vanish();
    await until(
      'the end of the generator',
      () => ended,
      (names) => names.includes('ann'),
    );
  });

  it.each([
    ['fails', 'fails'],
    ['sends an item that cannot be encoded', 'unencodable'],
  ])('sends an exception frame for a stream that %s, and keeps the connection', async (_, event) => {
    const { connect } = bound(await boot([Streaming]));
    const frames = await ask(await connect('/'), { event });
    expect(frames.at(-1)).toEqual(exception({ code: 'internal', cause: { pattern: event } }));
  });

  it('refuses a stream above the bound with too_many_streams', async () => {
    const { connect } = bound(await boot([Streaming], { maxStreams: 3 }));
    const client = await connect('/');
    const asked = Array.from({ length: 5 }, () => ({ event: 'stream' }));
    const frames = await ask(client, ...asked);
    expect(frames.filter((frame) => frame === 'first')).toHaveLength(3);
    expect(frames.filter((frame) => frame !== 'first')).toEqual(
      [1, 2].map(() => exception({ code: 'too_many_streams' })),
    );
    expect(await ask(await connect('/'), { event: 'stream' })).toEqual(['first']);
  });

  it('admits another stream when one has ended', async () => {
    const { connect } = bound(await boot([Streaming], { maxStreams: 1 }));
    const client = await connect('/');
    for (let time = 0; time < 3; time++) {
      expect(await ask(client, { event: 'fails' })).toEqual([{ event: 'item' }, exception({ code: 'internal' })]);
    }
  });

  it('bounds the replies of a method without @Stream() by REALTIME_MAX_REPLIES', async () => {
    const { connect } = bound(await boot([Streaming], { maxReplies: 3 }));
    const client = await connect('/');
    expect(await ask(client, { event: 'many', data: 3 })).toEqual([0, 1, 2]);
    const frames = await ask(client, { event: 'many', data: 100 });
    expect(frames).toHaveLength(4);
    expect(frames.at(-1)).toEqual(exception({ code: 'too_many_replies' }));
    expect(await ask(client, { event: 'many streamed', data: 100 })).toHaveLength(100);
  });

  it('adds no more than one listener to the signal for 50 streams', async () => {
    const warnings: Error[] = [];
    const listener = (warning: Error) => warnings.push(warning);
    process.on('warning', listener);
    const { connect } = bound(await boot([Streaming]));
    const frames = await ask(await connect('/'), ...Array.from({ length: 50 }, () => ({ event: 'stream' })));
    process.off('warning', listener);
    expect(frames).toHaveLength(50);
    expect(warnings).toEqual([]);
  });
});

describe('A reply after the end', () => {
  it('drops a reply after the end of the connection without an error', async () => {
    let finish!: () => void;
    const held = new Promise<void>((resolve) => (finish = resolve));
    let handled = 0;
    @WebSocketGateway()
    class Late {
      async handleDisconnect() {
        handled++;
      }
      @SubscribeMessage('late')
      async late() {
        handled++;
        await held;
        return { event: 'late', data: 1n };
      }
    }
    const testApp = await boot([Late]);
    const client = await testApp.connect('/');
    client.send({ event: 'late' });
    await until(
      'the method',
      () => handled,
      (count) => count === 1,
    );
    const closed = client.close();
    await once(client.socket, 'close');
    finish();
    await closed;
    await until(
      'handleDisconnect after it',
      () => handled,
      (count) => count === 2,
    );
    expect(await testApp.server.stats()).toMatchObject({ hookErrors: 0, messagesOut: 0 });
  });
});

describe('A raw ws method on a Connection', () => {
  @WebSocketGateway()
  class Raw extends Marker {
    @SubscribeMessage('on')
    on(@ConnectedSocket() client: { on(event: string, listener: () => void): void }, @MessageBody() event: string) {
      try {
        client.on(event, () => {});
      } catch (error) {
        return { event: 'error', data: (error as Error).message };
      }
    }
  }

  it.each([
    ['message', 'onMessage'],
    ['close', 'onClose'],
  ])("throws an error for client.on('%s') that names the hook %s", async (event, hook) => {
    const { connect } = bound(await boot([Raw]));
    const [frame] = await ask(await connect('/'), { event: 'on', data: event });
    expect(frame).toEqual({ event: 'error', data: expect.stringContaining(hook) });
  });
});

describe('Fifty gateways', () => {
  it('causes no process warning with fifty gateways, neither at boot nor per connection', async () => {
    const warnings: Error[] = [];
    const listener = (warning: Error) => warnings.push(warning);
    process.on('warning', listener);
    const classes = Array.from({ length: 50 }, (_, index) => {
      @WebSocketGateway({ path: index < 25 ? '/one-path' : `/path-${index}` })
      class Numbered extends Marker {
        handleConnection() {}
        handleDisconnect() {}
        @SubscribeMessage(`event ${index}`)
        answer() {
          return { event: 'answer', data: index };
        }
      }
      return Numbered;
    });
    const { connect } = bound(await boot(classes));
    const [shared, own] = [await connect('/one-path'), await connect('/path-49')];
    shared.send({ event: 'event 0' });
    shared.send({ event: 'event 24' });
    own.send({ event: 'event 49' });
    expect([await shared.next('answer'), await shared.next('answer'), await own.next('answer')]).toEqual([0, 24, 49]);
    process.off('warning', listener);
    expect(warnings).toEqual([]);
  });
});
