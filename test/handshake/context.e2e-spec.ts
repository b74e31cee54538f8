/** The async context that HTTP middleware opens (tracing, CLS) in the hooks. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CanActivate, type INestApplication, Injectable, type MiddlewareConsumer, Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { WebSocketGateway } from '@nestjs/websockets';
import type { Connection, HandshakeRequest, Message, RealtimeOptions } from 'nestjs-realtime';
import type { TestApp } from 'nestjs-realtime/testing';
import { portOf, startApp, survivors } from '../support/clients/handshake.js';
import { PLATFORMS } from '../support/platforms.js';
import { until } from '../support/process-guard.js';
import { RawSocket } from '../support/clients/raw-socket.js';

interface Store {
  readonly id: string;
}
const storage = new AsyncLocalStorage<Store>();
const here = () => storage.getStore()?.id;

type Next = () => void;
interface Req {
  headers: Record<string, string>;
}

/** Where who saw which context, in order. */
const seen: [who: string, where: string, id: string | undefined][] = [];

@Injectable()
class SeeingGuard implements CanActivate {
  canActivate(context: { switchToHttp(): { getRequest(): Req } }) {
    seen.push([context.switchToHttp().getRequest().headers['x-id'] ?? '', 'guard', here()]);
    return true;
  }
}

/** Looks before and after it has waited: a context that is lost on the way is not the same in both. */
class Seeing {
  async onHandshake({ headers }: HandshakeRequest) {
    await this.see(headers['x-id'] as string, 'onHandshake');
    return { data: headers['x-id'] };
  }
  async onOpen(connection: Connection<string>) {
    await this.see(connection.data, 'onOpen');
    connection.send('opened');
  }
  async onMessage(connection: Connection<string>, message: Message) {
    await this.see(connection.data, 'onMessage');
    connection.send(message.text());
  }
  async onClose(connection: Connection<string>) {
    await this.see(connection.data, 'onClose');
  }
  private async see(who: string, where: string) {
    const before = here();
    await sleep(1);
    seen.push([who, where, here() === before ? before : 'changed']);
  }
}
@WebSocketGateway({ path: '/plain' })
class Plain extends Seeing {}
@WebSocketGateway({ path: '/kept', keepContext: true } as object)
class Kept extends Seeing {}

const WAYS: Record<string, (store: Store, next: Next) => void> = {
  'run()': (store, next) => storage.run(store, next),
  'enterWith()': (store, next) => {
    storage.enterWith(store);
    next();
  },
};
const opening = (way: string) => (request: Req, _response: unknown, next: Next) => {
  const id = request.headers['x-id'];
  if (id === undefined) return next();
  const store = { id };
  stores.set(id, new WeakRef(store));
  WAYS[way]!(store, next);
};
const stores = new Map<string, WeakRef<Store>>();

const PLACES: [place: string, parts: (way: string) => object][] = [
  ['app.use()', (way) => ({ configure: (nest: INestApplication) => void nest.use(opening(way)) })],
  [
    'consumer.apply()',
    (way) => {
      @Module({})
      class Feature {
        configure(consumer: MiddlewareConsumer) {
          consumer.apply(opening(way)).forRoutes('plain', 'kept');
        }
      }
      return { imports: [Feature] };
    },
  ],
];

const CASES = PLATFORMS.flatMap(({ platform, adapter }) =>
  PLACES.flatMap(([place, parts]) => Object.keys(WAYS).map((way) => ({ platform, adapter, place, way, parts }))),
);

describe.each(CASES)('A context that middleware opens with $way in $place on $platform', ({ adapter, way, parts }) => {
  let app: TestApp;

  const start = async (options: RealtimeOptions = {}) => {
    const providers = [Plain, Kept, { provide: APP_GUARD, useClass: SeeingGuard }];
    app = await startApp(adapter(), { providers, options, ...parts(way) });
  };
  beforeEach(() => void seen.splice(0));
  afterEach(() => app.close());

  const connect = async (path: string, id?: string) => {
    const client = await app.connect(path, { headers: id === undefined ? {} : { 'x-id': id } });
    expect(await client.next()).toBe('opened');
    return client;
  };
  const seenBy = (who: string) =>
    Object.fromEntries(seen.filter(([one]) => one === who).map(([, where, id]) => [where, id]));
  const closes = () => seen.filter(([, where]) => where === 'onClose').length;
  const untilCloses = (count: number) => until(`${count} onClose`, closes, (found) => found === count);

  async function visit(path: string, id: string) {
    const client = await connect(path, id);
    client.send('hello');
    expect(await client.next()).toBe('hello');
    await client.close();
  }

  it('is there up to onOpen, and not later', async () => {
    await start();
    await visit('/plain', 'ann');
    await untilCloses(1);
    const expected = { guard: 'ann', onHandshake: 'ann', onOpen: 'ann', onMessage: undefined, onClose: undefined };
    expect(seenBy('ann')).toEqual(expected);
  });

  it('is not that of a message that came while onOpen ran', async () => {
    await start();
    const client = await app.connect('/plain', { headers: { 'x-id': 'ann' } });
    client.send('early');
    expect([await client.next(), await client.next()]).toEqual(['opened', 'early']);
    expect(seenBy('ann')).toMatchObject({ onOpen: 'ann', onMessage: undefined });
  });

  it('is there in all hooks with keepContext', async () => {
    await start();
    await visit('/kept', 'ann');
    await untilCloses(1);
    const expected = { guard: 'ann', onHandshake: 'ann', onOpen: 'ann', onMessage: 'ann', onClose: 'ann' };
    expect(seenBy('ann')).toEqual(expected);
  });

  it('is not mixed up with that of others', async () => {
    await start();
    const ids = Array.from({ length: 20 }, (_, index) => `id${index}`);
    await Promise.all(ids.map((id) => visit('/kept', id)));
    await untilCloses(ids.length);
    for (const id of ids) {
      expect(seenBy(id)).toEqual({ guard: id, onHandshake: id, onOpen: id, onMessage: id, onClose: id });
    }
  });

  it('is not that of who came first when the heartbeat closes', async () => {
    await start({ heartbeatIdleTime: 0.3, heartbeatCheckInterval: 0.1, heartbeatPingInterval: 0, closeTimeout: 0.1 });
    const silent: RawSocket[] = [];
    for (const id of ['first', 'second', undefined]) {
      const headers = { 'x-id': id };
      // it does not answer a close frame either: a timer ends it
      silent.push(await RawSocket.upgraded(portOf(app), { target: '/plain', headers }, undefined, { staysOpen: true }));
    }
    await untilCloses(silent.length);
    const after = seen.filter(([, where]) => where === 'onClose').map(([, , id]) => id);
    expect(after).toEqual([undefined, undefined, undefined]);
    for (const raw of silent) raw.destroy();
  });

  it('is forgotten when the connection has closed, whoever is still there', async () => {
    await start();
    const first = await connect('/kept', 'first');
    await connect('/plain');
    const ref = stores.get('first')!;
    expect(ref.deref()).toEqual({ id: 'first' });
    await first.close();
    await untilCloses(1);
    expect(await survivors([ref])).toBe(0);
  });

  it('does not stay with who opens none', async () => {
    await start();
    await connect('/plain', 'ann');
    await connect('/plain');
    expect(seenBy('')).toMatchObject({ guard: undefined });
    expect(seen.filter(([, where, id]) => where === 'onOpen' && id === undefined)).toHaveLength(1);
  });
});
