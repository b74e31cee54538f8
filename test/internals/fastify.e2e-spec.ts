/**
 * What this library knows of Fastify, and of Nest's adapter for it, beyond their documentation
 * (libs/realtime/src/nest/internals/fastify.ts): a new version that changes it fails here, by name.
 */
import { type IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { INestApplication } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { constrain, FastifyClasses } from '../../libs/realtime/src/nest/internals/fastify.js';

const node = {
  url: '/rooms?name=ann',
  headers: { host: 'api.test', 'x-forwarded-for': '203.0.113.7', 'x-forwarded-proto': 'https' },
  socket: { remoteAddress: '192.0.2.1' },
} as unknown as IncomingMessage;

interface Fastify {
  readonly log: unknown;
  decorateRequest(name: string, value: unknown): void;
  addConstraintStrategy(strategy: object): void;
}

const fastifyOf = (app: INestApplication) => app.getHttpAdapter().getInstance() as Fastify;

async function createApp(adapter = new FastifyAdapter()): Promise<INestApplication> {
  return (await Test.createTestingModule({}).compile()).createNestApplication(adapter, { logger: false });
}

let app: INestApplication;

afterEach(() => app.close());

it('Fastify keeps the class of its requests under a symbol, and it can be made with a node request alone', async () => {
  app = await createApp(new FastifyAdapter({ trustProxy: true }));
  const instance = fastifyOf(app);
  instance.decorateRequest('user', 'nobody');
  const request = new FastifyClasses(instance).request(node)!;
  expect(request.raw).toBe(node);
  expect(request).toMatchObject({ ip: '203.0.113.7', protocol: 'https', host: 'api.test', user: 'nobody', params: {} });
  expect(Reflect.get(request, 'query')).toEqual({ name: 'ann' });
});

it('Fastify asks its request for an address by trustProxy', async () => {
  app = await createApp();
  expect(new FastifyClasses(fastifyOf(app)).request(node)!.ip).toBe('192.0.2.1');
});

it('Fastify keeps the class of its replies under a symbol, and it can be made with a response and a request alone', async () => {
  app = await createApp();
  const classes = new FastifyClasses(fastifyOf(app));
  const response = new ServerResponse(Object.assign(node, { socket: new Socket() }));
  const reply = classes.reply(response, classes.request(node)!)!;
  reply.header('X-Role', 'member').code(403);
  expect([reply.raw, reply.sent, reply.getHeaders(), response.statusCode]).toEqual([
    response,
    false,
    { 'x-role': 'member' },
    403,
  ]);
});

it('a handler under __fastify_route_constraints__ gets only the requests that its constraint is for', async () => {
  app = await createApp();
  const http = app.getHttpAdapter();
  fastifyOf(app).addConstraintStrategy({
    name: 'kind',
    deriveConstraint: ({ headers }: IncomingMessage) => headers['x-kind'],
    storage: () => new Map<string, unknown>(),
    mustMatchWhenDerived: false,
  });
  const handler = () => Promise.resolve('constrained');
  constrain(handler, 'kind', 'ours');
  http.post('/path', handler as never);
  http.post('/path', (() => Promise.resolve('free')) as never);
  await app.listen(0);
  const url = `${await app.getUrl()}/path`;
  const post = async (headers: Record<string, string>) => (await fetch(url, { method: 'POST', headers })).text();
  expect([await post({ 'x-kind': 'ours' }), await post({})]).toEqual(['constrained', 'free']);
});
