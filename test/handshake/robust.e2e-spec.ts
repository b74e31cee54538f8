/** A handshake that is slow, hangs, breaks or loses its client at any stage is answered or gone, and leaves nothing behind. */
import { EventEmitter, once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { jest } from '@jest/globals';
import {
  type CanActivate,
  Controller,
  type ExecutionContext,
  Get,
  Injectable,
  type INestApplication,
  type MiddlewareConsumer,
  Module,
  UseGuards,
} from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { WebSocketGateway } from '@nestjs/websockets';
import { type Connection, HandshakeError, type HandshakeRequest, type Message, RealtimeModule } from 'nestjs-realtime';
import type { TestApp } from 'nestjs-realtime/testing';
import { portOf, refusalOf, startApp } from '../support/clients/handshake.js';
import { PLATFORMS } from '../support/platforms.js';
import { seeded, until, untilConnections, within } from '../support/process-guard.js';
import { seed } from '../support/random.js';
import {
  closeFrame,
  frame,
  httpRequest,
  RawSocket,
  type RequestParts,
  upgradeRequest,
} from '../support/clients/raw-socket.js';

jest.setTimeout(120_000);

/** With `?at=<stage>` a handshake waits at that stage until the test emits `go`; with `&ms=<time>` it waits that long. */
const stages = new EventEmitter().setMaxListeners(0);
async function wait(url: string, here: string): Promise<void> {
  const query = new URLSearchParams(url.split('?')[1]);
  if (query.get('at') !== here) return;
  const ms = query.get('ms');
  if (ms !== null) return sleep(Number(ms));
  stages.emit('arrived');
  await once(stages, 'go');
}

@Injectable()
class SlowGuard implements CanActivate {
  async canActivate(context: ExecutionContext) {
    await wait(context.switchToHttp().getRequest().url, 'guard');
    return true;
  }
}

class Hooks {
  async onHandshake(request: HandshakeRequest) {
    await wait(request.url, 'onHandshake');
  }
  async onOpen(_connection: Connection, request: HandshakeRequest) {
    await wait(request.url, 'onOpen');
  }
  onMessage(connection: Connection, message: Message) {
    connection.send(message.text());
  }
}

@UseGuards(SlowGuard)
@WebSocketGateway({ path: '/ws' })
class Gateway extends Hooks {}

@UseGuards(SlowGuard)
@WebSocketGateway({ path: '/bare', middleware: false } as object)
class BareGateway extends Hooks {}

@Controller()
class Pages {
  @Get('page')
  page() {
    return 'a page';
  }
}

@Module({ controllers: [Pages], providers: [Gateway, BareGateway] })
class Feature {
  configure(consumer: MiddlewareConsumer) {
    consumer
      .apply((request: { originalUrl: string }, _response: unknown, next: () => void) => {
        void wait(request.originalUrl, 'middleware').then(next);
      })
      .forRoutes('ws');
  }
}

const STAGES = [
  '/ws?at=middleware',
  '/ws?at=guard',
  '/ws?at=onHandshake',
  '/bare?at=guard',
  '/bare?at=onHandshake',
] as const;

/** Connections and unfinished handshakes that the application of the slow handshakes admits. */
const ROOM = 4;

describe.each(PLATFORMS)('A slow handshake on $platform', ({ adapter }) => {
  let app: TestApp;
  const server = () => app.app.getHttpServer() as Server;

  beforeAll(async () => {
    app = await startApp(adapter(), { imports: [Feature], options: { maxConnections: ROOM, handshakeTimeout: 0.2 } });
  });
  afterAll(() => app.close());
  afterEach(() => untilConnections(server(), 0));

  /** As many clients as the setting allows are admitted; one more is refused. */
  async function expectAllRoom() {
    const clients = await Promise.all(['/ws', '/bare', '/ws', '/bare'].map((path) => app.connect(path)));
    expect(clients).toHaveLength(ROOM);
    const refused = await refusalOf(app.connect('/ws'));
    expect(refused).toMatchObject({ status: 503, body: expect.stringContaining('Too many connections') });
    await Promise.all(clients.map((client) => client.close()));
    await until(
      'no connection',
      async () => (await app.server.stats()).current,
      (current) => current === 0,
    );
  }

  /** Resolves once so many handshakes wait at their stage. */
  async function arrivals(target: string, count = 1): Promise<void> {
    let left = count;
    const all = new Promise<void>((resolve) => {
      const arrived = () => {
        if (--left > 0) return;
        stages.off('arrived', arrived);
        resolve();
      };
      stages.on('arrived', arrived);
    });
    await within(5000, `${target} to be reached`, all);
  }

  it.each(STAGES)('leaves nothing of a slow handshake whose client goes away at %s', async (target) => {
    for (let round = 0; round < ROOM; round++) {
      const client = await RawSocket.connect(portOf(app));
      const arrived = arrivals(target);
      client.send(upgradeRequest({ target }));
      await arrived;
      client.reset();
      await untilConnections(server(), 0);
      stages.emit('go');
    }
    await expectAllRoom();
  });

  it.each(STAGES)(
    'answers a handshake that hangs at %s with 503 at the deadline, and leaves nothing',
    async (target) => {
      const arrived = arrivals(target, ROOM);
      const refusals = Promise.all(Array.from({ length: ROOM }, () => refusalOf(app.connect(target))));
      await arrived;
      for (const refused of await refusals) {
        expect(refused).toMatchObject({ status: 503, headers: { 'retry-after': '5', connection: 'close' } });
        expect(refused.body).not.toContain('Too many connections');
      }
      stages.emit('go');
      await expectAllRoom();
    },
  );

  it.each([...STAGES, '/ws?at=onOpen', '/bare?at=onOpen'])(
    'keeps the bytes that arrive during a handshake that waits at %s',
    async (target) => {
      const arrived = arrivals(target);
      const client = await RawSocket.connect(portOf(app));
      const second = frame({ payload: 'two' });
      client.send(upgradeRequest({ target }), frame({ payload: 'one' }), second.subarray(0, 4));
      await arrived;
      client.send(second.subarray(4), frame({ payload: 'three' }));
      stages.emit('go');
      expect(await client.answer()).toMatchObject({ status: 101 });
      for (const text of ['one', 'two', 'three']) expect((await client.frame()).payload.toString()).toBe(text);
      client.destroy();
    },
  );

  it('admits an upgrade on a connection that has served other requests before', async () => {
    const client = await RawSocket.connect(portOf(app));
    for (let count = 0; count < 2; count++) {
      client.send(httpRequest({ target: '/page' }));
      expect(await client.answer()).toMatchObject({ status: 200, body: 'a page' });
    }
    client.send(upgradeRequest({ target: '/ws?at=guard&ms=20' }));
    expect(await client.answer()).toMatchObject({ status: 101 });
    client.send(frame({ payload: 'hello' }));
    expect((await client.frame()).payload.toString()).toBe('hello');
    client.destroy();
  });

  it('counts a slow handshake as one connection from its start to its end', async () => {
    const open = await Promise.all(Array.from({ length: ROOM - 1 }, () => app.connect('/ws')));
    const arrived = arrivals('/ws?at=onHandshake');
    const slow = app.connect('/ws?at=onHandshake');
    await arrived;
    expect(await refusalOf(app.connect('/ws'))).toMatchObject({ status: 503 });
    stages.emit('go');
    await Promise.all([await slow, ...open].map((client) => client.close()));
    await expectAllRoom();
  });
});

describe.each(PLATFORMS)('A malformed refusal on $platform', ({ adapter }) => {
  const REFUSALS: Record<string, HandshakeError> = {
    'a header of two lines': new HandshakeError(403, 'no', { 'X-Odd': 'a\r\nSet-Cookie: stolen=1' }),
    'a header with a line end in disguise': new HandshakeError(403, 'no', {
      'X-Odd': '\u010d\u010aSet-Cookie: stolen=1',
    }),
    'an invalid header name': new HandshakeError(403, 'no', { 'X Odd:': 'a' }),
    'a status of 101': new HandshakeError(101, 'no'),
    'a status out of range': new HandshakeError(12_345, 'no'),
  };
  class Refuses {
    onHandshake(request: HandshakeRequest) {
      throw REFUSALS[request.query.get('what')!];
    }
  }
  @WebSocketGateway({ path: '/ws' })
  class Passing extends Refuses {}
  @WebSocketGateway({ path: '/bare', middleware: false } as object)
  class Bare extends Refuses {}

  let app: TestApp;
  beforeAll(async () => {
    app = await startApp(adapter(), { providers: [Passing, Bare] });
  });
  afterAll(() => app.close());

  it.each(Object.keys(REFUSALS).flatMap((what) => [['/bare', what] as const, ['/ws', what] as const]))(
    'sends a single answer that refuses, on %s, where the hook throws %s',
    async (path, what) => {
      const client = await RawSocket.connect(portOf(app));
      client.send(upgradeRequest({ target: `${path}?what=${encodeURIComponent(what)}` }));
      const bytes = (await client.ended()).toString('latin1');
      expect(bytes).toMatch(path === '/bare' ? /^HTTP\/1\.1 500 / : /^HTTP\/1\.1 (500|101) /);
      expect(bytes).not.toMatch(/^Set-Cookie/im);
      expect(bytes).not.toMatch(/sec-websocket-accept/i);
      expect((await app.server.stats()).accepted).toBe(0);
    },
  );
});

describe.each(PLATFORMS)('An application that is not ready, on $platform', ({ adapter }) => {
  /** Its hooks announce that they have been reached, and wait until the test emits `go`. */
  class Slow {
    readonly reached = new EventEmitter();
    waitsIn = '';
    private async pass(hook: string) {
      if (this.waitsIn !== hook) return;
      this.reached.emit(hook);
      await once(this.reached, 'go');
    }
    onModuleInit = () => this.pass('onModuleInit');
    onApplicationBootstrap = () => this.pass('onApplicationBootstrap');
    onModuleDestroy = () => this.pass('onModuleDestroy');
    beforeApplicationShutdown = () => this.pass('beforeApplicationShutdown');
  }

  let nest: INestApplication;
  let slow: Slow;
  let url: string;

  beforeEach(async () => {
    slow = new Slow();
    const moduleRef = await Test.createTestingModule({
      imports: [RealtimeModule.forRoot({ envFile: false }), Feature],
      providers: [{ provide: Slow, useValue: slow }],
    }).compile();
    nest = moduleRef.createNestApplication(adapter(), { logger: false });
    const server = nest.getHttpServer() as Server;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  /** Starts something and waits until it has reached the hook. */
  async function isIn(hook: string, start: () => Promise<unknown>): Promise<{ end: Promise<unknown> }> {
    slow.waitsIn = hook;
    const reached = within(5000, `${hook} to be reached`, once(slow.reached, hook));
    const end = start();
    await reached;
    return { end };
  }
  /** Fastify does not get ready by itself where its server listens already. */
  async function init() {
    await nest.init();
    const platform = nest.getHttpAdapter().getInstance() as { ready?(): Promise<void> };
    await platform.ready?.();
  }
  const go = () => slow.reached.emit('go');

  async function expectUnavailable() {
    const raw = await RawSocket.connect(Number(url.split(':')[1]));
    raw.send(upgradeRequest());
    const { status, headers, body } = await raw.answer();
    expect([status, headers['retry-after']]).toEqual([503, '5']);
    expect(JSON.parse(body)).toMatchObject({ statusCode: 503 });
    raw.destroy();
  }

  it.each(['onModuleInit', 'onApplicationBootstrap'])(
    'answers 503 with Retry-After while the application starts, in %s',
    async (hook) => {
      const { end } = await isIn(hook, init);
      await expectUnavailable();
      go();
      await end;
      const raw = await RawSocket.upgraded(Number(url.split(':')[1]));
      raw.destroy();
      await nest.close();
    },
  );

  it.each(['onModuleDestroy', 'beforeApplicationShutdown'])(
    'answers 503 with Retry-After while the application shuts down, in %s',
    async (hook) => {
      await init();
      const { end } = await isIn(hook, () => nest.close());
      await expectUnavailable();
      go();
      await end;
    },
  );

  it('answers 503 to a handshake that is under way when the application shuts down', async () => {
    await init();
    const raw = await RawSocket.connect(Number(url.split(':')[1]));
    const arrived = within(5000, 'the guard', once(stages, 'arrived'));
    raw.send(upgradeRequest({ target: '/ws?at=guard' }));
    await arrived;
    const closed = nest.close();
    expect(await raw.answer()).toMatchObject({ status: 503, headers: { 'retry-after': '5', connection: 'close' } });
    stages.emit('go');
    await closed;
  });
});

describe.each(PLATFORMS)('Five thousand mixed handshakes on $platform', ({ adapter }) => {
  const ATTEMPTS = 5000;
  const WORKERS = 32;
  const PLACES = 100;

  interface Kind {
    readonly bytes: () => Buffer;
    readonly statuses: RegExp;
  }
  const kind = (statuses: RegExp, parts: RequestParts): Kind => ({ statuses, bytes: () => upgradeRequest(parts) });
  const header = (statuses: RegExp, name: string, value: string | string[] | undefined) =>
    kind(statuses, { headers: { [name]: value } });
  const target = (statuses: RegExp, text: string) => kind(statuses, { target: text });
  const raw = (statuses: RegExp, ...parts: (Buffer | string)[]): Kind => ({
    statuses,
    bytes: () => Buffer.concat(parts.map((part) => Buffer.from(part as string, 'latin1'))),
  });

  const H2C = { Connection: 'Upgrade, close', Upgrade: 'h2c' };
  const SLOW = [...STAGES, '/ws?at=onOpen', '/bare?at=onOpen'].flatMap((place) =>
    [0, 10, 30].map((ms) => `${place}&ms=${ms}`),
  );
  const GOOD = ['/ws', '/bare', '/ws?x=%ff', ...SLOW].map((each) => target(/^101$/, each));
  const BAD = [
    header(/^400$/, 'Sec-WebSocket-Key', undefined),
    header(/^400$/, 'Sec-WebSocket-Key', 'short'),
    header(/^400$/, 'Sec-WebSocket-Key', ['dGhlIHNhbXBsZSBub25jZQ==', 'dGhlIHNhbXBsZSBub25jZQ==']),
    header(/^426$/, 'Sec-WebSocket-Version', '8'),
    header(/^400$/, 'Content-Length', '5'),
    header(/^400$/, 'Transfer-Encoding', 'chunked'),
    header(/^403$/, 'Origin', 'https://evil.example'),
    header(/^400$/, 'Sec-WebSocket-Protocol', 'a,,b'),
    header(/^(101|400)$/, 'Host', '[::1'),
    header(/^(101|400)$/, 'Host', undefined),
    kind(/^426$/, { headers: H2C }),
    kind(/^200$/, { target: '/page', headers: H2C }),
    header(/^101$|^431$/, 'X-Long', 'x'.repeat(12_000)),
    header(/^431$/, 'X-Long', 'x'.repeat(20_000)),
    kind(/^405$/, { method: 'POST' }),
    kind(/^400$/, { version: '1.0' }),
    ...['//', '//[]/x', '/%', '*', 'http://[/ws', '/wsx', `/${'p'.repeat(8192)}`, '/__proto__', ''].map((text) =>
      target(/^(400|404)$/, text),
    ),
    raw(/^400$/, 'hello?\r\n\r\n'),
    raw(/^200( \d+)?$/, httpRequest({ target: '/page' }), upgradeRequest()),
    raw(/^200( \d+)?$/, httpRequest({ target: '/page' }), upgradeRequest({ headers: H2C })),
  ];

  let app: TestApp;
  const server = () => app.app.getHttpServer() as Server;

  beforeAll(async () => {
    const unbounded = { maxConnectionRate: 0, maxConnectionRatePerAddress: 0, maxFailedHandshakes: 0 };
    app = await startApp(adapter(), {
      imports: [Feature],
      options: { ...unbounded, maxConnections: PLACES, handshakeTimeout: 5 },
    });
  });
  afterAll(() => app.close());

  it(`survives 5,000 handshakes, many of them malformed or cut, and answers those that wait (FUZZ_SEED=${seed})`, async () => {
    const random = seeded(seed);
    let left = ATTEMPTS;
    let answered = 0;
    const work = async () => {
      while (left-- > 0) {
        const kinds = random() < 0.5 ? GOOD : BAD;
        const one = kinds[Math.floor(random() * kinds.length)]!;
        const [isPatient, delay, cut] = [random() < 0.4, random() * 50, random()];
        await attempt(one, isPatient, delay, cut).catch((error: Error) => {
          throw new Error(`${one.bytes().toString('latin1').slice(0, 300)}: ${error.message}`);
        });
        if (isPatient) answered++;
      }
    };
    await Promise.all(Array.from({ length: WORKERS }, work));
    expect(answered).toBeGreaterThan(ATTEMPTS / 4);
    await untilConnections(server(), 0, 20_000);
    const { current, accepted, closed } = await app.server.stats();
    expect(current).toBe(0);
    expect(Object.values(closed).reduce((sum, count) => sum + count)).toBe(accepted);
    await expectAllPlacesFree();
  });

  async function attempt({ bytes, statuses }: Kind, isPatient: boolean, delay: number, cut: number): Promise<void> {
    const client = await RawSocket.connect(portOf(app));
    const all = bytes();
    if (!isPatient) {
      client.send(cut < 0.3 ? all.subarray(0, Math.floor(all.length * (cut / 0.3))) : all);
      await sleep(delay);
      if (cut < 0.8) client.reset();
      else client.destroy();
      return;
    }
    client.send(all);
    const answers = await client.answers();
    expect(answers.map(({ status }) => status).join(' ')).toMatch(statuses);
    if (answers.at(-1)!.status === 101) await leave(client);
    client.destroy();
  }

  async function leave(client: RawSocket): Promise<void> {
    client.send(frame({ payload: 'still there' }));
    expect((await client.frame()).payload.toString()).toBe('still there');
    client.send(closeFrame(1000));
    expect(await client.closeFrame()).toEqual({ code: 1000, reason: '' });
  }

  async function expectAllPlacesFree(): Promise<void> {
    const clients = await Promise.all(Array.from({ length: PLACES }, () => app.connect('/ws')));
    expect(await refusalOf(app.connect('/ws'))).toMatchObject({ status: 503 });
    for (const client of clients) client.vanish();
    await untilConnections(server(), 0);
  }
});
