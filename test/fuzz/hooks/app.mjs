/** The application of an era: gateways whose hooks do what the case of their client says, on the built library. */
import { performance } from 'node:perf_hooks';
import { clearTimeout } from 'node:timers';
import { Module, UseGuards } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { concat, defer, interval, merge, of, take } from 'rxjs';
import { Engine } from '../../../libs/realtime/dist/esm/engine.js';
import { RealtimeModule, RealtimeServer, Stream } from '../../../libs/realtime/dist/esm/index.js';
import { Tokens } from '../../../libs/realtime/dist/esm/transports/requests/tokens.js';
import { perform } from './acts.mjs';
import { badMiddleware } from './middleware.mjs';
import { Record } from './record.mjs';
import { FuzzStore, useSessions } from './store.mjs';

/** What the library remembers of ended connections, by the bytes that it counts for them. */
const remembered = new Map();
const { add } = Tokens.prototype;
Tokens.prototype.add = function (held) {
  remembered.set(this.held, this);
  return add.call(this, held);
};

/** What hooks, middleware and checks of an era share. */
export class World {
  /** The cases by number. */
  cases = new Map();
  records = new Map();
  /** Requests that the application never reads, and their cases. */
  unread = new Map();
  /** Lines of the level `error`. */
  errors = [];
  /** How many pushes went to many. */
  shared = 0;

  constructor(era) {
    this.era = era;
    this.store = new FuzzStore(this.cases);
  }

  planOf = (url) => this.cases.get(Number(/[?&]case=(\d+)/.exec(url)?.[1]));

  context(record, more) {
    const { plan, connection } = record;
    return { world: this, era: this.era, server: this.server, plan, connection, record, ...more };
  }

  recordOf(connection) {
    const known = this.records.get(connection.id);
    if (known) return known;
    const record = new Record(connection, this.planOf(connection.url), this.era);
    this.records.set(connection.id, record);
    return record;
  }

  /** Node does not notice that a client has left whose request nobody reads. */
  readWhatIsLeft() {
    for (const [request, plan] of this.unread) if (plan.hasLeft) request.resume();
  }

  /** A hook that runs before there is a connection. */
  early(hook, request) {
    const plan = this.planOf(request.url);
    const context = { world: this, era: this.era, server: this.server, plan, request };
    const identity = () => ({ userId: plan.user, rooms: ['a'], replace: plan.replaces });
    const performing = perform(plan.hooks[hook], context);
    return performing ? performing.then(identity) : identity();
  }

  hook(name, connection, more, steps) {
    const record = this.recordOf(connection);
    const context = this.context(record, more);
    return record.run(name, () => perform(steps ?? record.plan.hooks[name], context));
  }

  open(connection, request) {
    const record = this.recordOf(connection);
    const noteLoss = (error) => {
      record.mayLose = true;
      throw error;
    };
    const opened = this.era.hasSessions ? record.hold() : () => {};
    try {
      const opening = this.hook('onOpen', connection, { request });
      return opening ? opening.then(opened, noteLoss) : opened();
    } catch (error) {
      return noteLoss(error);
    }
  }

  message(connection, number) {
    const record = this.recordOf(connection);
    if (number !== undefined) record.hear(number);
    const { onMessage } = record.plan.hooks;
    return this.hook('onMessage', connection, {}, onMessage[record.heard.length % onMessage.length]);
  }

  /** @returns what a message method returns: a value, a promise or an Observable */
  work(connection, { k } = {}) {
    const { work } = this.recordOf(connection).plan.hooks;
    // A cancelled request no longer waits for its items: they are not part of the order of the hooks
    if (work === 'items') return concat(this.stream(connection).pipe(take(3)), of(1, 2, 3));
    const performing = this.message(connection, k);
    const result = () => {
      if (work === 'throw') throw new Error('on purpose');
      return work === 'nothing' ? undefined : { event: 'worked', data: k };
    };
    if (performing) return performing.then(result);
    return work === 'promise' ? Promise.resolve().then(result) : result();
  }

  /** Items that go on while the steps are performed: nothing of it belongs to the order of the hooks. */
  stream(connection) {
    const record = this.recordOf(connection);
    const steps = defer(async () => perform(record.plan.hooks.stream, this.context(record, {})));
    return merge(interval(3).pipe(take(record.plan.number % 40)), steps);
  }
}

function gateway(world, path, { asks, methods }) {
  const { era } = world;
  const hooks = {
    onHandshake: (request) => world.early('onHandshake', request),
    onOpen: (connection, request) => world.open(connection, request),
    onMessage: (connection, message) => world.message(connection, numberOf(message)),
    onDrain: (connection) => world.hook('onDrain', connection, {}),
    onClose(connection, info) {
      world.recordOf(connection).close = info;
      return world.hook('onClose', connection, {});
    },
    ...(asks && { onAuthenticate: (_message, request) => world.early('onAuthenticate', request) }),
  };
  class Named {}
  Object.assign(Named.prototype, hooks, methods && METHODS(world));
  if (methods) {
    describe(Named, 'work', SubscribeMessage('work'));
    describe(Named, 'stream', SubscribeMessage('stream'), Stream());
    UseGuards(guardOf(world))(Named);
  }
  WebSocketGateway({ path, keepContext: era.keepContext && !methods })(Named);
  return Named;
}

const METHODS = (world) => ({
  work: (connection, data) => world.work(connection, data ?? {}),
  stream: (connection) => world.stream(connection),
});

function describe(type, name, ...decorators) {
  for (const decorator of decorators)
    decorator(type.prototype, name, Object.getOwnPropertyDescriptor(type.prototype, name));
}

const guardOf = (world) =>
  class Guard {
    canActivate(context) {
      const request = context.switchToHttp().getRequest();
      const plan = world.planOf(request.url);
      const performing = perform(plan.hooks.guard, {
        world,
        era: world.era,
        server: world.server,
        plan,
        request: { raw: request },
      });
      return performing ? performing.then(() => true) : true;
    }
  };

function numberOf(message) {
  const [, number] = message.isBinary ? [] : (/^m(\d+)/.exec(message.text()) ?? []);
  return number === undefined ? undefined : Number(number);
}

/** A booted application, and what can be asked of it. */
export class App {
  static async boot(era) {
    const app = new App();
    const world = (app.world = new World(era));
    class AppModule {}
    const paths = {
      '/plain': {},
      '/ask': { asks: true },
      '/methods': { methods: true },
      '/ask-methods': { asks: true, methods: true },
    };
    const providers = Object.entries(paths).map(([path, kind]) => gateway(world, path, kind));
    Module({ imports: [RealtimeModule.forRoot(era.settings)], providers })(AppModule);
    const adapter = era.platform === 'express' ? new ExpressAdapter() : new FastifyAdapter();
    const nothing = () => {};
    const error = (...parts) => void world.errors.push(parts.map(String).join(' '));
    const logger = { log: nothing, warn: nothing, debug: nothing, verbose: nothing, fatal: error, error };
    app.nest = await NestFactory.create(AppModule, adapter, { logger, abortOnError: false });
    app.nest.use(badMiddleware(world));
    if (era.hasSessions) await useSessions(app.nest, world.store, era.platform);
    await app.nest.listen(0, '127.0.0.1');
    app.server = app.nest.getHttpServer();
    app.port = app.server.address().port;
    world.server = app.nest.get(RealtimeServer);
    app.engine = app.nest.get(Engine, { strict: false });
    return app;
  }

  /** What is left of its clients: everything has to be 0. */
  async left() {
    const { current, unfinished, rooms, users, slow, accepted, closed } = await this.world.server.stats();
    const { node, living, gate } = this.engine;
    const sockets = await new Promise((resolve) => this.server.getConnections((_error, count) => resolve(count ?? 0)));
    const ended = Object.values(closed).reduce((sum, count) => sum + count);
    const open = [...this.world.records.values()].filter(({ opens, closes }) => opens !== closes).length;
    return {
      ...{ current, unfinished, rooms, users, slow, sockets, open },
      living: living.size,
      guests: gate.guests.size,
      hooks: node.hookTimes.size,
      missing: accepted - ended,
    };
  }

  /** @returns the bytes that are counted when everything that is remembered of ended connections is forgotten */
  forget() {
    const { slowConsumers } = this.engine.node;
    const tokens = remembered.get(slowConsumers);
    remembered.delete(slowConsumers);
    if (tokens) {
      clearTimeout(tokens.timer);
      for (const { socket } of tokens.ended.values()) socket.forget();
      tokens.ended.clear();
    }
    return slowConsumers.bytes;
  }

  /** @returns how long it took, in milliseconds */
  async close() {
    const start = performance.now();
    await (this.closing ??= this.nest.close());
    return performance.now() - start;
  }
}
