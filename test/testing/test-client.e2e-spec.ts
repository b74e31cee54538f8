/** `nestjs-realtime/testing` on a real server: what its client and its application promise, on every transport. */
import { once } from 'node:events';
import { Test } from '@nestjs/testing';
import { WsAdapter } from '@nestjs/platform-ws';
import { MessageBody, SubscribeMessage, WebSocketGateway, WsException } from '@nestjs/websockets';
import {
  type Connection,
  type HandshakeRequest,
  type Message,
  RealtimeModule,
  type RealtimeOptions,
  Stream,
} from 'nestjs-realtime';
import { type ConnectOptions, createTestApp, type TestApp, TestClient } from 'nestjs-realtime/testing';
import { of } from 'rxjs';
import { WebSocketServer } from 'ws';

type Transport = NonNullable<ConnectOptions['transport']>;
const TRANSPORTS: readonly Transport[] = ['websocket', 'sse', 'polling'];

@WebSocketGateway({ path: '/ws' })
class Gateway {
  readonly closes: number[] = [];
  readonly texts: string[] = [];
  /** True for one turn of the event loop. */
  isBusy = false;
  /** `onClose` waits for it. */
  closing: Promise<void> = Promise.resolve();

  onHandshake({ query }: HandshakeRequest) {
    return { userId: query.get('user') ?? undefined, rooms: ['all'] };
  }
  onMessage(connection: Connection, message: Message) {
    if (message.isBinary) connection.send(message.bytes());
    else this.text(connection, message.text());
  }
  async onClose(_connection: Connection, { code }: { code: number }) {
    await this.closing;
    this.closes.push(code);
  }
  @SubscribeMessage('find')
  find(@MessageBody() id: number) {
    if (id === 8) throw new WsException('There is no such order');
    return { event: 'found', data: { id } };
  }
  @SubscribeMessage('void')
  nothing() {}
  @Stream()
  @SubscribeMessage('count')
  count() {
    return of(1, 2);
  }
  private text(connection: Connection, text: string) {
    this.texts.push(text);
    this.isBusy = text === 'be busy';
    if (this.isBusy) setImmediate(() => (this.isBusy = false));
    if (text === 'emit') connection.emit('news', { lines: 'a\nb' });
    else if (text === 'close') connection.close(4321, 'as you wish');
    else connection.send(`echo ${text}`);
  }
}

@WebSocketGateway({ path: '/first' })
class WithFirstMessage {
  async onAuthenticate(message: Message) {
    if (message.text() !== 'secret') throw new WsException('Who are you?');
  }
  onOpen(connection: Connection) {
    connection.send('welcome');
  }
}

let app: TestApp;
let gateway: Gateway;

const start = async (options: RealtimeOptions = {}) => {
  const imports = [RealtimeModule.forRoot({ envFile: false, maxMessageBytes: 1000, ...options })];
  return createTestApp(await Test.createTestingModule({ imports, providers: [Gateway, WithFirstMessage] }).compile());
};

beforeAll(async () => {
  app = await start();
  gateway = app.app.get(Gateway);
});
beforeEach(() => {
  gateway.closes.length = gateway.texts.length = 0;
  gateway.closing = Promise.resolve();
});
afterAll(() => app.close());

describe.each(TRANSPORTS)('a test client of the transport %s', (transport) => {
  const connect = (path = '/ws', options: ConnectOptions = {}) => app.connect(path, { transport, ...options });

  it('sends text, bytes and objects, and receives text, bytes and events in order', async () => {
    const client = await connect();
    client.send('hello');
    client.send(Buffer.from([1, 2, 3]));
    client.send({ some: 'object' });
    client.send('emit');
    expect(await client.next()).toBe('echo hello');
    expect(await client.next()).toEqual(Buffer.from([1, 2, 3]));
    expect(await client.next('news')).toEqual({ lines: 'a\nb' });
    expect(await client.next()).toBe('echo {"some":"object"}');
    expect([client.transport, client.protocol]).toEqual([transport, '']);
    await client.close();
  });

  it('closed() resolves with the code of the server when onClose has settled', async () => {
    const client = await connect();
    let settle!: () => void;
    gateway.closing = new Promise((resolve) => (settle = resolve));
    client.send('close');
    let isClosed = false;
    const closed = client.closed().finally(() => (isClosed = true));
    await app.until(() => app.server.connections.has(client.id), false);
    const other = await connect();
    other.send('still here');
    expect(await other.next()).toBe('echo still here');
    expect([isClosed, gateway.closes]).toEqual([false, []]);
    settle();
    expect(await closed).toEqual({ code: 4321, reason: 'as you wish' });
    expect(gateway.closes).toEqual([4321]);
    await other.close();
  });

  it('close() resolves when the server has forgotten the connection', async () => {
    const client = await connect();
    expect(await client.close()).toEqual({ code: 1000, reason: '' });
    expect(gateway.closes).toEqual([1000]);
    expect(await app.server.to('all').count()).toBe(0);
  });

  it('vanish() disconnects without a close, and closed() waits until the server has noticed', async () => {
    const impatient = await start({ graceTime: 0.05 });
    const client = await impatient.connect('/ws', { transport });
    client.vanish();
    expect(await client.closed()).toEqual({ code: 1006, reason: '' });
    expect(impatient.app.get(Gateway).closes).toEqual([1006]);
    await impatient.close();
  });

  it('says that a hook has not settled when the server does not forget the connection in time', async () => {
    const client = await connect('/ws', { timeoutMs: 100 });
    let settle!: () => void;
    gateway.closing = new Promise((resolve) => (settle = resolve));
    client.send('close');
    await app.until(
      () => client.next().catch(String),
      (seen) => String(seen).includes('The connection has ended'),
    );
    const why = `The client saw its end with 4321, but a hook has not settled`;
    await expect(client.closed()).rejects.toThrow(
      `Waited 100 ms for the server to forget the connection ${client.id} (${transport}). ${why}`,
    );
    settle();
    await app.until(() => gateway.closes.length, 1);
  });

  it('request() resolves with the reply of its id, whatever comes before it and whoever else waits', async () => {
    const client = await connect();
    const anything = client.next();
    const found = Promise.all([7, 9].map((id) => client.request('find', id)));
    client.send('hello');
    expect(await found).toEqual([{ id: 7 }, { id: 9 }]);
    expect(await anything).toBe('echo hello');
    await client.close();
  });

  it('request() rejects with the exception of its id', async () => {
    const client = await connect();
    const requests = [client.request('find', 8), client.request('find', 7)];
    await expect(requests[0]).rejects.toMatchObject({
      message: 'The request "find" was rejected: There is no such order',
      event: 'find',
      data: { status: 'error', message: 'There is no such order' },
    });
    expect(await requests[1]).toEqual({ id: 7 });
    await client.close();
  });

  it('request() resolves without a value where the method returns none', async () => {
    const client = await connect();
    expect(await client.request('void')).toBeUndefined();
    await client.close();
  });

  it('request() resolves with the first value of a stream, and next() returns the others', async () => {
    const client = await connect();
    expect(await client.request('count')).toBe(1);
    expect(await client.next('count')).toBe(2);
    await client.close();
  });

  it('request() rejects when the connection ends before the reply', async () => {
    const client = await connect();
    client.send('close');
    await expect(client.request('find', 7)).rejects.toThrow(
      /^The connection has ended \(code 4321 "as you wish"\) before the reply to "find" \(id 1\) arrived. Nothing else came$/,
    );
  });

  it('a timeout of closed() says that the connection is open', async () => {
    const client = await connect('/ws', { timeoutMs: 50 });
    await expect(client.closed()).rejects.toThrow('Waited 50 ms for the connection to end. Nothing else came');
    await app.server.disconnect(client.id);
    await app.until(() => gateway.closes.length, 1);
  });

  it('a refusal has status, headers and body', async () => {
    const refused = connect('/nowhere');
    await expect(refused).rejects.toMatchObject({ status: 404, message: expect.stringContaining('refused with 404') });
  });

  it('knows the id of its connection', async () => {
    const client = await connect('/ws?user=ann');
    expect(app.server.connections.get(client.id)).toMatchObject({ userId: 'ann', transport });
    expect(await app.server.push(client.id, 'only you')).toBe(true);
    expect(await client.next()).toBe('only you');
    await client.close();
  });

  it('closed() of a client that was never authenticated resolves when its place is free', async () => {
    const client = await connect('/first');
    client.send('wrong');
    expect((await client.closed()).code).toBe(4501);
    expect((await app.server.stats()).unfinished).toBe(0);
    const welcome = await connect('/first');
    welcome.send('secret');
    expect(await welcome.next()).toBe('welcome');
    expect(await welcome.close()).toEqual({ code: 1000, reason: '' });
  });
});

describe.each(['sse', 'polling'] as const)('a test client of the transport %s', (transport) => {
  it('reports a message that the server refused from the next call that waits', async () => {
    const client = await app.connect('/ws', { transport });
    client.send('x'.repeat(1001));
    await expect(client.next()).rejects.toMatchObject({ status: 413, message: expect.stringContaining('A message') });
    client.send('shorter');
    expect(await client.next()).toBe('echo shorter');
    await client.close();
  });

  it('leaves with 1000 only, and has no client of ws', async () => {
    const client = await app.connect('/ws', { transport });
    expect(() => client.socket).toThrow(`There is no ws client underneath a client of the transport ${transport}`);
    expect(() => client.close(4000)).toThrow(RangeError);
    await client.close();
  });
});

describe('a test client of another server', () => {
  it('does not wait for the server, and does not know its id', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    server.on('connection', (socket) => socket.on('message', () => socket.close(4000, 'bye')));
    await once(server, 'listening');
    const client = await TestClient.connect(`ws://127.0.0.1:${(server.address() as { port: number }).port}/`);
    expect(() => client.id).toThrow('connect with app.connect() instead');
    client.send('go');
    expect(await client.closed()).toEqual({ code: 4000, reason: 'bye' });
    server.close();
  });
});

describe('an application without RealtimeModule', () => {
  it('is tested with the same clients, which know only their own side', async () => {
    @WebSocketGateway({ path: '/classic' })
    class Classic {
      @SubscribeMessage('find')
      find(@MessageBody() id: number) {
        return { event: 'found', data: { id } };
      }
    }
    const moduleRef = await Test.createTestingModule({ providers: [Classic] }).compile();
    const classic = await createTestApp(moduleRef, {
      configure: (nest) => void nest.useWebSocketAdapter(new WsAdapter(nest)),
    });
    const client = await classic.connect('/classic');
    client.send({ event: 'find', data: 7 });
    expect(await client.next('found')).toEqual({ id: 7 });
    expect(await client.close()).toEqual({ code: 1000, reason: '' });
    await classic.close();
  });
});

describe('TestApp.until', () => {
  it('resolves with the value as soon as the server is as expected', async () => {
    const clients = await Promise.all(TRANSPORTS.map((transport) => app.connect('/ws', { transport })));
    expect(await app.until(() => app.server.to('all').count(), 3)).toBe(3);
    for (const client of clients) client.send('hello');
    const texts = app.until(
      () => gateway.texts,
      ({ length }) => length === 3,
    );
    expect(await texts).toEqual(['hello', 'hello', 'hello']);
    await Promise.all(clients.map((client) => client.close()));
  });

  it('sees a state that lasts for one turn of the event loop', async () => {
    const client = await app.connect('/ws');
    const seen = app.until(() => gateway.isBusy);
    client.send('be busy');
    expect(await client.next()).toBe('echo be busy');
    expect([await seen, gateway.isBusy]).toEqual([true, false]);
    await client.close();
  });

  it('notices what happens in a timer', async () => {
    let value = 0;
    setTimeout(() => (value = 7), 1);
    expect(await app.until(() => value)).toBe(7);
  });

  it('says at its deadline what was seen instead', async () => {
    let value = 0;
    const counting = app.until(() => value++ < 1, 'never' as never, { timeoutMs: 50 });
    await expect(counting).rejects.toThrow('Waited 50 ms for value++ < 1 to be never. Seen instead: true, then false');
    const found = app.until(() => app.server.info('nobody'), Boolean, { timeoutMs: 50 });
    await expect(found).rejects.toThrow("Waited 50 ms for app.server.info('nobody'). Seen instead: undefined");
    const throwing = app.until(
      () => {
        throw new Error('not yet');
      },
      (value) => value === 1,
      { timeoutMs: 50 },
    );
    await expect(throwing).rejects.toThrow('to satisfy (value)=>value === 1. Seen instead: an error (Error: not yet)');
    const stuck = app.until(() => new Promise(() => {}), true, { timeoutMs: 50 });
    await expect(stuck).rejects.toThrow('Seen instead: nothing: it has not returned');
  });
});
