/** Request-scoped and durable providers in gateways: one context per connection, as Nest 12's own gateways have it. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  type CallHandler,
  type CanActivate,
  Catch,
  type ExecutionContext,
  Inject,
  Injectable,
  type ModuleMetadata,
  type NestInterceptor,
  Scope,
  UseFilters,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import {
  APP_FILTER,
  APP_GUARD,
  APP_INTERCEPTOR,
  APP_PIPE,
  type ContextId,
  ContextIdFactory,
  ModuleRef,
  REQUEST,
} from '@nestjs/core';
import { ConnectedSocket, MessageBody, SubscribeMessage, WebSocketGateway, WebSocketServer } from '@nestjs/websockets';
import { map } from 'rxjs';
import { Connection, OptionsError } from 'nestjs-realtime';
import type { TestApp } from 'nestjs-realtime/testing';
import { ADAPTERS, type AdapterName, ask, bootOn } from '../support/apps/both-adapters.js';
import { type Client, Marker } from '../support/apps/classic-gateways.js';
import { until } from '../support/process-guard.js';

/** Nest 11's own gateways are never request-scoped: there is nothing to compare with. */
const COMPARED = process.env['NEST_MAJOR'] === '11' ? (['ours'] as const) : ADAPTERS;

let app: TestApp | undefined;

afterEach(async () => {
  await app?.close();
  app = undefined;
});

async function boot(providers: ModuleMetadata['providers'], name: AdapterName = 'ours'): Promise<TestApp> {
  app = await bootOn(name, { providers });
  return app;
}

let made = 0;

@Injectable({ scope: Scope.REQUEST })
class PerConnection {
  readonly number = ++made;
  count = 0;

  constructor(@Inject(REQUEST) readonly request: unknown) {}
}

@Injectable()
class Shared {
  count = 0;
}

@WebSocketGateway({ path: '/scoped' })
class Scoped extends Marker {
  @WebSocketServer() server!: { clients: { size: number } };

  constructor(
    private readonly mine: PerConnection,
    private readonly shared: Shared,
    private readonly moduleRef: ModuleRef,
  ) {
    super();
  }
  handleConnection() {
    this.mine.count += 100;
  }
  @SubscribeMessage('count')
  count() {
    const { number, count } = { number: this.mine.number, count: ++this.mine.count };
    return { event: 'count', data: { number, count, shared: ++this.shared.count, clients: this.server.clients.size } };
  }
  @SubscribeMessage('request')
  request(@ConnectedSocket() client: Client) {
    return { event: 'request', data: this.mine.request === client };
  }
  @SubscribeMessage('resolve')
  async resolve(@ConnectedSocket() client: Client) {
    const mine = await this.moduleRef.resolve(PerConnection, ContextIdFactory.getByRequest(client as never));
    return { event: 'resolve', data: mine === this.mine };
  }
}

describe.each(COMPARED)('A request-scoped gateway on %s', (name) => {
  beforeEach(() => {
    made = 0;
  });

  it('creates one instance of a request-scoped gateway and of its providers per connection', async () => {
    const testApp = await boot([Scoped, PerConnection, Shared], name);
    const [ann, bob] = [await testApp.connect('/scoped'), await testApp.connect('/scoped')];
    const at = (number: number, count: number, shared: number) => [
      { event: 'count', data: { number, count, shared, clients: 2 } },
    ];
    expect(await ask(ann, { event: 'count' })).toEqual(at(1, 101, 1));
    expect(await ask(bob, { event: 'count' })).toEqual(at(2, 101, 2));
    expect(await ask(ann, { event: 'count' })).toEqual(at(1, 102, 3));
  });

  it('injects the client as REQUEST, and returns its context from ContextIdFactory.getByRequest(client)', async () => {
    const client = await (await boot([Scoped, PerConnection, Shared], name)).connect('/scoped');
    expect(await ask(client, { event: 'request' }, { event: 'resolve' })).toEqual([
      { event: 'request', data: true },
      { event: 'resolve', data: true },
    ]);
  });

  it('calls handleDisconnect on the instance of the connection', async () => {
    const ends: number[][] = [];
    @WebSocketGateway({ path: '/ending' })
    class Ending extends Marker {
      constructor(private readonly mine: PerConnection) {
        super();
      }
      handleDisconnect() {
        ends.push([this.mine.number, ++this.mine.count]);
      }
      @SubscribeMessage('count')
      count() {
        this.mine.count++;
      }
    }
    const testApp = await boot([Ending, PerConnection], name);
    const client = await testApp.connect('/ending');
    await ask(client, { event: 'count' }, { event: 'count' });
    await client.close();
    await until(
      'handleDisconnect',
      () => ends,
      ({ length }) => length === 1,
    );
    expect(ends).toEqual([[1, 3]]);
  });

  it('runs request-scoped guards and interceptors with the providers of their connection', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class Guard implements CanActivate {
      constructor(private readonly mine: PerConnection) {}

      canActivate(context: ExecutionContext) {
        return this.mine.request === context.switchToWs().getClient();
      }
    }
    @Injectable({ scope: Scope.REQUEST })
    class Numbered implements NestInterceptor {
      constructor(private readonly mine: PerConnection) {}

      intercept(_: ExecutionContext, next: CallHandler<object>) {
        return next.handle().pipe(map((reply) => ({ ...reply, number: this.mine.number })));
      }
    }
    @WebSocketGateway({ path: '/enhanced' })
    class Enhanced extends Marker {
      @UseGuards(Guard)
      @UseInterceptors(Numbered)
      @SubscribeMessage('event')
      event() {
        return { event: 'event' };
      }
    }
    const testApp = await boot([Enhanced, PerConnection], name);
    const numbers: unknown[] = [];
    for (const client of [await testApp.connect('/enhanced'), await testApp.connect('/enhanced')]) {
      numbers.push(...(await ask(client, { event: 'event' })));
    }
    expect(numbers).toEqual([1, 2].map((number) => ({ event: 'event', number })));
  });
});

describe('A durable provider', () => {
  const tenants = new Map<string, ContextId>();
  const context = (tenant: string, contextId: ContextId) => {
    if (!tenants.has(tenant)) tenants.set(tenant, contextId);
    return tenants.get(tenant)!;
  };

  /** Every second client is of the same tenant. */
  let clients = 0;

  beforeEach(() => {
    [clients, made] = [0, 0];
    tenants.clear();
    ContextIdFactory.apply({
      attach(contextId) {
        const tenant = clients++ % 2 ? 'odd' : 'even';
        return {
          resolve: ({ isTreeDurable }) => (isTreeDurable ? context(tenant, contextId) : contextId),
          payload: { tenant },
        };
      },
    });
  });
  afterEach(() => ContextIdFactory.apply(undefined as never));

  @Injectable({ scope: Scope.REQUEST, durable: true })
  class PerTenant {
    readonly number = ++made;

    constructor(@Inject(REQUEST) readonly request: { tenant: string }) {}
  }

  @WebSocketGateway({ path: '/tenants' })
  class Tenants extends Marker {
    constructor(private readonly mine: PerTenant) {
      super();
    }
    @SubscribeMessage('tenant')
    tenant() {
      return { event: 'tenant', data: [this.mine.request.tenant, this.mine.number] };
    }
  }

  it.each(COMPARED)('shares a durable provider as the strategy decides, on %s', async (name) => {
    const testApp = await boot([Tenants, PerTenant], name);
    const heard: unknown[] = [];
    for (let client = 0; client < 4; client++) {
      const [frame] = await ask(await testApp.connect('/tenants'), { event: 'tenant' });
      heard.push((frame as { data: unknown }).data);
    }
    expect(heard).toEqual([
      ['even', 1],
      ['odd', 2],
      ['even', 1],
      ['odd', 2],
    ]);
  });
});

describe('A request-scoped global enhancer', () => {
  /** Nest's own gateways leave it out silently, and a guard that never runs admits every message. */
  it.each(['guard', 'interceptor', 'pipe', 'filter'])(
    'runs a request-scoped global %s around the methods of a gateway',
    async (kind) => {
      made = 0;
      @Injectable({ scope: Scope.REQUEST })
      class Enhancer {
        constructor(private readonly mine: PerConnection) {}

        canActivate(guarded: ExecutionContext) {
          return guarded.getHandler().name === 'marker' || this.mine.number === 1;
        }
        intercept(_: ExecutionContext, next: CallHandler<{ event: string }>) {
          return next
            .handle()
            .pipe(map((reply) => (reply.event === 'marker' ? reply : { ...reply, number: this.mine.number })));
        }
        transform(value: unknown) {
          return value === 'in' ? `number ${this.mine.number}` : value;
        }
        catch(_: unknown, host: ExecutionContext) {
          host.switchToWs().getClient<Connection>().send(`"filtered ${this.mine.number}"`);
        }
      }
      Catch()(Enhancer);
      const tokens = { guard: APP_GUARD, interceptor: APP_INTERCEPTOR, pipe: APP_PIPE, filter: APP_FILTER };
      @WebSocketGateway({ path: '/global' })
      class Singleton extends Marker {
        @SubscribeMessage('event')
        event(@MessageBody() data: unknown) {
          return { event: 'event', data };
        }
        @SubscribeMessage('fails')
        fails() {
          throw new Error('x');
        }
      }
      const token = tokens[kind as keyof typeof tokens];
      const testApp = await boot([
        Singleton,
        PerConnection,
        { provide: token, useClass: Enhancer, scope: Scope.REQUEST },
      ]);
      const heard: unknown[] = [];
      for (const client of [await testApp.connect('/global'), await testApp.connect('/global')]) {
        heard.push(await ask(client, { event: 'event', data: 'in' }, { event: 'fails' }));
      }
      const internal = { event: 'exception', data: expect.objectContaining({ code: 'internal' }) };
      const forbidden = { event: 'exception', data: expect.objectContaining({ message: 'Forbidden resource' }) };
      const answer = (number: number) =>
        ({
          guard: number === 1 ? [{ event: 'event', data: 'in' }, internal] : [forbidden, forbidden],
          interceptor: [{ event: 'event', data: 'in', number }, internal],
          pipe: [{ event: 'event', data: `number ${number}` }, internal],
          filter: [{ event: 'event', data: 'in' }, `filtered ${number}`],
        })[kind];
      expect(heard).toEqual([answer(1), answer(2)]);
    },
  );
});

describe('A request-scoped gateway', () => {
  it('fails at boot for a request-scoped gateway with hooks', async () => {
    @WebSocketGateway({ path: '/hooked' })
    class Hooked {
      constructor(readonly mine: PerConnection) {}

      onMessage() {}
    }
    const booting = boot([Hooked, PerConnection]);
    await expect(booting).rejects.toThrow(OptionsError);
    await expect(booting).rejects.toThrow('Hooked is request-scoped, itself or through a provider it injects');
  });

  it("fails at boot for a request-scoped gateway with guards: 'handshake'", async () => {
    @WebSocketGateway({ path: '/guarded', guards: 'handshake' } as object)
    class Guarded {
      constructor(readonly mine: PerConnection) {}
    }
    await expect(boot([Guarded, PerConnection])).rejects.toThrow('its guards cannot run at the handshake');
  });

  it('closes a connection whose providers cannot be created, and serves the next one', async () => {
    let isBroken = true;
    @Injectable({ scope: Scope.REQUEST })
    class Broken {
      constructor() {
        if (isBroken) throw new Error('no database');
      }
    }
    @WebSocketGateway({ path: '/broken' })
    class Gateway extends Marker {
      constructor(readonly broken: Broken) {
        super();
      }
    }
    const testApp = await boot([Gateway, Broken]);
    const client = await testApp.connect('/broken');
    expect(await client.closed()).toEqual({ code: 1011, reason: 'onOpen failed' });
    isBroken = false;
    expect(await ask(await testApp.connect('/broken'))).toEqual([]);
  });

  it('passes errors of a request-scoped gateway to its request-scoped filters', async () => {
    @Catch()
    @Injectable({ scope: Scope.REQUEST })
    class Filter {
      constructor(private readonly mine: PerConnection) {}

      catch(error: Error, host: ExecutionContext) {
        host.switchToWs().getClient<Connection>().send(`"${error.message} ${this.mine.count}"`);
      }
    }
    @UseFilters(Filter)
    @WebSocketGateway({ path: '/filtered' })
    class Filtered extends Marker {
      constructor(private readonly mine: PerConnection) {
        super();
      }
      @SubscribeMessage('fails')
      fails() {
        this.mine.count = 7;
        throw new Error('taken');
      }
    }
    const client = await (await boot([Filtered, PerConnection])).connect('/filtered');
    expect(await ask(client, { event: 'fails' })).toEqual(['taken 7']);
  });

  it('releases the instances of a connection that has ended', async () => {
    const instances: WeakRef<object>[] = [];
    @Injectable({ scope: Scope.REQUEST })
    class Remembered {
      readonly weight = new Array(1000).fill(0);

      constructor(@Inject(REQUEST) readonly request: object) {
        instances.push(new WeakRef(this), new WeakRef(request));
      }
    }
    @WebSocketGateway({ path: '/remembered' })
    class Gateway extends Marker {
      constructor(readonly remembered: Remembered) {
        super();
        instances.push(new WeakRef(this));
      }
    }
    const testApp = await boot([Gateway, Remembered]);
    for (let number = 0; number < 20; number++) {
      const client = await testApp.connect('/remembered');
      await ask(client);
      await client.close();
    }
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const living = () => {
      collect();
      return instances.filter((instance) => instance.deref() !== undefined).length;
    };
    expect(instances).toHaveLength(60);
    // The last one may still be on a stack
    await until('their end', living, (count) => count <= 3);
  });
});
