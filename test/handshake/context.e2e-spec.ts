/** The async context that HTTP middleware opens (tracing, CLS), as the hooks see it. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CanActivate, Injectable, type MiddlewareConsumer, Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { WebSocketGateway } from '@nestjs/websockets';
import type { Connection, HandshakeRequest, Message, RealtimeOptions } from 'nestjs-realtime';
import type { TestApp, TestClient } from 'nestjs-realtime/testing';
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

/** Which context each hook of each client ran in, in order. */
const seen: [who: string, where: string, id: string | undefined][] = [];

@Injectable()
class SeeingGuard implements CanActivate {
  canActivate(context: { switchToHttp(): { getRequest(): Req } }) {
    seen.push([context.switchToHttp().getRequest().headers['x-id'] ?? '', 'guard', here()]);
    return true;
  }
}

/** Looks at its context before and after it has waited, to notice one that is lost on the way. */
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

/** Opens a context for a request with `x-id` that names this place, in the way that the request names. */
const opening = (place: string) => (request: Req, _response: unknown, next: Next) => {
  const { 'x-id': id, 'x-place': wanted, 'x-way': way } = request.headers;
  if (id === undefined || wanted !== place) return next();
  const store = { id };
  stores.set(id, new WeakRef(store));
  WAYS[way!]!(store, next);
};
const stores = new Map<string, WeakRef<Store>>();

@Module({})
class Feature {
  configure(consumer: MiddlewareConsumer) {
    consumer.apply(opening('consumer.apply()')).forRoutes('plain', 'kept');
  }
}

const CASES = ['app.use()', 'consumer.apply()'].flatMap((place) => Object.keys(WAYS).map((way) => ({ place, way })));

/** How many connections have run a hook. */
const countOf = (hook: string) => seen.filter(([, where]) => where === hook).length;
const untilCloses = (count: number) =>
  until(
    `${count} onClose`,
    () => countOf('onClose'),
    (found) => found === count,
  );

describe.each(PLATFORMS)('Contexts of middleware on $platform', ({ adapter }) => {
  let shared: TestApp;
  let app: TestApp;

  const start = (options?: RealtimeOptions) =>
    startApp(adapter(), {
      imports: [Feature],
      providers: [Plain, Kept, { provide: APP_GUARD, useClass: SeeingGuard }],
      options,
      configure: (nest) => void nest.use(opening('app.use()')),
    });
  beforeAll(async () => {
    shared = await start();
  });
  afterAll(() => shared.close());

  describe.each(CASES)('opened with $way in $place', ({ place, way }) => {
    const clients: TestClient[] = [];

    beforeEach(() => {
      app = shared;
    });
    afterEach(async () => {
      for (const client of clients.splice(0)) client.vanish();
      await untilCloses(countOf('onOpen'));
      if (app !== shared) await app.close();
      seen.splice(0);
      stores.clear();
    });

    const headersOf = (id?: string): Record<string, string> =>
      id === undefined ? {} : { 'x-id': id, 'x-place': place, 'x-way': way };
    const open = async (path: string, id?: string) => {
      const client = await app.connect(path, { headers: headersOf(id) });
      clients.push(client);
      return client;
    };
    const connect = async (path: string, id?: string) => {
      const client = await open(path, id);
      expect(await client.next()).toBe('opened');
      return client;
    };
    const seenBy = (who: string) =>
      Object.fromEntries(seen.filter(([one]) => one === who).map(([, where, id]) => [where, id]));

    async function visit(path: string, id: string) {
      const client = await connect(path, id);
      client.send('hello');
      expect(await client.next()).toBe('hello');
      await client.close();
    }

    it('runs guards, onHandshake and onOpen in the context of the middleware, and later hooks outside it', async () => {
      await visit('/plain', 'ann');
      await untilCloses(1);
      const expected = { guard: 'ann', onHandshake: 'ann', onOpen: 'ann', onMessage: undefined, onClose: undefined };
      expect(seenBy('ann')).toEqual(expected);
    });

    it('handles a message that arrived during onOpen outside the context of the middleware', async () => {
      const client = await open('/plain', 'ann');
      client.send('early');
      expect([await client.next(), await client.next()]).toEqual(['opened', 'early']);
      expect(seenBy('ann')).toMatchObject({ onOpen: 'ann', onMessage: undefined });
    });

    it('runs all hooks in the context of the middleware with keepContext', async () => {
      await visit('/kept', 'ann');
      await untilCloses(1);
      const expected = { guard: 'ann', onHandshake: 'ann', onOpen: 'ann', onMessage: 'ann', onClose: 'ann' };
      expect(seenBy('ann')).toEqual(expected);
    });

    it('keeps the contexts of 20 simultaneous connections apart', async () => {
      const ids = Array.from({ length: 20 }, (_, index) => `id${index}`);
      await Promise.all(ids.map((id) => visit('/kept', id)));
      await untilCloses(ids.length);
      for (const id of ids) {
        expect(seenBy(id)).toEqual({ guard: id, onHandshake: id, onOpen: id, onMessage: id, onClose: id });
      }
    });

    it('gives no context to a connection for which the middleware opens none', async () => {
      await connect('/plain', 'ann');
      await connect('/plain');
      expect(seenBy('')).toMatchObject({ guard: undefined });
      expect(seen.filter(([, where, id]) => where === 'onOpen' && id === undefined)).toHaveLength(1);
    });

    // An application of its own: timers that the first connection starts would keep the context of that one
    it('runs onClose outside every context when the heartbeat closes silent connections', async () => {
      const heartbeat = { heartbeatIdleTime: 0.1, heartbeatCheckInterval: 0.05, heartbeatPingInterval: 0 };
      app = await start({ ...heartbeat, closeTimeout: 0.05 });
      const silent: RawSocket[] = [];
      for (const id of ['first', 'second', undefined]) {
        const request = { target: '/plain', headers: headersOf(id) };
        // It does not answer the close frame either, so that a timer ends it
        silent.push(await RawSocket.upgraded(portOf(app), request, undefined, { staysOpen: true }));
      }
      await untilCloses(silent.length);
      const after = seen.filter(([, where]) => where === 'onClose').map(([, , id]) => id);
      expect(after).toEqual([undefined, undefined, undefined]);
      for (const raw of silent) raw.destroy();
    });

    it('releases the context of a closed connection while another one stays open', async () => {
      app = await start();
      // Node's clock for `Date` headers keeps the context of the first answer of each second: this is that answer
      await fetch(app.url);
      const first = await connect('/kept', 'first');
      await connect('/plain');
      const ref = stores.get('first')!;
      expect(ref.deref()).toEqual({ id: 'first' });
      await first.close();
      await untilCloses(1);
      expect(await survivors([ref])).toBe(0);
    });
  });
});
