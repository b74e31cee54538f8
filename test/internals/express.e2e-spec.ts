/** What this library knows of Express beyond its documentation: a new version that changes it fails here, by name. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Test } from '@nestjs/testing';
import { WebSocketGateway } from '@nestjs/websockets';
import { HandshakeRequest, RealtimeModule } from 'nestjs-realtime';
import { createTestApp, type TestApp } from 'nestjs-realtime/testing';

/** Own properties of the request and the response, where Express gets them and where it has done its work. */
let before: { request: string[]; response: string[] };
let after: typeof before;
let response: ServerResponse;
let seen: Record<string, unknown>;

@WebSocketGateway({ path: '/rooms/:room' })
class RoomGateway {
  onHandshake(request: HandshakeRequest): void {
    const raw = request.raw as IncomingMessage & Record<string, unknown>;
    seen = { originalUrl: raw['originalUrl'], baseUrl: raw['baseUrl'], params: raw['params'], url: raw.url };
    after = { request: Object.keys(raw), response: Object.keys(response) };
  }
}

let app: TestApp;

beforeEach(async () => {
  const imports = [RealtimeModule.forRoot({ envFile: false })];
  app = await createTestApp(await Test.createTestingModule({ imports, providers: [RoomGateway] }).compile());
  (app.app.getHttpServer() as Server).prependListener('request', (request, born) => {
    response = born;
    before = { request: Object.keys(request), response: Object.keys(born) };
  });
});

afterEach(() => app.close());

it('an upgrade has every property that Express adds before Express changes its prototype', async () => {
  await app.connect('/rooms/7?name=ann');
  const added = after.request.filter((name) => !before.request.includes(name));
  expect(added).toEqual([]);
  expect(after.response.filter((name) => !before.response.includes(name))).toEqual([]);
});

it('which Express fills as it does for any request', async () => {
  await app.connect('/rooms/7?name=ann');
  const url = '/rooms/7?name=ann';
  expect(seen).toEqual({ originalUrl: url, baseUrl: '', params: { room: '7' }, url });
  expect(response).toMatchObject({ statusCode: 101, locals: {} });
});
