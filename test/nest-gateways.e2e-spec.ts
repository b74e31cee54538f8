/** Gateways that were written for Nest's own WsAdapter, unchanged: the same class and the same client on both. */
import { type CanActivate, Controller, Get, Injectable, UseGuards } from '@nestjs/common';
import { WsAdapter } from '@nestjs/platform-ws';
import { Test } from '@nestjs/testing';
import {
  ConnectedSocket,
  MessageBody,
  SubscribeMessage,
  WebSocketGateway,
  WebSocketServer,
  WsException,
  type WsResponse,
} from '@nestjs/websockets';
import { RealtimeModule } from 'nestjs-realtime';
import { createTestApp, type TestApp, TestClient } from 'nestjs-realtime/testing';
import { from, map, type Observable } from 'rxjs';

interface Client {
  send(text: string): void;
  readyState: number;
}

@Injectable()
class Refuse implements CanActivate {
  canActivate() {
    return false;
  }
}

const seen: string[] = [];

@WebSocketGateway()
class Classic {
  @WebSocketServer() server!: { clients: Iterable<Client> };

  afterInit() {
    seen.push('afterInit');
  }
  handleConnection(client: Client) {
    seen.push(`connected ${client.readyState}`);
  }
  handleDisconnect() {
    seen.push('disconnected');
  }

  @SubscribeMessage('echo')
  echo(@MessageBody() data: unknown): WsResponse<unknown> {
    return { event: 'echo', data };
  }
  @SubscribeMessage('property')
  property(@MessageBody('name') name: string, @ConnectedSocket() client: Client) {
    return { event: 'property', data: `${name} ${typeof client.send}` };
  }
  @SubscribeMessage('bare')
  bare(client: Client, data: unknown) {
    client.send(JSON.stringify({ event: 'bare', data }));
  }
  @SubscribeMessage('promise')
  async promise(@MessageBody() data: number) {
    return { event: 'promise', data: data + 1 };
  }
  @SubscribeMessage('observable')
  observable(): Observable<WsResponse<number>> {
    return from([1, 2, 3]).pipe(map((data) => ({ event: 'observable', data })));
  }
  @SubscribeMessage('generator')
  async *generator() {
    yield { event: 'generator', data: 1 };
    yield { event: 'generator', data: 2 };
  }
  @SubscribeMessage('everyone')
  everyone() {
    for (const client of this.server.clients) client.send(JSON.stringify({ event: 'everyone', data: 'hi' }));
  }
  @SubscribeMessage('fails')
  fails(@MessageBody() data: string) {
    throw data === 'object' ? new WsException({ my: 'shape' }) : new WsException('told');
  }
  @SubscribeMessage('crashes')
  crashes() {
    throw new Error('secret');
  }
  @UseGuards(Refuse)
  @SubscribeMessage('guarded')
  guarded() {
    return { event: 'guarded', data: 'never' };
  }
  @SubscribeMessage('plain')
  plain() {
    return 'text';
  }
  @SubscribeMessage('nothing')
  nothing() {}
}

@Controller()
class Home {
  @Get()
  home() {
    return 'home';
  }
}

const boot = async (withModule: boolean): Promise<TestApp> => {
  const imports = withModule ? [RealtimeModule.forRoot({ envFile: false })] : [];
  const moduleRef = await Test.createTestingModule({ imports, providers: [Classic], controllers: [Home] }).compile();
  return createTestApp(moduleRef, {
    configure: (app) => void (withModule || app.useWebSocketAdapter(new WsAdapter(app))),
  });
};

/** One message and every frame that comes back. WsAdapter's promises may be overtaken: three round trips wait for them. */
async function ask(client: TestClient, message: object): Promise<unknown[]> {
  client.send(message);
  const frames: unknown[] = [];
  for (const marker of ['first', 'second', 'third']) {
    client.send({ event: 'echo', data: marker });
    for (;;) {
      const frame = JSON.parse((await client.next()) as string);
      if (frame?.event === 'echo' && frame.data === marker) break;
      frames.push(frame);
    }
  }
  return frames;
}

describe('A gateway written for WsAdapter', () => {
  let ours: TestApp;
  let theirs: TestApp;
  const clients: TestClient[] = [];

  beforeAll(async () => {
    theirs = await boot(false);
    ours = await boot(true);
    for (const app of [theirs, ours]) clients.push(await TestClient.connect(`${app.url.replace('http', 'ws')}/`));
  });
  afterAll(async () => {
    await ours.close();
    await theirs.close();
  });

  it.each([
    { event: 'echo', data: { deep: [1, null, 'ü'] } },
    { event: 'echo' },
    { event: 'property', data: { name: 'ann' } },
    { event: 'property', data: null },
    { event: 'bare', data: 7 },
    { event: 'promise', data: 1 },
    { event: 'observable' },
    { event: 'everyone' },
    { event: 'fails', data: 'text' },
    { event: 'fails', data: 'object' },
    { event: 'guarded' },
    { event: 'plain' },
    { event: 'nothing' },
  ])('answers %j in the same frames', async (message) => {
    const [expected, actual] = await Promise.all(clients.map((client) => ask(client, message)));
    expect(actual).toEqual(expected);
  });

  it('sends each item of an async generator, where WsAdapter sends an empty object', async () => {
    expect(await ask(clients[1]!, { event: 'generator' })).toEqual([
      { event: 'generator', data: 1 },
      { event: 'generator', data: 2 },
    ]);
  });

  it('leaves the page at its path to the controller', async () => {
    expect(await (await fetch(ours.url)).text()).toBe('home');
  });

  it('gives a reply and an error the id of the request', async () => {
    expect(await ask(clients[1]!, { event: 'promise', data: 1, id: 7 })).toEqual([
      { event: 'promise', data: 2, id: 7 },
    ]);
    const [error] = await ask(clients[1]!, { event: 'fails', data: 'text', id: 'x' });
    expect(error).toMatchObject({ event: 'exception', id: 'x', data: { message: 'told' } });
    expect(await ask(clients[1]!, { event: 'plain', id: 1 })).toEqual([{ event: 'plain', data: 'text', id: 1 }]);
  });

  it.each([
    ['unknown_event', { event: 'nobody' }],
    ['bad_envelope', [1, 2]],
    ['bad_envelope', { event: 7 }],
  ])('says %s instead of nothing', async (code, message) => {
    const [error] = await ask(clients[1]!, message);
    expect(error).toMatchObject({ event: 'exception', data: { status: 'error', code } });
  });

  it('hides what an unexpected error says', async () => {
    const [error] = await ask(clients[1]!, { event: 'crashes', data: 1 });
    expect(error).toEqual({
      event: 'exception',
      data: {
        status: 'error',
        code: 'internal',
        message: 'Internal server error',
        cause: { pattern: 'crashes', data: 1 },
      },
    });
  });
});
