/** Middleware that acts when its request is over: it ends neither the process nor an admission. */
import { EventEmitter, once } from 'node:events';
import { PassThrough } from 'node:stream';
import type { ServerResponse } from 'node:http';
import type { MiddlewareConsumer, NestModule } from '@nestjs/common';
import { Module } from '@nestjs/common';
import { WebSocketGateway } from '@nestjs/websockets';
import { type Connection, type HandshakeRequest, type Message } from 'nestjs-realtime';
import type { TestApp } from 'nestjs-realtime/testing';
import { portOf, refusalOf, startApp } from '../support/clients/handshake.js';
import { PLATFORMS } from '../support/platforms.js';
import { until, within } from '../support/process-guard.js';
import { httpRequest, RawSocket } from '../support/clients/raw-socket.js';

/** What a middleware does with a response that has ended. */
const ACTS: Readonly<Partial<Record<string, (response: ServerResponse) => unknown>>> = {
  'write()': (response) => response.write('late'),
  'end()': (response) => response.end('late'),
  'pipe()': (response) => new PassThrough().end('late').pipe(response),
  'flushHeaders()': (response) => response.flushHeaders(),
  'destroy()': (response) => response.destroy(),
  'setHeader()': (response) => response.setHeader('X-Late', '1'),
  'writeHead()': (response) => response.writeHead(200, { 'X-Late': '1' }),
};
const MOMENTS = ['finish', 'close', 'later'];

/** Emits what has happened, and takes `go`. */
const stage = new EventEmitter();
/** The handshakes whose onHandshake ran. */
const shaken: string[] = [];

type Next = () => void;
type Req = { originalUrl?: string; url: string; query?: unknown };

function late({ originalUrl, url }: Req, response: ServerResponse, next: Next): void {
  const query = new URL(originalUrl ?? url, 'http://test').searchParams;
  const act = ACTS[query.get('act') ?? ''];
  const perform = () => {
    try {
      stage.emit('acted', act!(response));
    } catch (error) {
      stage.emit('acted', (error as { code: string }).code);
    }
  };
  if (act && query.get('at') === 'later') response.once('close', () => setImmediate(perform));
  else if (act) response.once(query.get('at')!, perform);
  if (!query.has('wait')) next();
  else {
    stage.once('go', () => {
      if (query.has('answers')) response.end('answered');
      next();
      stage.emit('went');
    });
    stage.emit('waiting');
  }
}

@WebSocketGateway({ path: '/ws' })
class Gateway {
  onHandshake({ url }: HandshakeRequest) {
    shaken.push(url);
  }
  onMessage(connection: Connection, message: Message) {
    connection.send(message.text());
  }
}

@Module({ providers: [Gateway] })
class Feature implements NestModule {
  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(late).forRoutes('*all');
  }
}

describe.each(PLATFORMS)('Middleware on $platform', ({ adapter }) => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startApp(adapter(), {
      imports: [Feature],
      options: { handshakeTimeout: 0.2, pollHold: 0.1, closeTimeout: 0.05 },
    });
  });
  afterAll(() => app.close());
  beforeEach(() => shaken.splice(0));

  const CASES = Object.keys(ACTS).flatMap((act) => MOMENTS.map((at) => [act, at] as const));

  it.each(CASES)('that calls %s on the response after the 101 (%s) does the connection no harm', async (act, at) => {
    const acted = within(5000, act, once(stage, 'acted'));
    const client = await app.connect(`/ws?act=${act}&at=${at}`);
    const [result] = await acted;
    if (/Head/.test(act) && act !== 'flushHeaders()') expect(result).toBe('ERR_HTTP_HEADERS_SENT');
    client.send('still there');
    expect(await client.next()).toBe('still there');
    await client.close();
  });

  it('that calls next() after the deadline of the handshake does not run onHandshake any more', async () => {
    const waiting = once(stage, 'waiting');
    const refused = refusalOf(app.connect('/ws?wait=1'));
    await waiting;
    expect((await refused).status).toBe(503);
    const before = await app.server.stats();
    const went = once(stage, 'went');
    stage.emit('go');
    await went;
    // A later handshake has gone the whole way
    await (await app.connect('/ws?next')).close();
    expect(shaken).toEqual(['/ws?next']);
    expect((await app.server.stats()).refused).toBe(before.refused);
  });

  it('that calls next() when the client of a WebSocket has gone does not run onHandshake', async () => {
    const waiting = once(stage, 'waiting');
    const client = await RawSocket.connect(portOf(app));
    client.send('GET /ws?wait=1 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n');
    client.send('Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n');
    await waiting;
    client.reset();
    await until(
      'the end of the handshake',
      async () => (await app.server.stats()).unfinished,
      (unfinished) => unfinished === 0,
    );
    const went = once(stage, 'went');
    stage.emit('go');
    await went;
    await (await app.connect('/ws?next')).close();
    expect(shaken).toEqual(['/ws?next']);
  });

  it.each([
    ['SSE', { Accept: 'text/event-stream' }, ''],
    ['polling', {}, '&transport=polling'],
    ['a plain request', {}, ''],
  ])('that answers and calls next() all the same opens no connection over %s', async (_name, headers, more) => {
    const waiting = once(stage, 'waiting');
    const client = await RawSocket.connect(portOf(app));
    client.send(httpRequest({ target: `/ws?wait=1&answers=1${more}`, headers }));
    await waiting;
    const before = await app.server.stats();
    stage.emit('go');
    expect(await client.answer()).toMatchObject({ status: 200, body: 'answered' });
    // The connection is still of use
    client.send(httpRequest({ target: '/ws?transport=polling' }));
    expect(await client.answer()).toMatchObject({ status: 200, body: expect.stringContaining('"token"') });
    expect(shaken).toEqual(['/ws?transport=polling']);
    expect((await app.server.stats()).accepted).toBe(before.accepted + 1);
    client.destroy();
    await app.server.toEveryone().disconnect();
  });
});
