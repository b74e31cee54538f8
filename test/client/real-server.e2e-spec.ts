/** The client library against a real application: rooms, presence, requests, tokens, close codes, and a bad network. */
import { jest } from '@jest/globals';
import { UnauthorizedException } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { ConnectedSocket, MessageBody, SubscribeMessage, WebSocketGateway, WsException } from '@nestjs/websockets';
import { connect, type ConnectOptions, RequestError, type State, type Transport } from 'nestjs-realtime-client';
import { Connection, type HandshakeRequest, type Identity, RealtimeModule } from 'nestjs-realtime';
import { createTestApp, type TestApp } from 'nestjs-realtime/testing';
import { TcpProxy } from '../support/clients/tcp-proxy.js';

jest.setTimeout(30_000);

interface Chat {
  server: { n: number };
  client: { add: { in: { a: number; b: number }; out: { sum: number } }; status: { text: string } };
  presence: { text: string };
}

/** A token is the name of its user, with `old.`, `new.` or `soon.` before it; one of `soon.` expires. */
const EXPIRES_MS = 600;
const refused = new Set<string>();

@WebSocketGateway({ path: '/ws' })
class ChatGateway {
  readonly opened: string[] = [];

  onHandshake({ token = '' }: HandshakeRequest): Identity {
    const [, kind, userId] = /^(?:(soon|old|new)\.)?(\w+)$/.exec(token) ?? [];
    if (!userId || refused.has(token)) throw new UnauthorizedException('The token is not valid');
    return { userId, ...(kind === 'soon' && { expiresAt: new Date(Date.now() + EXPIRES_MS) }) };
  }
  async onOpen(connection: Connection<Chat>): Promise<void> {
    this.opened.push(connection.id);
    await connection.join(`log:${connection.userId}`, { last: 3 });
    await connection.join('chat:all');
  }
  @SubscribeMessage('add')
  add(@MessageBody() { a, b }: { a: number; b: number }) {
    if (a < 0) throw new WsException({ code: 'negative', message: 'Only from 0 on' });
    return { sum: a + b };
  }
  @SubscribeMessage('status')
  status(@ConnectedSocket() connection: Connection<Chat>, @MessageBody() state: { text: string }): void {
    connection.present('chat:all', state);
  }
}

let app: TestApp;
let users = 0;

beforeAll(async () => {
  const rooms = { 'log:*': { history: { size: 5, age: 60 } }, 'chat:*': { presence: { grace: 0, events: true } } };
  const options = { heartbeatPingInterval: 0.2, expiryNotice: 0.5, pollHold: 1, closeTimeout: 0.1 };
  const realtime = RealtimeModule.forRoot({ envFile: false, rooms, ...options });
  app = await createTestApp(
    await Test.createTestingModule({ imports: [realtime], providers: [ChatGateway] }).compile(),
  );
});
afterAll(() => app.close());
afterEach(() => refused.clear());

const newUser = () => `user${++users}`;
const push = (user: string, ...numbers: number[]) =>
  Promise.all(numbers.map((n) => app.server.to(`log:${user}`).emit('n', n)));

/** A client, and everything that it has been told. */
async function come(user: string, options: ConnectOptions = {}, url?: string) {
  const at = url === undefined ? connect<Chat> : (_url: string, own?: ConnectOptions) => connect<Chat>(url, own);
  const socket = await app.connectClient(at, '/ws', { token: user, ...options });
  const seen: (number | string)[] = [];
  const states: State[] = [];
  socket.on('n', (n) => seen.push(n));
  socket.onState((state) => states.push(state));
  const room = socket.room(`log:${user}`);
  room.on('recovered', () => seen.push('recovered')).on('gap', ({ reason }) => seen.push(`gap ${reason}`));
  return { user, socket, seen, states, room };
}
const idOf = (state: State) => (state.status === 'open' ? state.id : undefined);

describe.each<Transport>(['websocket', 'sse', 'polling'])('over %s', (transport) => {
  const transports = [transport];

  it('a new connection gets the last messages of a room, with their room and positions', async () => {
    const user = newUser();
    await push(user, 1, 2, 3, 4);
    const socket = connect<Chat>(`${app.url}/ws`, { token: user, transports });
    const metas: unknown[] = [];
    socket.on('n', (n, { room, position }) => metas.push([n, room, typeof position]));
    await app.until(() => metas.length, 3);
    expect(metas).toEqual([2, 3, 4].map((n) => [n, `log:${user}`, 'string']));
    expect(socket.room(`log:${user}`).isJoined).toBe(true);
    socket.close();
  });

  it('what was missed on the way to a new connection is recovered, once and in order', async () => {
    const user = newUser();
    const { socket, seen, room } = await come(user, { transports });
    await app.until(() => room.isJoined);
    const before = idOf(socket.state);
    await push(user, 1, 2);
    await app.until(() => seen.length, 2);
    await app.server.toUser(user).disconnect(4001, 'come back');
    await push(user, 3, 4, 5);
    await app.until(() => seen.includes('recovered'));
    await push(user, 6);
    await app.until(() => seen.includes(6));
    expect(seen).toEqual([1, 2, 3, 4, 5, 'recovered', 6]);
    expect(socket.state).toMatchObject({ status: 'open', transport, isResumed: false });
    expect(idOf(socket.state)).not.toBe(before);
  });

  it('what the history no longer has is told as a gap, and what comes after it arrives', async () => {
    const user = newUser();
    const { socket, seen, room } = await come(user, { transports });
    await app.until(() => room.isJoined);
    await push(user, 1);
    await app.until(() => seen.length, 1);
    await app.server.toUser(user).disconnect(4001, 'come back');
    await push(user, 2, 3, 4, 5, 6, 7, 8, 9);
    await app.until(() => seen.some((what) => String(what).startsWith('gap')));
    await push(user, 10);
    await app.until(() => seen.includes(10));
    expect(seen.filter((what) => typeof what === 'string')).toEqual(['gap expired']);
    const numbers = seen.filter((what) => typeof what === 'number');
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
    expect(socket.duplicates).toBe(0);
  });

  it('a room shows who is present, with their state, until they leave', async () => {
    const [ann, bob] = [newUser(), newUser()];
    const here = (await come(ann, { transports })).socket.room('chat:all');
    const there = (await come(bob, { transports })).socket;
    await app.until(() => [here.presence.has(ann), here.presence.has(bob)], [true, true]);
    there.emit('status', { text: 'writing' });
    for (const room of [here, there.room('chat:all')]) {
      expect(await app.until(() => room.presence.get(bob)?.state)).toEqual({ text: 'writing' });
    }
    there.close();
    await app.until(() => here.presence.has(bob), false);
    expect(here.presence.has(ann)).toBe(true);
  });

  it('a request resolves with its answer, and rejects with the code of the server', async () => {
    const { socket } = await come(newUser(), { transports });
    const answers = await Promise.all([1, 2, 3].map((a) => socket.request('add', { a, b: 10 })));
    expect(answers.map(({ sum }) => sum)).toEqual([11, 12, 13]);
    const error: unknown = await socket.request('add', { a: -1, b: 0 }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(RequestError);
    expect(error).toMatchObject({ code: 'refused', data: { code: 'negative', message: 'Only from 0 on' } });
  });

  it('a token that is refused at first is asked for once more', async () => {
    const user = newUser();
    refused.add(`old.${user}`);
    const asked: string[] = [];
    const token = ({ reason }: { reason: string }) => {
      asked.push(reason);
      return asked.length === 1 ? `old.${user}` : `new.${user}`;
    };
    const { socket } = await come(user, { transports, token });
    expect(asked).toEqual(['connect', 'refused']);
    expect(socket.state).toMatchObject({ status: 'open', transport });
  });

  it('a client whose tokens are refused is closed, and says what the server said', async () => {
    const user = newUser();
    refused.add(user);
    const refusal = come(user, { transports, token: () => user });
    await expect(refusal).rejects.toThrow('closed: the server answered 401: The token is not valid');
  });

  it('a token that expires during a connection is replaced, and the connection goes on', async () => {
    const user = newUser();
    const asked: string[] = [];
    const token = ({ reason }: { reason: string }) => {
      asked.push(reason);
      return asked.length === 1 ? `soon.${user}` : user;
    };
    const { socket, states } = await come(user, { transports, token });
    const id = idOf(socket.state);
    const endsAt = Date.now() + EXPIRES_MS;
    await app.until(() => Date.now() > endsAt && asked.length === 2);
    expect(asked).toEqual(['connect', 'expires']);
    expect(idOf(socket.state)).toBe(id);
    expect(states.every(({ status }) => status === 'open')).toBe(true);
    expect(await socket.request('add', { a: 1, b: 2 })).toEqual({ sum: 3 });
  });

  it.each([
    [4503, 'closed'],
    [4001, 'open'],
  ])('after the close code %d it is %s', async (code, status) => {
    const user = newUser();
    const { socket, states } = await come(user, { transports });
    await app.server.toUser(user).disconnect(code, 'in these words');
    await app.until(() => states.at(-1)?.status === status);
    expect(states[0]).toMatchObject({ status: status === 'open' ? 'waiting' : 'closed', reason: 'in these words' });
    socket.close();
  });
});

describe('a network', () => {
  let proxy: TcpProxy;

  beforeEach(async () => {
    proxy = await TcpProxy.start(Number(new URL(app.url).port));
  });
  afterEach(() => proxy.stop());

  const comeThrough = (transport: Transport) =>
    come(newUser(), { transports: [transport] }, `http://127.0.0.1:${proxy.port}/ws`);

  it('that is slow delays messages, and neither loses nor swaps them', async () => {
    proxy.delay(100);
    const clients = await Promise.all((['websocket', 'sse', 'polling'] as const).map(comeThrough));
    await Promise.all(clients.map(({ room }) => app.until(() => room.isJoined)));
    const answers = clients.map(({ socket, user }) => {
      void push(user, 1, 2, 3);
      return Promise.all([1, 2, 3].map((a) => socket.request('add', { a, b: 0 })));
    });
    expect(await Promise.all(answers)).toEqual(clients.map(() => [{ sum: 1 }, { sum: 2 }, { sum: 3 }]));
    for (const { seen } of clients) {
      await app.until(() => seen.length, 3);
      expect(seen).toEqual([1, 2, 3]);
    }
  });

  it('whose connections are half-open is noticed on every transport, and the sessions go on over new ones', async () => {
    const clients = await Promise.all((['websocket', 'sse', 'polling'] as const).map(comeThrough));
    const ids = clients.map(({ socket }) => idOf(socket.state));
    proxy.halfOpen();
    const answers = clients.map(({ socket }, a) => socket.request('add', { a, b: 0 }, { timeout: 20_000 }));
    expect(await Promise.all(answers)).toEqual([{ sum: 0 }, { sum: 1 }, { sum: 2 }]);
    expect(clients.map(({ socket }) => idOf(socket.state))).toEqual(ids);
    for (const { states } of clients) {
      expect(states.map(({ status }) => status)).toEqual(['waiting', 'connecting', 'open']);
      expect(states[0]).toMatchObject({ reason: 'the server does not answer' });
    }
  });
});
