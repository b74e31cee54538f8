/** The HTTP application's session and user in the hooks, and the changes that hooks make to the session. */
import {
  Body,
  type CanActivate,
  Controller,
  type ExecutionContext,
  Get,
  HttpCode,
  Injectable,
  Post,
  Req,
  Session,
  UnauthorizedException,
  UseGuards,
} from '@nestjs/common';
import { WebSocketGateway } from '@nestjs/websockets';
import type { CloseInfo, Connection, HandshakeRequest, Message } from 'nestjs-realtime';
import type { TestApp } from 'nestjs-realtime/testing';
import { portOf, refusalOf, startApp, survivors } from '../support/clients/handshake.js';
import { PLATFORMS } from '../support/platforms.js';
import { until } from '../support/process-guard.js';
import { RawSocket, upgradeRequest } from '../support/clients/raw-socket.js';
import { cookieOf, TestStore, useSessions } from '../support/apps/sessions.js';

interface Stored {
  user?: { id: number; name: string };
  handshakes?: number;
  opens?: number;
  note?: string;
  destroy(done: () => void): void;
}
interface PlatformRequest {
  session: Stored;
  user?: unknown;
  raw?: object;
}

const sessionOf = (request: HandshakeRequest) => request.session as Stored;

@Injectable()
class UserGuard implements CanActivate {
  canActivate(context: ExecutionContext) {
    const request = context.switchToHttp().getRequest<PlatformRequest>();
    if (!request.session.user) throw new UnauthorizedException('Log in first');
    request.user = request.session.user;
    return true;
  }
}

@Controller()
class Accounts {
  @Post('login')
  @HttpCode(204)
  login(@Session() session: Stored, @Body() { name }: { name: string }) {
    session.user = { id: 7, name };
  }

  @Post('logout')
  @HttpCode(204)
  logout(@Req() request: PlatformRequest) {
    return new Promise<void>((resolve) => request.session.destroy(() => resolve()));
  }

  @Get('session')
  session(@Session() { user, handshakes, opens, note }: Stored) {
    return { user, handshakes, opens, note };
  }

  @UseGuards(UserGuard)
  @Get('profile')
  profile() {
    return 'ok';
  }
}

/** The hooks that ran, in order. */
const events: string[] = [];
const refs: WeakRef<object>[] = [];

const JSON_TYPE = { 'Content-Type': 'application/json' };

@UseGuards(UserGuard)
@WebSocketGateway({ path: '/members' })
class Members {
  onHandshake(request: HandshakeRequest) {
    events.push('onHandshake');
    const session = sessionOf(request);
    session.handshakes = (session.handshakes ?? 0) + 1;
  }
  onOpen(connection: Connection, request: HandshakeRequest) {
    events.push('onOpen');
    const session = sessionOf(request);
    session.opens = (session.opens ?? 0) + 1;
    connection.emit('opened', {
      userId: connection.userId,
      user: request.user,
      name: session.user?.name,
      cookies: Object.keys(request.cookies),
    });
  }
  onMessage(connection: Connection, message: Message) {
    connection.send(message.text());
  }
  onClose(_connection: Connection, { code }: CloseInfo) {
    events.push(`onClose ${code}`);
  }
}

@WebSocketGateway({ path: '/guests' })
class Guests {
  onHandshake(request: HandshakeRequest) {
    const note = request.query.get('note');
    if (note) sessionOf(request).note = note;
  }
  onOpen(connection: Connection) {
    connection.send('hello');
  }
}

@Injectable()
class Remember implements CanActivate {
  canActivate(context: ExecutionContext) {
    const request = context.switchToHttp().getRequest<PlatformRequest>();
    const response = context.switchToHttp().getResponse<{ raw?: object }>();
    const all = [request, request.raw, response, response.raw, request.session];
    for (const one of all) if (one) refs.push(new WeakRef(one));
    return true;
  }
}

@UseGuards(Remember)
@WebSocketGateway({ path: '/remembered' })
class Remembered {
  onHandshake(request: HandshakeRequest) {
    sessionOf(request).note = 'kept in the store, not in memory';
  }
  async onOpen(connection: Connection, request: HandshakeRequest) {
    refs.push(new WeakRef(request));
    await Promise.resolve();
    connection.send('opened');
  }
  onMessage(connection: Connection, message: Message) {
    connection.send(message.text());
  }
}

@UseGuards(Remember)
@WebSocketGateway({ path: '/asked' })
class Asked extends Remembered {
  onAuthenticate() {
    return { userId: 'ann' };
  }
}

describe.each(PLATFORMS)('The session on $platform', ({ adapter }) => {
  let shared: TestApp;
  let app: TestApp;
  const store = new TestStore();

  const start = (handshakeTimeout?: number) =>
    startApp(adapter(), {
      controllers: [Accounts],
      providers: [Members, Guests, Remembered, Asked],
      options: { handshakeTimeout },
      configure: (nest) => useSessions(nest, store),
    });
  beforeAll(async () => {
    shared = await start();
  });
  afterAll(() => shared.close());
  beforeEach(() => {
    app = shared;
  });
  afterEach(async () => {
    if (app !== shared) await app.close();
    await untilNobody(shared);
    store.reset();
    events.splice(0);
    refs.splice(0);
  });

  /** Disconnects all clients, and waits until their `onClose` has run. */
  async function untilNobody({ server }: TestApp): Promise<void> {
    for (const connection of server.connections.values()) connection.terminate();
    const isNobody = (size: number) => size === 0;
    await until('nobody to be connected', () => server.connections.size, isNobody);
  }

  async function logIn(): Promise<{ cookie: string }> {
    const answer = await fetch(`${app.url}/login`, { method: 'POST', headers: JSON_TYPE, body: '{"name":"Ann"}' });
    expect(answer.status).toBe(204);
    return { cookie: cookieOf(answer.headers.get('set-cookie')) };
  }

  const getJson = async (path: string, headers: Record<string, string>): Promise<unknown> =>
    (await fetch(app.url + path, { headers })).json();

  it('gives the hooks the user that logged in over HTTP', async () => {
    const headers = await logIn();
    const client = await app.connect('/members', { headers });
    expect(await client.next('opened')).toEqual({
      userId: '7',
      user: { id: 7, name: 'Ann' },
      name: 'Ann',
      cookies: [headers.cookie.split('=')[0]],
    });
    expect(await app.server.toUser('7').count()).toBe(1);
  });

  it('refuses a guest with the 401 of a controller and runs no hook', async () => {
    const before = await app.server.stats();
    const route = await fetch(`${app.url}/profile`);
    const refused = await refusalOf(app.connect('/members'));
    expect(refused.status).toBe(401);
    expect(route.status).toBe(401);
    expect(refused.body).toBe(await route.text());
    expect(events).toEqual([]);
    expect(await app.server.stats()).toMatchObject({ accepted: before.accepted, current: 0 });
  });

  it('lets the next HTTP request read session data from onHandshake and onOpen', async () => {
    const headers = await logIn();
    for (const count of [1, 2]) {
      const client = await app.connect('/members', { headers });
      await client.next('opened');
      const user = { id: 7, name: 'Ann' };
      expect(await getJson('/session', headers)).toEqual({ user, handshakes: count, opens: count });
    }
  });

  it('stores session changes of onOpen before the client receives the first message of onOpen', async () => {
    const headers = await logIn();
    const client = await app.connect('/members', { headers });
    await client.next('opened');
    store.behaviour = 'slowly';
    const connecting = app.connect('/members', { headers });
    const isHeld = (count: number) => count > 0;
    await until('the save of onHandshake', () => store.held.length, isHeld);
    store.held.shift()!();
    const second = await connecting;
    let isHeard = false;
    const opened = second.next('opened').then(() => {
      isHeard = true;
      return store.stored;
    });
    await until('the save of onOpen', () => store.held.length, isHeld);
    expect(await echoOf(client)).toBe('a turn later');
    expect(isHeard).toBe(false);
    store.held.shift()!();
    expect(await opened).toMatchObject([{ handshakes: 2, opens: 2 }]);
  });

  async function echoOf(client: { send(text: string): void; next(): Promise<unknown> }) {
    client.send('a turn later');
    return client.next();
  }

  it('sends the cookie of a new session with the 101', async () => {
    const raw = await RawSocket.connect(portOf(app));
    raw.send(upgradeRequest({ target: '/guests?note=first' }));
    const { status, headers } = await raw.answer();
    expect(status).toBe(101);
    const cookie = cookieOf(headers['set-cookie']);
    expect(await getJson('/session', { cookie })).toEqual({ note: 'first' });
    raw.destroy();
  });

  it('starts no session when no hook writes to it', async () => {
    const raw = await RawSocket.connect(portOf(app));
    raw.send(upgradeRequest({ target: '/guests' }));
    const { status, headers } = await raw.answer();
    expect([status, headers['set-cookie']]).toEqual([101, undefined]);
    expect(store.stored).toEqual([]);
    raw.destroy();
  });

  it('refuses a handshake after a logout in another tab', async () => {
    const headers = await logIn();
    await (await app.connect('/members', { headers })).next('opened');
    expect((await fetch(`${app.url}/logout`, { method: 'POST', headers })).status).toBe(204);
    events.splice(0);
    expect(await refusalOf(app.connect('/members', { headers }))).toMatchObject({ status: 401 });
    expect(events).toEqual([]);
  });

  it.each([
    ['fails', undefined],
    ['hangs', 0.5],
  ] as const)('closes with 1011 when the session store %s after onOpen', async (behaviour, timeout) => {
    if (timeout !== undefined) app = await start(timeout);
    const headers = await logIn();
    const healthy = await app.connect('/members', { headers });
    await healthy.next('opened');
    store.behaviour = 'slowly';
    const connecting = app.connect('/members', { headers });
    await until(
      'the save of onHandshake',
      () => store.held.length,
      (count) => count > 0,
    );
    store.behaviour = behaviour;
    store.held.shift()!();
    const client = await connecting;
    const heard: unknown[] = [];
    void client.next().then(
      (message) => heard.push(message),
      () => {},
    );
    expect(await client.closed()).toEqual({ code: 1011, reason: 'onOpen failed' });
    expect(heard).toEqual([]);
    await until(
      'onClose',
      () => events.at(-1),
      (last) => last === 'onClose 1011',
    );
    expect(await echoOf(healthy)).toBe('a turn later');
    expect((await app.server.stats()).current).toBe(1);
  });

  it('treats a session store that fails during the handshake as the platform does on a route', async () => {
    const before = await app.server.stats();
    store.behaviour = 'fails';
    const route = await fetch(`${app.url}/login`, { method: 'POST', headers: JSON_TYPE, body: '{"name":"Ann"}' });
    const body = await route.text();
    const attempt = app.connect('/guests?note=first');
    // Express has sent its 200 by then; a WebSocket can still be closed
    if (route.ok) expect(await (await attempt).closed()).toEqual({ code: 1011, reason: 'onOpen failed' });
    else expect(await refusalOf(attempt)).toMatchObject({ status: route.status, body });
    expect((await app.server.stats()).accepted - before.accepted).toBe(route.ok ? 1 : 0);
  });

  it('answers 503 when the session store hangs during the handshake', async () => {
    app = await start(0.1);
    store.behaviour = 'hangs';
    expect(await refusalOf(app.connect('/guests?note=first'))).toMatchObject({ status: 503 });
    expect(await app.server.stats()).toMatchObject({ accepted: 0, current: 0 });
  });

  it.each([
    ['at its deadline', 0.1],
    ['by a shutdown', undefined],
  ])('lets the session store answer when the handshake was refused %s in the meantime', async (_when, timeout) => {
    app = await start(timeout);
    store.behaviour = 'slowly';
    const refused = refusalOf(app.connect('/guests?note=first'));
    await until(
      'the save of onHandshake',
      () => store.held.length,
      (count) => count === 1,
    );
    const closed = timeout === undefined ? app.close() : undefined;
    expect(await refused).toMatchObject({ status: 503 });
    // Nothing is saved or sent a second time: that would be an uncaught error of the platform
    expect(store.held).toHaveLength(1);
    store.held.shift()!();
    await closed;
    expect(store.held).toEqual([]);
  });

  it.each(['/remembered', '/asked'])('releases the request and its session after onOpen on %s', async (path) => {
    const headers = await logIn();
    const clients = await Promise.all([1, 2, 3].map(() => app.connect(path, { headers })));
    if (path === '/asked') for (const client of clients) client.send('it is me');
    for (const client of clients) expect(await client.next()).toBe('opened');
    expect(refs.length).toBeGreaterThanOrEqual(12);
    expect(await survivors(refs)).toBe(0);
    for (const client of clients) expect(await echoOf(client)).toBe('a turn later');
  });
});

describe.each(PLATFORMS)('A session of another kind on $platform', ({ adapter }) => {
  const saves: string[] = [];

  it.each([
    ['returns a promise', async (): Promise<void> => void saves.push('promise'), 'hello'],
    ['returns a promise that rejects', () => Promise.reject(new Error('The store is down')), 1011],
    [
      'throws',
      () => {
        throw new Error('The store is down');
      },
      1011,
    ],
  ] as const)(
    'saves a session of the application after onOpen by its save(), which %s',
    async (_how, save, expected) => {
      @WebSocketGateway({ path: '/ws' })
      class Gateway {
        onOpen(connection: Connection, request: HandshakeRequest) {
          sessionOf(request).note = 'from onOpen';
          connection.send('hello');
        }
      }
      const app = await startApp(adapter(), {
        providers: [Gateway],
        configure: (nest) => {
          nest.use((request: { session: unknown }, _response: unknown, next: () => void) => {
            request.session = { save };
            next();
          });
        },
      });
      const client = await app.connect('/ws');
      if (expected === 1011) expect(await client.closed()).toMatchObject({ code: 1011 });
      else expect([await client.next(), saves]).toEqual([expected, ['promise']]);
      saves.splice(0);
      await app.close();
    },
  );
});
