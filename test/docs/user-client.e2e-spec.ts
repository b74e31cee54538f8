/** The sample of docs/testing.md: the application's own client, typed by its contract, as a user would test it. */
import { Test } from '@nestjs/testing';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { connect } from 'nestjs-realtime-client';
import { type HandshakeRequest, type Identity, RealtimeModule, RealtimeServer } from 'nestjs-realtime';
import { createTestApp, type TestApp } from 'nestjs-realtime/testing';

interface Chat {
  server: { message: { text: string } };
  client: { say: { text: string }; count: { in: { of: string }; out: number } };
}

@WebSocketGateway({ path: '/chat' })
export class ChatGateway {
  constructor(private readonly server: RealtimeServer<Chat>) {}

  onHandshake({ token }: HandshakeRequest): Identity {
    return { userId: token, rooms: ['chat'] };
  }
  @SubscribeMessage('say')
  async say(@MessageBody() { text }: Chat['client']['say']): Promise<void> {
    await this.server.to('chat').emit('message', { text });
  }
  @SubscribeMessage('count')
  count(@MessageBody() { of }: Chat['client']['count']['in']): Promise<number> {
    return this.server.to(of).count();
  }
}

describe('ChatGateway', () => {
  let app: TestApp;

  beforeEach(async () => {
    const imports = [RealtimeModule.forRoot({ envFile: false })];
    app = await createTestApp(await Test.createTestingModule({ imports, providers: [ChatGateway] }).compile());
  });
  afterEach(() => app.close());

  it('answers a request, and sends what is said to everybody', async () => {
    const ann = await app.connectClient(connect<Chat>, '/chat', { token: 'ann' });
    const bob = await app.connectClient(connect<Chat>, '/chat', { token: 'bob', transports: ['polling'] });
    const messages = bob.events('message');
    expect(await ann.request('count', { of: 'chat' })).toBe(2);
    ann.emit('say', { text: 'hello' });
    expect(await messages.next()).toEqual({ done: false, value: { text: 'hello' } });
  });
});
