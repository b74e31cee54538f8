/** The forms in which a class may write its hooks, and what stops the boot because it would never be called. */
import {
  Body,
  type CanActivate,
  ForbiddenException,
  Injectable,
  Scope,
  SetMetadata,
  type Type,
  UseGuards,
} from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import {
  type Connection,
  type Message,
  OptionsError,
  RealtimeModule,
  WebSocketGateway as CheckedGateway,
} from 'nestjs-realtime';
import { createTestApp, type TestApp } from 'nestjs-realtime/testing';
import { Lines } from '../support/apps/transport-app.js';
import { refusalOf } from '../support/clients/handshake.js';

const apps: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const app of apps.splice(0)) await app.close();
});

const moduleOf = (...providers: Type[]) =>
  Test.createTestingModule({ imports: [RealtimeModule.forRoot({ envFile: false })], providers }).compile();

/** Starts an application without a port. @returns the problems that stop it; none if it starts */
async function problemsOf(...providers: Type[]): Promise<readonly string[]> {
  const app = (await moduleOf(...providers)).createNestApplication({ logger: false });
  apps.push(app);
  const error: unknown = await app.init().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error === undefined) return [];
  expect(error).toBeInstanceOf(OptionsError);
  return (error as OptionsError).problems;
}

const refuse = () => {
  throw new ForbiddenException('Members only');
};

/** A gateway on `/ws` with members of any name. */
function gatewayWith(members: Readonly<Record<string, unknown>>): Type {
  class Gateway {}
  for (const [name, value] of Object.entries(members))
    Object.defineProperty(Gateway.prototype, name, { value, configurable: true, writable: true });
  WebSocketGateway({ path: '/ws' })(Gateway);
  return Gateway;
}

describe('A hook', () => {
  @WebSocketGateway({ path: '/arrow' })
  class Arrow {
    onHandshake = refuse;
  }

  @WebSocketGateway({ path: '/assigned' })
  class Assigned {
    readonly onHandshake: () => void;
    constructor() {
      this.onHandshake = refuse;
    }
  }

  @WebSocketGateway({ path: '/accessor' })
  class Accessor {
    get onHandshake() {
      return refuse;
    }
  }

  class Base {
    onHandshake() {
      refuse();
    }
  }

  @WebSocketGateway({ path: '/inherited' })
  class Inherited extends Base {}

  class ArrowBase {
    onHandshake = refuse;
  }

  @WebSocketGateway({ path: '/inherited-arrow' })
  class InheritedArrow extends ArrowBase {}

  @WebSocketGateway({ path: '/proxied' })
  class Proxied {
    constructor() {
      return new Proxy(this, { get: (target, name) => (name === 'onHandshake' ? refuse : Reflect.get(target, name)) });
    }
  }

  const guard: CanActivate = { canActivate: () => false };

  @WebSocketGateway({ path: '/talks' })
  class Talks {
    readonly closed: Promise<void>;
    onClose!: () => void;
    constructor() {
      this.closed = new Promise((resolve) => (this.onClose = resolve));
    }
    onOpen = (connection: Connection) => void connection.send('Welcome');
    onMessage = (connection: Connection, message: Message) => void connection.send(`${message.text()}!`);
  }

  let app: TestApp;

  beforeAll(async () => {
    const forms = [Arrow, Assigned, Accessor, Inherited, InheritedArrow, Proxied, Talks];
    app = await createTestApp(await moduleOf(...forms));
  });
  afterAll(() => app.close());

  it.each(['arrow', 'assigned', 'accessor', 'inherited', 'inherited-arrow', 'proxied'])(
    'refuses as onHandshake where the class has it in the form "%s"',
    async (path) => {
      expect(await refusalOf(app.connect(`/${path}`))).toMatchObject({ status: 403, body: /Members only/ });
    },
  );

  it('runs as onOpen, onMessage and onClose where these are arrow properties', async () => {
    const client = await app.connect('/talks');
    client.send('hi');
    expect([await client.next(), await client.next()]).toEqual(['Welcome', 'hi!']);
    await client.close();
    await app.app.get(Talks).closed;
  });

  it.each([
    ['undefined', undefined],
    ['null', null],
    ['of the type object', {}],
  ])('stops the boot where its value is %s', async (kind, value) => {
    expect(await problemsOf(gatewayWith({ onHandshake: value }))).toEqual([
      `Gateway.onHandshake is ${kind}: a hook has to be a function`,
    ]);
  });

  it('stops the boot where a property of the instance hides it', async () => {
    @WebSocketGateway({ path: '/ws' })
    class Hidden extends Base {
      override onHandshake = undefined as never;
    }
    expect(await problemsOf(Hidden)).toEqual(['Hidden.onHandshake is undefined: a hook has to be a function']);
  });

  it('stops the boot where it is static', async () => {
    @WebSocketGateway({ path: '/ws' })
    class Static {
      static onHandshake() {}
      onOpen() {}
    }
    expect(await problemsOf(Static)).toEqual(['Static.onHandshake is static: a hook has to be a method']);
  });

  it('stops the boot where a guard stands on an arrow property', async () => {
    @WebSocketGateway({ path: '/ws' })
    class Decorated {
      onHandshake = () => {};
    }
    (UseGuards(guard) as PropertyDecorator)(Decorated.prototype, 'onHandshake');
    expect(await problemsOf(Decorated)).toEqual([
      'Decorated has guards on a property, where they never run: write the hook as a method',
    ]);
  });

  it('stops the boot where a guard stands on a function that is not a method of the class', async () => {
    const guarded = () => {};
    UseGuards(guard)({}, 'onHandshake', { value: guarded });
    @WebSocketGateway({ path: '/ws' })
    class Property {
      onHandshake = guarded;
    }
    expect(await problemsOf(Property)).toEqual([
      expect.stringMatching(/^Property\.onHandshake has guards that would never run, because a property or a Proxy/),
    ]);
  });

  it('stops the boot where a Proxy hides the guards of a hook or of a message method', async () => {
    @WebSocketGateway({ path: '/ws' })
    class Wrapped {
      constructor() {
        const bound = (value: unknown, self: object): unknown =>
          typeof value === 'function' && value !== Wrapped ? value.bind(self) : value;
        return new Proxy(this, { get: (target, name) => bound(Reflect.get(target, name), target) });
      }
      @UseGuards(guard)
      onHandshake() {}
      onOpen() {}
      @UseGuards(guard)
      @SubscribeMessage('say')
      say() {}
    }
    expect(await problemsOf(Wrapped)).toEqual([
      expect.stringMatching(/^Wrapped\.onHandshake has guards that would never run/),
      expect.stringMatching(/^Wrapped\.say has guards that would never run/),
    ]);
  });

  it('stops the boot where it is assigned after the gateways were bound', async () => {
    @WebSocketGateway({ path: '/ws' })
    class Late {
      onHandshake?: () => void;
      onModuleInit() {
        this.onHandshake = refuse;
      }
    }
    delete Late.prototype['onHandshake' as keyof Late];
    expect(await problemsOf(Late)).toEqual([expect.stringMatching(/^Late\.onHandshake was assigned too late/)]);
  });

  it('closes every client of a request-scoped gateway that has it as a property', async () => {
    @WebSocketGateway({ path: '/scoped' })
    @Injectable({ scope: Scope.REQUEST })
    class Scoped {
      onHandshake = refuse;
      handleConnection() {}
    }
    const scoped = await createTestApp(await moduleOf(Scoped));
    apps.push(scoped);
    const client = await scoped.connect('/scoped');
    expect((await client.closed()).code).toBe(1011);
  });
});

describe('A method that looks like a hook', () => {
  it.each([
    ['onHandShake', 'onHandshake'],
    ['onhandshake', 'onHandshake'],
    ['onHandshke', 'onHandshake'],
    ['onHandsahke', 'onHandshake'],
    ['OnOpen', 'onOpen'],
    ['noOpen', 'onOpen'],
    ['onOpened', 'onOpen, or onHandshake to decide who may connect'],
    ['onMesage', 'onMessage'],
    ['onMessages', 'onMessage'],
    ['onClosed', 'onClose'],
    ['onAuthentcate', 'onAuthenticate'],
    ['onDrian', 'onDrain'],
    ['handleConection', 'handleConnection'],
    ['handleDisconect', 'handleDisconnect'],
    ['onConnect', 'onOpen, or onHandshake to decide who may connect'],
    ['handleConnect', 'onOpen, or onHandshake to decide who may connect'],
    ['onDisconnect', 'onClose'],
    ['onAuth', 'onHandshake, which decides who may connect'],
    ['onError', 'onClose for a connection that failed, and an exception filter for an error that was thrown'],
  ])('stops the boot as %s, and the error names %s', async (name, meant) => {
    expect(await problemsOf(gatewayWith({ [name]() {}, onOpen() {} }))).toEqual([
      `Gateway.${name} is never called: did you mean ${meant}? If not, give it another name`,
    ]);
  });

  it('stops the boot where it is the only one of a gateway, an arrow property, an accessor or inherited', async () => {
    @WebSocketGateway({ path: '/arrow' })
    class Arrow {
      onHandShake = refuse;
    }
    class Base {
      get onConnect() {
        return refuse();
      }
    }
    @WebSocketGateway({ path: '/inherited' })
    class Inherited extends Base {}
    expect(await problemsOf(Arrow, Inherited)).toEqual([
      expect.stringMatching(/^Arrow\.onHandShake is never called: did you mean onHandshake\?/),
      expect.stringMatching(/^Inherited\.onConnect is never called: did you mean onOpen/),
    ]);
  });

  it('lets a gateway start with innocent names, lifecycle methods and Nest’s own', async () => {
    const names = [
      'onModuleInit',
      'onModuleDestroy',
      'onApplicationBootstrap',
      'beforeApplicationShutdown',
      'onApplicationShutdown',
      'afterInit',
      'handleConnection',
      'handleDisconnect',
      'handleMessage',
      'isOpen',
      'open',
      'close',
      'sendMessage',
      'newMessage',
      'inMessage',
      'onMessageReceived',
      'onOpenChat',
      'onDraw',
      'onLose',
      'onJoin',
      'onTick',
      'once',
    ];
    const members = Object.fromEntries(names.map((name) => [name, () => {}]));
    expect(await problemsOf(gatewayWith({ ...members, onErrors: 3 }))).toEqual([]);
  });

  it('lets a gateway start where a base class that is not a gateway has a method for ends or errors', async () => {
    class Helper {
      onDisconnect() {}
      onError() {}
    }
    @WebSocketGateway({ path: '/ws' })
    class Helped extends Helper {
      onOpen() {}
    }
    expect(await problemsOf(Helped)).toEqual([]);
  });

  it('stops the boot where a base class that is a gateway has it, or the gateway overrides that of a helper', async () => {
    class Helper {
      onError() {}
    }
    @WebSocketGateway({ path: '/base' })
    class BaseGateway {
      onDisconnect() {}
    }
    @WebSocketGateway({ path: '/derived' })
    class Derived extends BaseGateway {}
    @WebSocketGateway({ path: '/overriding' })
    class Overriding extends Helper {
      override onError() {}
    }
    expect(await problemsOf(Derived, Overriding)).toEqual([
      expect.stringMatching(/^Derived\.onDisconnect is never called/),
      expect.stringMatching(/^Overriding\.onError is never called/),
    ]);
  });

  it('lets a gateway start where a decorator calls the method', async () => {
    @WebSocketGateway({ path: '/ws' })
    class Handlers {
      @SubscribeMessage('connect')
      onConnect() {}
      @SubscribeMessage('mesage')
      onMesage() {}
      @SetMetadata('EVENT_LISTENER_METADATA', [{ event: 'order.failed' }])
      onError() {}
    }
    expect(await problemsOf(Handlers)).toEqual([]);
  });

  it('stops the boot where only a guard stands on it', async () => {
    @WebSocketGateway({ path: '/ws' })
    class Guarded {
      @UseGuards({ canActivate: () => false })
      onConnect(@Body() _body: unknown) {}
    }
    expect(await problemsOf(Guarded)).toEqual([expect.stringMatching(/^Guarded\.onConnect is never called/)]);
  });
});

describe('An option of @WebSocketGateway()', () => {
  const problemsWith = (options: object) => {
    class Gateway {
      onOpen() {}
    }
    WebSocketGateway(options as Record<string, unknown>)(Gateway);
    return problemsOf(Gateway);
  };

  it.each([
    [
      { guards: 'handshakes' },
      'guards in @WebSocketGateway() is "handshakes", which is not allowed; expected handshake, message, both',
    ],
    [
      { transports: ['sse', 'webtransport'] },
      'transports in @WebSocketGateway() is ["sse","webtransport"], which is not allowed; expected a list of websocket, sse, polling',
    ],
    [
      { transports: [] },
      'transports in @WebSocketGateway() is [], which is not allowed; expected a list of websocket, sse, polling',
    ],
    [
      { slowConsumer: 'drop' },
      'slowConsumer in @WebSocketGateway() is "drop", which is not allowed; expected close, drop-newest, drop-oldest',
    ],
    [
      { middleware: 'false' },
      'middleware in @WebSocketGateway() is "false", which is not allowed; expected true or false',
    ],
    [{ keepContext: 1 }, 'keepContext in @WebSocketGateway() is 1, which is not allowed; expected true or false'],
    [{ path: 7 }, 'path in @WebSocketGateway() is 7, which is not allowed; expected a path or a list of paths'],
    [
      { version: null },
      'version in @WebSocketGateway() is null, which is not allowed; expected a version or a list of versions',
    ],
    [{ verifyClient: true }, 'verifyClient in @WebSocketGateway() is true, which is not allowed; expected a function'],
    [{ guard: 'message' }, 'guard in @WebSocketGateway() does not exist: did you mean guards?'],
    [{ keepcontext: true }, 'keepcontext in @WebSocketGateway() does not exist: did you mean keepContext?'],
  ])('stops the boot in %j', async (options, problem) => {
    expect(await problemsWith(options)).toEqual([`Gateway: ${problem}`]);
  });

  it('is checked by the compiler where the decorator is the one of this package', async () => {
    // @ts-expect-error -- guards has no such value
    @CheckedGateway({ path: '/ws', guards: 'handshakes' })
    class Wrong {
      onOpen() {}
    }
    @CheckedGateway({ path: ['/one', '/two'], guards: 'both', transports: ['sse'] })
    class Right {
      onOpen() {}
    }
    expect(await problemsOf(Wrong, Right)).toEqual([expect.stringMatching(/^Wrong: guards /)]);
  });

  it('lets a gateway start with the options of ws and Socket.IO, and with options that are undefined', async () => {
    const options = {
      cors: true,
      maxPayload: 1,
      parser: {},
      port: 1,
      host: 'x',
      guards: undefined,
      transports: ['sse'],
    };
    expect(await problemsWith(options)).toEqual([]);
  });
});

describe('A gateway that useFactory or useValue provides', () => {
  @WebSocketGateway({ path: '/made' })
  class Made {
    onOpen() {}
  }
  @WebSocketGateway({ path: '/class' })
  class Provided {
    onOpen() {}
  }

  it('is not found, as in Nest, and a warning at boot names it', async () => {
    const lines = new Lines();
    const other = new Proxy({}, { getOwnPropertyDescriptor: () => refuse() as never });
    const moduleRef = await Test.createTestingModule({
      imports: [RealtimeModule.forRoot({ envFile: false })],
      providers: [
        Provided,
        { provide: 'alias', useExisting: Provided },
        { provide: 'factory', useFactory: () => new Made() },
        { provide: 'value', useValue: new Made() },
        { provide: 'none', useValue: Object.create(null) },
        { provide: 'other', useValue: other },
        { provide: 'class', useValue: Made },
      ],
    }).compile();
    apps.push(await createTestApp(moduleRef, { logger: lines }));
    expect(lines.warnings).toEqual([
      'Made is not found as a gateway, because useFactory or useValue provides it: provide the class',
    ]);
  });
});
