/** The sample of docs/testing.md: a complete spec as a user would write it. */
import { type CanActivate, type ExecutionContext, Injectable, UseGuards } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { MessageBody, SubscribeMessage, WebSocketGateway, WsException } from '@nestjs/websockets';
import { Connection, type HandshakeRequest, Message, RealtimeModule, RealtimeServer } from 'nestjs-realtime';
import { createTestApp, type TestApp } from 'nestjs-realtime/testing';

@Injectable()
export class Orders {
  async find(id: number): Promise<{ id: number; total: number } | undefined> {
    throw new Error(`There is no database to look for ${id}`);
  }
}

@Injectable()
export class TokenGuard implements CanActivate {
  canActivate(context: ExecutionContext) {
    const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string> }>();
    return headers.authorization === 'Bearer secret';
  }
}

@UseGuards(TokenGuard)
@WebSocketGateway({ path: '/orders' })
export class OrdersGateway {
  constructor(
    private readonly orders: Orders,
    private readonly server: RealtimeServer,
  ) {}

  onHandshake(request: HandshakeRequest) {
    return { userId: request.query.get('user') ?? undefined, rooms: ['orders'] };
  }
  onOpen(connection: Connection) {
    connection.send(`Hello ${connection.userId}`);
  }
  async onMessage(connection: Connection, message: Message) {
    await this.server.to('orders').except(connection.id).push(message.text());
  }
  @SubscribeMessage('find')
  async find(@MessageBody() id: number) {
    const order = await this.orders.find(id);
    if (!order) throw new WsException('There is no such order');
    return { event: 'found', data: order };
  }
}

describe('OrdersGateway', () => {
  const headers = { authorization: 'Bearer secret' };
  const orders = { find: async (id: number) => (id === 7 ? { id, total: 42 } : undefined) };
  let app: TestApp;

  beforeEach(async () => {
    const moduleRef = await Test.createTestingModule({
      imports: [RealtimeModule.forRoot({ envFile: false })],
      providers: [OrdersGateway, Orders],
    })
      .overrideProvider(Orders)
      .useValue(orders)
      .compile();
    app = await createTestApp(moduleRef);
  });
  afterEach(() => app.close());

  it('refuses a client without the token', async () => {
    await expect(app.connect('/orders')).rejects.toMatchObject({ status: 403 });
  });

  it('greets a client that connects', async () => {
    const ann = await app.connect('/orders?user=ann', { headers });
    expect(await ann.next()).toBe('Hello ann');
  });

  it('forwards a message to the other clients', async () => {
    const [ann, bob] = [await app.connect('/orders', { headers }), await app.connect('/orders', { headers })];
    await bob.next();
    ann.send('sold out');
    expect(await bob.next()).toBe('sold out');
  });

  it('finds an order and reports one that does not exist', async () => {
    const client = await app.connect('/orders', { headers });
    expect(await client.request('find', 7)).toEqual({ id: 7, total: 42 });
    await expect(client.request('find', 8)).rejects.toThrow('There is no such order');
  });

  it.each(['websocket', 'sse', 'polling'] as const)(
    'keeps a client of %s in its room until it leaves',
    async (transport) => {
      const client = await app.connect('/orders', { headers, transport });
      await app.until(() => app.server.to('orders').count(), 1);
      await client.close();
      expect(await app.server.to('orders').count()).toBe(0);
    },
  );

  it('pushes to all tabs of a user and closes them', async () => {
    const tabs = [
      await app.connect('/orders?user=ann', { headers }),
      await app.connect('/orders?user=ann', { headers }),
    ];
    await app.server.toUser('ann').emit('shipped', 7);
    for (const tab of tabs) expect(await tab.next('shipped')).toBe(7);
    await app.server.toUser('ann').disconnect(4501, 'logged out');
    for (const tab of tabs) expect(await tab.closed()).toEqual({ code: 4501, reason: 'logged out' });
  });
});
