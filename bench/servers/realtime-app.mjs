/** Starts every server on nestjs-realtime. Environment variables choose the HTTP application around the gateways. */
import 'reflect-metadata';
import { setTimeout as sleep } from 'node:timers/promises';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { RealtimeModule, RealtimeServer } from 'nestjs-realtime';
import { now } from '../lib/clock.mjs';
import { obey } from './control.mjs';
import { tlsFiles } from './tls.mjs';

const {
  BENCH_FASTIFY,
  BENCH_LOG = 'log,warn,error',
  BENCH_MIDDLEWARE,
  BENCH_SESSION,
  BENCH_PORT = '0',
  BENCH_TLS,
} = process.env;

const commandsOf = (server) => ({
  stats: () => server.stats(),
  count: () => server.toEveryone().count(),

  /** Pushes to everyone. */
  async push({ text }) {
    const startedAt = now();
    await server.toEveryone().push(text);
    return { startedAt, callMs: now() - startedAt };
  },

  /** When each open connection was opened, in milliseconds since 1970. */
  openedAt: () => [...server.connections.values()].map(({ openedAt }) => openedAt),
});

async function createApp(AppModule) {
  const options = { logger: BENCH_LOG.split(','), ...(BENCH_TLS && { httpsOptions: tlsFiles() }) };
  if (!BENCH_FASTIFY) return NestFactory.create(AppModule, options);
  const { FastifyAdapter } = await import('@nestjs/platform-fastify');
  return NestFactory.create(AppModule, new FastifyAdapter(), options);
}

/** Adds the sessions of Express. A request for /login gets one with a user. */
async function useSession(app) {
  const { default: session } = await import('express-session');
  app.use(session({ secret: 'of the benchmark', resave: false, saveUninitialized: false }));
  app.use('/login', (request, response) => {
    request.session.user = { id: 7, name: 'Ada' };
    response.end();
  });
}

async function listen(app) {
  for (;;) {
    try {
      return await app.listen(Number(BENCH_PORT), '127.0.0.1');
    } catch (error) {
      // In a deploy the process before this one may hold the port for a moment longer
      if (error.code !== 'EADDRINUSE') throw error;
      await sleep(50);
    }
  }
}

/**
 * @param rooms the option `rooms` of `forRoot()`
 * @param commands given the `RealtimeServer`, returns what the benchmark can call besides the commands above
 */
export async function serve({ providers, controllers = [], rooms, configure = () => {}, commands = () => ({}) }) {
  class AppModule {}
  Module({ imports: [RealtimeModule.forRoot({ envFile: false, ...(rooms && { rooms }) })], controllers, providers })(
    AppModule,
  );
  const app = await createApp(AppModule);
  if (BENCH_MIDDLEWARE) for (let i = 0; i < 3; i++) app.use((_request, _response, next) => next());
  if (BENCH_SESSION) await useSession(app);
  configure(app);
  await listen(app);
  const server = app.get(RealtimeServer);
  obey(app.getHttpServer().address().port, { ...commandsOf(server), ...commands(server) });
}
