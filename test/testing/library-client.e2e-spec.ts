/** `TestApp.connectClient`: the client library on an application under test. */
import { ForbiddenException } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { WebSocketGateway } from '@nestjs/websockets';
import { expectTypeOf } from 'expect-type';
import { connect, type RealtimeSocket } from 'nestjs-realtime-client';
import { type HandshakeRequest, type Identity, RealtimeModule } from 'nestjs-realtime';
import { createTestApp, type TestApp } from 'nestjs-realtime/testing';

interface Chat {
  server: { message: string };
  client: { say: { text: string } };
}

@WebSocketGateway({ path: '/ws' })
class Gateway {
  onHandshake({ token, query }: HandshakeRequest): Identity {
    if (token === 'nobody') throw new ForbiddenException('Nobody may come in');
    return { userId: token, rooms: [query.get('room') ?? 'all'] };
  }
}

let app: TestApp;

beforeEach(async () => {
  const imports = [RealtimeModule.forRoot({ envFile: false, closeTimeout: 0.1 })];
  app = await createTestApp(await Test.createTestingModule({ imports, providers: [Gateway] }).compile());
});
afterEach(() => app.close());

it.each(['websocket', 'sse', 'polling'] as const)(
  'a client of %s is open and typed by its contract',
  async (transport) => {
    const client = await app.connectClient(connect<Chat>, '/ws?room=one', { token: 'ann', transports: [transport] });
    expectTypeOf(client).toEqualTypeOf<RealtimeSocket<Chat>>();
    expect(client.state).toMatchObject({ status: 'open', transport });
    expect(await app.server.to('one').count()).toBe(1);
    const messages = client.events('message');
    await app.server.toUser('ann').emit('message', 'hello');
    expect(await messages.next()).toMatchObject({ value: 'hello' });
  },
);

it('a client that is refused for good rejects with the words of the server, and does not try again', async () => {
  const states: string[] = [];
  const watched: typeof connect<Chat> = (url, options) => {
    const socket = connect<Chat>(url, options);
    socket.onState(({ status }) => states.push(status));
    return socket;
  };
  const coming = app.connectClient(watched, '/ws', { token: 'nobody' });
  await expect(coming).rejects.toThrow('The client is closed: the server answered 403: Nobody may come in');
  expect(states).toEqual(['closed']);
});

it('a client that is not open in time rejects with its last state, and is closed', async () => {
  let socket: RealtimeSocket<Chat> | undefined;
  const away = (_url: string) => (socket = connect<Chat>('http://127.0.0.1:1/ws'));
  const coming = app.connectClient(away, '/ws', {}, { timeoutMs: 200 });
  await expect(coming).rejects.toThrow(/^Waited 200 ms for the client to be open: it is (connecting|waiting: .+)$/);
  expect(socket!.state).toMatchObject({ status: 'closed', code: 1000 });
});

it('is closed with the application, and does not come back', async () => {
  const client = await app.connectClient(connect<Chat>, '/ws', { token: 'ann' });
  await app.close();
  expect(client.state).toMatchObject({ status: 'closed', code: 1000 });
});
