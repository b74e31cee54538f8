import { jest } from '@jest/globals';
import fc from 'fast-check';
import { FakeSocket, type FakeSocketOptions } from '../../../test/support/fakes/fake-socket.js';
import {
  type Behaviour,
  FakeNode,
  type HookRun,
  type RecordingGateway,
  turn,
} from '../../../test/support/fakes/recording-gateway.js';
import type { CloseInitiator } from './close-info.js';
import type { Connection } from './connection.js';
import type { LiveConnection } from './connections/live-connection.js';
import { OptionsError } from './errors.js';

/** Short timings, so that a silence is a few steps of the fake clock. */
const SETTINGS = {
  heartbeatPingInterval: 1,
  heartbeatIdleTime: 2,
  heartbeatCheckInterval: 1,
  shutdownTimeout: 3,
  maxQueuedMessages: 3,
  maxBufferedBytes: 1024,
};
const SILENCE_MS = 3_100;

let node: FakeNode;

beforeEach(async () => {
  jest.useFakeTimers();
  node = await new FakeNode(SETTINGS).start();
});

afterEach(() => {
  jest.useRealTimers();
});

/** Settles every hook that is under way, and those that it held up, until nothing moves. */
async function settleAll(gateway: RecordingGateway): Promise<void> {
  for (await turn(); gateway.running(); await turn()) gateway.running()!.resolve();
}

describe('the lifecycle of one connection', () => {
  it('runs onOpen, then the messages one at a time in order, then onClose', async () => {
    node.gateway.on('onOpen', 'async').on('onMessage', 'async').on('onClose', 'async');
    const { socket } = node.open();
    socket.sends('a');
    socket.sends('b');
    socket.closes();
    await settleAll(node.gateway);
    expect(node.gateway.events).toEqual([
      'onOpen starts',
      'onOpen ends',
      'onMessage(a) starts',
      'onMessage(a) ends',
      'onMessage(b) starts',
      'onMessage(b) ends',
      'onClose starts',
      'onClose ends',
    ]);
  });

  it('keeps the order when hooks are synchronous', async () => {
    const { socket } = await node.opened();
    socket.sends('a');
    socket.sends('b');
    socket.closes();
    await turn();
    expect(node.gateway.events.filter((event) => event.endsWith('starts'))).toEqual([
      'onOpen starts',
      'onMessage(a) starts',
      'onMessage(b) starts',
      'onClose starts',
    ]);
  });

  it('handles a message in the turn in which it comes when nothing is under way', async () => {
    const { socket } = await node.opened();
    socket.sends('a');
    expect(node.gateway.events.at(-1)).toBe('onMessage(a) ends');
  });

  it('works for a gateway that has no hooks at all', async () => {
    const { socket } = await node.opened({}, { gateway: { name: 'Bare', path: '/bare' } });
    socket.sends('a');
    socket.closes(1000);
    await turn();
    expect(await node.server.stats()).toMatchObject({ current: 0, messagesIn: 1, closed: { client: 1 } });
  });

  it('lets one connection go on while a hook of another is pending', async () => {
    node.gateway.on('onMessage', ({ text }) => (text === 'slow' ? 'async' : 'sync'));
    const ann = await node.opened();
    const bob = await node.opened();
    ann.socket.sends('slow');
    bob.socket.sends('quick');
    expect(node.gateway.events.at(-1)).toBe('onMessage(quick) ends');
  });

  it('is busy until a hook has settled that gives a thenable which settles at once', async () => {
    const handled: string[] = [];
    const atOnce = { then: (done: () => void) => done() } as PromiseLike<void>;
    const gateway = {
      ...{ name: 'Thenable', path: '/thenable', onClose: () => void handled.push('onClose') },
      onMessage: (_connection: Connection, message: { text(): string }) => {
        handled.push(message.text());
        return atOnce;
      },
    };
    const { socket } = await node.opened({}, { gateway });
    socket.sends('a');
    await turn();
    socket.sends('b');
    socket.closes();
    await turn();
    expect(handled).toEqual(['a', 'b', 'onClose']);
  });

  it('treats a thenable whose then throws as a hook that failed', async () => {
    const broken = {
      then: () => {
        throw new Error('no then');
      },
    } as unknown as PromiseLike<void>;
    const onClose = jest.fn();
    const gateway = { name: 'Broken', path: '/broken', onMessage: () => broken, onClose } as never;
    const { socket } = await node.opened({}, { gateway });
    expect(() => socket.sends('a')).not.toThrow();
    await turn();
    socket.closes();
    await turn();
    expect(node.engine.node.counters.hookErrors).toBe(1);
    expect(onClose).toHaveBeenCalledTimes(1);
  });
});

describe('frames that arrive while onOpen is pending', () => {
  beforeEach(() => {
    node.gateway.on('onOpen', 'async');
  });

  it('wait until it has settled', async () => {
    const { socket } = node.open();
    socket.sends('a');
    await turn();
    expect(node.gateway.of('onMessage')).toEqual([]);
    node.gateway.running()!.resolve();
    await turn();
    expect(node.gateway.of('onMessage').map(({ text }) => text)).toEqual(['a']);
  });

  it('are bounded in number: at the bound the socket is not read', async () => {
    const { socket } = node.open();
    for (const text of ['a', 'b']) socket.sends(text);
    expect(socket.isPaused).toBe(false);
    socket.sends('c');
    expect(socket.isPaused).toBe(true);
    expect((await node.server.stats()).pauses).toBe(1);
  });

  it('are bounded in bytes', async () => {
    const small = await new FakeNode({ ...SETTINGS, maxQueuedBytes: 10 }).start();
    small.gateway.on('onOpen', 'async');
    const { socket } = small.open();
    socket.sends('123456789');
    expect(socket.isPaused).toBe(false);
    socket.sends('0');
    expect(socket.isPaused).toBe(true);
  });

  it('are read again when half of them are handled, and none is lost', async () => {
    node.gateway.on('onMessage', 'async');
    const { socket } = node.open();
    for (const text of ['a', 'b', 'c', 'd']) socket.sends(text);
    node.gateway.running()!.resolve();
    await turn();
    expect([node.gateway.running()!.text, socket.resumes]).toEqual(['a', 0]);
    node.gateway.running()!.resolve();
    await turn();
    expect([node.gateway.running()!.text, socket.resumes]).toEqual(['b', 1]);
    await settleAll(node.gateway);
    expect(node.gateway.of('onMessage').map(({ text }) => text)).toEqual(['a', 'b', 'c', 'd']);
  });

  it('do not pause twice for what the network still delivers after the pause', async () => {
    const { socket } = node.open();
    for (const text of ['a', 'b', 'c']) socket.sends(text);
    for (const text of ['d', 'e']) socket.sendsUnread(text);
    expect([socket.pauses, node.engine.node.counters.pauses]).toEqual([1, 1]);
    node.gateway.running()!.resolve();
    await turn();
    expect(node.gateway.of('onMessage').map(({ text }) => text)).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('are forgotten when this side ends the connection, and the socket is read again for the answer', async () => {
    const { socket, connection } = node.open({}, { answers: 'by hand' });
    for (const text of ['a', 'b', 'c']) socket.sends(text);
    connection.close(4001, 'enough');
    expect(socket.isPaused).toBe(false);
    socket.answer();
    await settleAll(node.gateway);
    expect(node.gateway.of('onMessage')).toEqual([]);
    expect(node.gateway.of('onClose')[0]!.close).toMatchObject({ code: 4001, wasClean: true });
  });

  it('do not let the heartbeat close a connection that this side does not read', async () => {
    const { socket } = node.open();
    for (const text of ['a', 'b', 'c']) socket.sends(text);
    jest.advanceTimersByTime(10 * SILENCE_MS);
    expect(socket.firstEnd).toBeUndefined();
    node.gateway.running()!.resolve();
    await turn();
    jest.advanceTimersByTime(SILENCE_MS);
    expect(socket.firstEnd).toMatchObject({ code: 4000 });
  });
});

describe('onClose', () => {
  interface Case {
    readonly code: number;
    readonly initiator: CloseInitiator;
    readonly wasClean: boolean;
    readonly reason?: unknown;
    readonly end: (it: { socket: FakeSocket; connection: LiveConnection }) => unknown;
    readonly prepare?: (gateway: RecordingGateway) => void;
    readonly socket?: FakeSocketOptions;
  }

  const cases: Record<string, Case> = {
    'the client closes': {
      ...{ code: 3001, initiator: 'client', wasClean: true, reason: 'bye' },
      end: ({ socket }) => socket.closes(3001, 'bye'),
    },
    'the client closes without a code': {
      ...{ code: 1005, initiator: 'client', wasClean: true },
      end: ({ socket }) => socket.closes(1005),
    },
    'the client vanishes': {
      ...{ code: 1006, initiator: 'client', wasClean: false },
      end: ({ socket }) => socket.vanishes(),
    },
    'server.disconnect() is called': {
      ...{ code: 4500, initiator: 'server', wasClean: true },
      end: ({ connection }) => node.server.disconnect(connection.id),
    },
    'server.disconnect() is called and the client never answers': {
      ...{ code: 4501, initiator: 'server', wasClean: false, reason: 'log in again' },
      end: ({ connection }) => node.server.disconnect(connection.id, 4501, 'log in again'),
      socket: { answers: 'by hand' },
    },
    'a target is disconnected': {
      ...{ code: 4502, initiator: 'server', wasClean: true },
      end: () => node.server.toEveryone().disconnect(4502),
    },
    'connection.close() is called': {
      ...{ code: 1000, initiator: 'server', wasClean: true },
      end: ({ connection }) => connection.close(),
    },
    'connection.terminate() is called': {
      ...{ code: 1006, initiator: 'server', wasClean: false },
      end: ({ connection }) => connection.terminate(),
    },
    'connection.close() is called in onMessage': {
      ...{ code: 4123, initiator: 'server', wasClean: true },
      prepare: (gateway) => gateway.on('onMessage', ({ connection }) => connection.close(4123)),
      end: ({ socket }) => socket.sends('close me'),
    },
    'connection.terminate() is called in onMessage': {
      ...{ code: 1006, initiator: 'server', wasClean: false },
      prepare: (gateway) => gateway.on('onMessage', ({ connection }) => connection.terminate()),
      end: ({ socket }) => socket.sends('cut me'),
    },
    'onOpen throws': {
      ...{ code: 1011, initiator: 'error', wasClean: true, reason: 'onOpen failed' },
      prepare: (gateway) => gateway.on('onOpen', 'throw'),
      end: () => {},
    },
    'onOpen rejects': {
      ...{ code: 1011, initiator: 'error', wasClean: true, reason: 'onOpen failed' },
      prepare: (gateway) => gateway.on('onOpen', 'async'),
      end: () => node.gateway.running()!.reject(new Error('rejected')),
    },
    'the heartbeat expires': {
      ...{ code: 4000, initiator: 'heartbeat', wasClean: true, reason: 'heartbeat timeout' },
      end: () => jest.advanceTimersByTime(SILENCE_MS),
    },
    'the heartbeat expires and the client never answers': {
      ...{ code: 4000, initiator: 'heartbeat', wasClean: false, reason: 'heartbeat timeout' },
      end: () => jest.advanceTimersByTime(SILENCE_MS),
      socket: { answers: 'by hand' },
    },
    'the server shuts down': {
      ...{ code: 1001, initiator: 'shutdown', wasClean: true, reason: expect.stringMatching(/^server shutting down/) },
      end: () => void node.engine.stop(),
    },
    'the client breaks the protocol': {
      ...{ code: 1002, initiator: 'error', wasClean: false, reason: 'protocol error' },
      end: ({ socket }) => socket.breaksRule(1002, 'protocol error', 'error'),
    },
    'the client exceeds a limit': {
      ...{ code: 1009, initiator: 'limit', wasClean: false, reason: 'message too big' },
      end: ({ socket }) => socket.breaksRule(1009, 'message too big', 'limit'),
    },
    'the client does not read': {
      ...{ code: 4001, initiator: 'limit', wasClean: true, reason: 'slow consumer: more than 1024 bytes wait' },
      end: ({ socket, connection }) => {
        socket.bufferedBytes = 1_000_000;
        connection.send('one more');
      },
    },
  };

  it.each(Object.entries(cases))('runs exactly once, with code and initiator, when %s', async (_name, row) => {
    row.prepare?.(node.gateway);
    const opened = await node.opened({}, row.socket);
    await row.end(opened);
    await turn();
    jest.advanceTimersByTime(5000);
    await turn();
    const { code, initiator, wasClean, reason = '' } = row;
    expect(node.gateway.of('onClose').map(({ close }) => close)).toEqual([{ code, initiator, wasClean, reason }]);
    expect(node.gateway.events.at(-1)).toBe('onClose ends');
    const stats = await node.server.stats();
    expect([stats.accepted, stats.current, stats.closed[initiator]]).toEqual([1, 0, 1]);
  });

  it('sees the rooms, the user and the data that the connection had, and the hub is empty of it', async () => {
    const seen: unknown[] = [];
    node.gateway.on('onClose', ({ connection }) => {
      const found = [node.server.connections.size, node.engine.node.hub.count('')];
      seen.push([...connection.rooms], connection.userId, connection.data, connection.readyState, found);
    });
    const { socket, connection } = await node.opened({ userId: '7', rooms: ['lobby'], data: { name: 'Ann' } });
    await connection.join('garden');
    socket.closes();
    await turn();
    expect(seen).toEqual([['lobby', 'garden'], '7', { name: 'Ann' }, 3, [0, 0]]);
  });

  it('cannot send: send and emit return false and do not throw', async () => {
    const results: boolean[] = [];
    node.gateway.on('onClose', ({ connection }) => {
      results.push(connection.send('late'), connection.emit('late', 1), connection.send(5 as never));
    });
    const { socket } = await node.opened();
    socket.closes();
    await turn();
    expect([results, socket.sent]).toEqual([[false, false, false], []]);
  });

  it('cannot bring the connection back: join, leave, bind, close and terminate have no effect', async () => {
    node.gateway.on('onClose', ({ connection }) => {
      void connection.join('late');
      void connection.leave('lobby');
      (connection as LiveConnection).obey({ kind: 'bind', userId: '9' });
      connection.close();
      connection.terminate();
    });
    const { socket, connection } = await node.opened({ rooms: ['lobby'] });
    socket.closes(1000);
    await turn();
    expect([[...connection.rooms], connection.userId, node.engine.node.hub.count('')]).toEqual([
      ['lobby'],
      undefined,
      0,
    ]);
    expect(node.gateway.of('onClose')).toHaveLength(1);
  });

  it('comes when nothing is left of the connection but its hook: no timer, no member, no count', async () => {
    const { socket } = await node.opened({ userId: '7', rooms: ['lobby'] });
    expect(jest.getTimerCount()).toBeGreaterThan(0);
    socket.closes();
    expect([jest.getTimerCount(), node.engine.node.hub.count(''), node.server.connections.size]).toEqual([0, 0, 0]);
  });

  it('runs once also when a wire tells of its end twice', async () => {
    const { socket, connection } = await node.opened();
    socket.closes(1000);
    connection.closed(1006, '');
    await turn();
    expect(node.gateway.of('onClose').map(({ close }) => close!.code)).toEqual([1000]);
    expect((await node.server.stats()).closed.client).toBe(1);
  });

  it('waits for a running hook', async () => {
    node.gateway.on('onMessage', 'async');
    const { socket } = await node.opened();
    socket.sends('a');
    socket.vanishes();
    await turn();
    expect(node.gateway.events.at(-1)).toBe('onMessage(a) starts');
    await settleAll(node.gateway);
    expect(node.gateway.events.slice(-3)).toEqual(['onMessage(a) ends', 'onClose starts', 'onClose ends']);
  });

  it('does not start inside a hook that cuts a wire which tells of its end at once', async () => {
    node.gateway.on('onMessage', ({ connection }) => {
      connection.terminate();
      return 'async';
    });
    const { socket } = await node.opened({}, { reports: 'at once' });
    socket.sends('cut me');
    expect([node.gateway.overlaps, node.gateway.of('onClose').length]).toEqual([0, 0]);
    await settleAll(node.gateway);
    expect(node.gateway.of('onClose')).toHaveLength(1);
  });

  it.each<Behaviour>(['throw', 'async'])('is logged and forgotten when it fails (%s)', async (behaviour) => {
    node.gateway.on('onClose', behaviour);
    const { socket, connection } = await node.opened();
    socket.closes();
    await turn();
    node.gateway.running()?.reject(new Error('onClose throws'));
    await turn();
    expect(node.log.with('onClose failed')).toEqual([
      `error WebSocket onClose failed id=${connection.id} path=/ws error="Error: onClose throws"`,
    ]);
    expect(node.engine.node.counters.hookErrors).toBe(1);
  });
});

describe('the first side that ends a connection decides', () => {
  it.each<[string, number, CloseInitiator, (it: { socket: FakeSocket; connection: LiveConnection }) => unknown]>([
    ['the client closes', 4123, 'server', ({ socket }) => socket.closes(1000)],
    ['the client vanishes', 4123, 'server', ({ socket }) => socket.vanishes()],
    ['the application closes again', 4123, 'server', ({ connection }) => connection.close(4124)],
    ['the application cuts it', 4123, 'server', ({ connection }) => connection.terminate()],
    ['the heartbeat expires', 4123, 'server', () => jest.advanceTimersByTime(SILENCE_MS)],
    ['the client breaks a rule', 4123, 'server', ({ socket }) => socket.breaksRule(1002, 'protocol error', 'error')],
    ['the server shuts down', 4123, 'server', () => void node.engine.stop()],
  ])('the server, also when then %s', async (_name, code, initiator, then) => {
    const opened = await node.opened({}, { answers: 'by hand', closeTimeoutMs: 20_000 });
    opened.connection.close(4123, 'first');
    await then(opened);
    opened.socket.vanishes();
    await turn();
    expect(node.gateway.of('onClose')[0]!.close).toMatchObject({ code, initiator, reason: 'first' });
  });

  it('the client, also when onOpen fails later', async () => {
    node.gateway.on('onOpen', 'async');
    const { socket } = node.open();
    socket.sends('never handled');
    socket.closes(1001, 'left');
    node.gateway.running()!.reject(new Error('rejected'));
    await turn();
    expect(node.gateway.of('onMessage')).toEqual([]);
    expect(node.gateway.of('onClose')[0]!.close).toMatchObject({ code: 1001, initiator: 'client' });
  });

  it('and a heartbeat that comes second does not claim the end in the log', async () => {
    const { connection } = await node.opened({}, { answers: 'by hand', closeTimeoutMs: 20_000 });
    connection.close(4123);
    jest.advanceTimersByTime(SILENCE_MS);
    expect(node.log.with('heartbeat expired')).toEqual([]);
  });
});

describe('a hook that fails', () => {
  it('in onMessage becomes an exception frame, and the connection stays', async () => {
    node.gateway.on('onMessage', ({ text }) => (text === 'bad' ? 'throw' : 'sync'));
    const { socket, connection } = await node.opened();
    socket.sends('bad');
    socket.sends('good');
    const data = { status: 'error', code: 'internal', message: 'Internal server error' };
    expect(socket.sent).toEqual([JSON.stringify({ event: 'exception', data })]);
    expect([connection.readyState, node.gateway.events.at(-1)]).toEqual([1, 'onMessage(good) ends']);
    expect(node.log.with('onMessage failed')).toEqual([
      `error WebSocket onMessage failed id=${connection.id} path=/ws error="Error: onMessage(bad) throws"`,
    ]);
  });

  it('later in onMessage does the same', async () => {
    node.gateway.on('onMessage', 'async');
    const { socket, connection } = await node.opened();
    socket.sends('a');
    node.gateway.running()!.reject(new Error('rejected'));
    await turn();
    expect([connection.readyState, socket.sent.length, node.engine.node.counters.hookErrors]).toEqual([1, 1, 1]);
  });

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['a string', 'just text'],
    ['an object without a prototype', Object.create(null)],
    [
      'an object that cannot be made a string',
      {
        toString() {
          throw new Error('no');
        },
      },
    ],
    ['a symbol', Symbol('odd')],
  ])('with %s as the error does not stop the connection', async (_name, error) => {
    const handled: string[] = [];
    const onMessage = (_connection: Connection, message: { text(): string }) => {
      handled.push(message.text());
      if (message.text() === 'a') throw error;
    };
    const { socket } = await node.opened({}, { gateway: { name: 'Odd', path: '/odd', onMessage } });
    expect(() => socket.sends('a')).not.toThrow();
    socket.sends('b');
    expect([handled, socket.sent.length, node.log.with('onMessage failed').length]).toEqual([['a', 'b'], 1, 1]);
  });

  it('in onOpen logs the connection and lets no message through', async () => {
    node.gateway.on('onOpen', 'async');
    const { socket, connection } = node.open();
    socket.sends('a');
    node.gateway.running()!.reject(new Error('no database'));
    await turn();
    expect(socket.closeFrame).toEqual({ code: 1011, reason: 'onOpen failed' });
    expect(node.gateway.of('onMessage')).toEqual([]);
    expect(node.log.with('onOpen failed id=')).toEqual([
      `error WebSocket onOpen failed id=${connection.id} path=/ws error="Error: no database"`,
    ]);
  });
});

/** A step of a random run; the number says which connection, the text what with. */
type Step = readonly [what: keyof typeof STEPS, which: number, value: number];

/** What hooks do from inside, beside what the steps do from outside. */
type Plan = readonly [behaviour: Behaviour, action: keyof typeof ACTIONS];

/** One connection of a random run, and what a hook saw in onClose. */
interface Subject {
  readonly socket: FakeSocket;
  readonly connection: LiveConnection;
  readonly expectedRooms: Set<string>;
  atClose?: { sent: boolean[]; rooms: string[]; found: unknown[] };
}

const CLIENT_CODES = [1000, 1001, 1005, 3001, 4999];
const SERVER_CODES = [4123, 4500];

const ACTIONS = {
  nothing: () => {},
  send: ({ connection }: Subject) => connection.send('hello'),
  join: (subject: Subject) => joins(subject, 'inner'),
  close: ({ connection }: Subject) => connection.close(SERVER_CODES[0], 'from a hook'),
  terminate: ({ connection }: Subject) => connection.terminate(),
};

const STEPS = {
  turn: () => turn(),
  message: ({ socket }: Subject, of: World) => socket.sends(`m${of.number++}`),
  'late read': ({ socket }: Subject, of: World) => socket.sendsUnread(`m${of.number++}`),
  life: ({ socket }: Subject) => socket.showsLife(),
  resolve: ({ connection }: Subject, of: World) => of.gateway.running(connection)?.resolve(),
  reject: ({ connection }: Subject, of: World) => of.gateway.running(connection)?.reject(new Error('rejected')),
  'client closes': ({ socket }: Subject, _of: World, value: number) => socket.closes(CLIENT_CODES[value % 5], 'bye'),
  'client vanishes': ({ socket }: Subject) => socket.vanishes(),
  'client answers': ({ socket }: Subject) => socket.answer(),
  'client breaks a rule': ({ socket }: Subject) => socket.breaksRule(1002, 'protocol error', 'error'),
  'client exceeds a limit': ({ socket }: Subject) => socket.breaksRule(1009, 'message too big', 'limit'),
  disconnect: ({ connection }: Subject, of: World) => of.node.server.disconnect(connection.id, SERVER_CODES[1]),
  'disconnect all': (_subject: Subject, of: World) => of.node.server.toEveryone().disconnect(SERVER_CODES[1]),
  close: ({ connection }: Subject) => connection.close(SERVER_CODES[0], 'from outside'),
  terminate: ({ connection }: Subject) => connection.terminate(),
  join: (subject: Subject) => joins(subject, 'outer'),
  bind: ({ connection }: Subject, of: World, value: number) => of.node.server.bind(connection.id, `user ${value}`),
  push: (_subject: Subject, of: World) => of.node.server.toEveryone().push('news'),
  'slow consumer': ({ socket, connection }: Subject, of: World) => {
    socket.bufferedBytes = 1_000_000;
    return of.node.server.push(connection.id, 'one more');
  },
  silence: () => void jest.advanceTimersByTime(SILENCE_MS),
  time: (_subject: Subject, _of: World, value: number) => void jest.advanceTimersByTime(100 * value),
  shutdown: (_subject: Subject, of: World) => void (of.stopping ??= of.node.engine.stop()),
};

function joins({ socket, connection, expectedRooms }: Subject, room: string): Promise<void> {
  if (!socket.isGone) expectedRooms.add(room);
  return connection.join(room);
}

/** A random run: two connections, their hooks' plans, and what is known of them. */
class World {
  readonly node = new FakeNode(SETTINGS);
  readonly gateway = this.node.gateway;
  readonly subjects: Subject[] = [];
  number = 0;
  stopping?: Promise<void>;
  private socket?: FakeSocket;
  private plans: Plan[];

  constructor(plans: readonly Plan[]) {
    this.plans = [...plans];
    const planned = (run: HookRun) => this.act(run);
    this.gateway.on('onOpen', planned).on('onMessage', planned).on('onClose', planned);
  }

  open(options: FakeSocketOptions): void {
    this.socket = new FakeSocket(options);
    this.node.open({ userId: 'u', rooms: ['lobby'] }, { socket: this.socket });
  }

  private act(run: HookRun): Behaviour {
    const [behaviour, action] = this.plans.shift() ?? (['sync', 'nothing'] as const);
    const subject = this.subjectOf(run.connection as LiveConnection);
    if (run.hook === 'onClose') this.look(subject);
    void ACTIONS[action](subject);
    return behaviour;
  }

  /** Made when `onOpen` starts, which is inside `open`. */
  private subjectOf(connection: LiveConnection): Subject {
    const known = this.subjects.find((subject) => subject.connection === connection);
    if (known) return known;
    const subject = { socket: this.socket!, connection, expectedRooms: new Set(['lobby']) };
    this.subjects.push(subject);
    return subject;
  }

  private look(subject: Subject): void {
    const { connection } = subject;
    const { hub } = this.node.engine.node;
    const sent = [connection.send('late'), connection.emit('late')];
    const members = ['*', 'r:lobby', 'r:inner', 'r:outer', 'u:u', 'p:/ws'].flatMap((name) => [...hub.members(name)]);
    const found = [...members.filter((member) => member === connection), hub.connections.get(connection.id)];
    subject.atClose = { sent, rooms: [...connection.rooms], found };
  }

  /** Holds after every step. */
  async check(): Promise<void> {
    const stats = await this.node.server.stats();
    const ended = Object.values(stats.closed).reduce((sum, count) => sum + count);
    expect(stats.accepted).toBe(ended + stats.current);
    expect(this.gateway.overlaps).toBe(0);
    for (const { socket, connection } of this.subjects) {
      if (socket.firstEnd) continue;
      const handled = this.gateway.of('onMessage').filter((run) => run.connection === connection).length;
      const waiting = socket.delivered.length - handled;
      if (waiting >= SETTINGS.maxQueuedMessages) expect(socket.isPaused).toBe(true);
      if (waiting <= SETTINGS.maxQueuedMessages / 2) expect(socket.isPaused).toBe(false);
    }
  }

  /** Ends what is open, and lets everything settle. */
  async finish(): Promise<void> {
    await settleAll(this.gateway);
    for (const { socket } of this.subjects) socket.closes(1000);
    for (let rounds = 0; rounds < 3; rounds++) {
      jest.advanceTimersByTime(5000);
      await settleAll(this.gateway);
    }
  }

  async checkEnd(): Promise<void> {
    for (const subject of this.subjects) this.checkSubject(subject);
    const stats = await this.node.server.stats();
    expect([stats.current, stats.rooms, stats.users, this.node.engine.node.hub.count('')]).toEqual([0, 0, 0, 0]);
    if (!this.stopping) expect(jest.getTimerCount()).toBe(0);
    const stopping = this.stopping ?? this.node.engine.stop();
    await jest.advanceTimersByTimeAsync(50);
    await stopping;
    expect(jest.getTimerCount()).toBe(0);
  }

  private checkSubject({ socket, connection, expectedRooms, atClose }: Subject): void {
    const runs = this.gateway.runs.filter((run) => run.connection === connection);
    const hooks = runs.map(({ hook }) => hook);
    expect(hooks.filter((hook) => hook !== 'onMessage')).toEqual(['onOpen', 'onClose']);
    expect([hooks[0], hooks.at(-1)]).toEqual(['onOpen', 'onClose']);
    const handled = runs.filter(({ hook }) => hook === 'onMessage').map(({ text }) => text);
    const isOpenFailed = this.node.log.with(`onOpen failed id=${connection.id} `).length > 0;
    const isAll = socket.firstEnd!.by === 'the peer' && !isOpenFailed;
    expect(handled).toEqual(socket.delivered.slice(0, isAll ? undefined : handled.length));
    const { code, reason, initiator } = runs.at(-1)!.close!;
    expect({ code, reason, initiator }).toEqual(expectedEnd(socket));
    const rooms = [...expectedRooms];
    expect(atClose).toEqual({ sent: [false, false], rooms: expect.arrayContaining(rooms), found: [undefined] });
    expect(atClose!.rooms).toHaveLength(rooms.length);
  }
}

const INITIATORS = new Map<number, CloseInitiator>([
  [4000, 'heartbeat'],
  [4001, 'limit'],
  [1009, 'limit'],
  [1002, 'error'],
  [1011, 'error'],
  [4123, 'server'],
  [4500, 'server'],
  [1006, 'server'],
]);

/** What CloseInfo must say, by what happened first on the wire. */
function expectedEnd({ firstEnd }: FakeSocket): { code: number; reason: string; initiator: CloseInitiator } {
  const { by, code, reason } = firstEnd!;
  if (by === 'the peer') return { code, reason, initiator: 'client' };
  return { code, reason, initiator: code === 1001 ? 'shutdown' : INITIATORS.get(code)! };
}

const anyStep: fc.Arbitrary<Step> = fc.tuple(
  fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom<Step[0][]>('message', 'resolve', 'turn') },
    { weight: 5, arbitrary: fc.constantFrom(...(Object.keys(STEPS) as Step[0][])) },
  ),
  fc.nat(1),
  fc.nat(9),
);

const anyPlan: fc.Arbitrary<Plan> = fc.tuple(
  fc.constantFrom<Behaviour[]>('sync', 'async', 'async', 'throw'),
  fc.oneof(
    { weight: 3, arbitrary: fc.constant('nothing' as const) },
    { weight: 2, arbitrary: fc.constantFrom(...(Object.keys(ACTIONS) as Plan[1][])) },
  ),
);

describe('whatever happens in whatever order', () => {
  it.each(['soon', 'at once'] as const)(
    'the contract holds on wires that tell of their end %s',
    async (reports) => {
      const run = async (plans: Plan[], steps: Step[], answers: 'soon' | 'by hand') => {
        const world = new World(plans);
        await world.node.start();
        for (let count = 0; count < 2; count++) world.open({ answers, reports, closeTimeoutMs: 500 });
        for (const [what, which, value] of steps) {
          await STEPS[what](world.subjects[which]!, world, value);
          await world.check();
        }
        await world.finish();
        await world.checkEnd();
      };
      const answers = fc.constantFrom('soon' as const, 'by hand' as const);
      const plans = fc.array(anyPlan, { maxLength: 12 });
      await fc.assert(fc.asyncProperty(plans, fc.array(anyStep, { maxLength: 40 }), answers, run), { numRuns: 250 });
    },
    30_000,
  );
});

describe('the lifecycle log', () => {
  it('has one line for the opening and one for the end', async () => {
    const { socket, connection } = await node.opened({ userId: '7' }, { protocol: 'chat' });
    connection.send('12345');
    socket.sends('123');
    socket.showsLife();
    jest.advanceTimersByTime(1500);
    socket.closes(1000, 'bye');
    const { id } = connection;
    expect(node.log.with('connection')).toEqual([
      `log WebSocket connection opened id=${id} path=/ws ip=192.0.2.7 user=7 protocol=chat`,
      `log WebSocket connection closed id=${id} code=1000 reason="bye" by=client after=1.5s in=1/3B out=1/5B`,
    ]);
  });

  it('tells of a message its length and kind, and nothing of what it says', async () => {
    const { socket, connection } = await node.opened();
    socket.sends('secret');
    socket.sends(Buffer.from('secret'));
    expect(node.log.with('verbose')).toEqual([
      `verbose WebSocket message id=${connection.id} bytes=6 type=text`,
      `verbose WebSocket message id=${connection.id} bytes=6 type=binary`,
    ]);
  });

  it('makes no line for a message where verbose lines are not shown', async () => {
    Object.assign(node.log, { isVerbose: () => false });
    const { socket } = await node.opened();
    socket.sends('a');
    expect(node.log.with('WebSocket message')).toEqual([]);
  });

  it('says how long a client was silent that the heartbeat closes', async () => {
    const { connection } = await node.opened();
    jest.advanceTimersByTime(SILENCE_MS);
    expect(node.log.with('heartbeat')[0]).toMatch(
      new RegExp(`^warn WebSocket heartbeat expired id=${connection.id} silent=\\d\\.\\ds$`),
    );
  });

  it('cannot be forged by a user id, a protocol or a close reason', async () => {
    const text = 'x\r\nlog WebSocket connection opened id=forged\u2028\u001b[31m';
    const { socket } = await node.opened({ userId: text }, { protocol: text });
    socket.closes(1000, text);
    for (const line of node.log.lines) expect(line).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u);
  });
});

describe('the engine', () => {
  it('gives every connection an id that starts with its own and is never used again', async () => {
    const other = await new FakeNode(SETTINGS).start();
    const ids: string[] = [];
    for (const from of [node, node, other]) {
      const { socket, connection } = await from.opened();
      ids.push(connection.id);
      socket.closes();
    }
    expect(new Set(ids).size).toBe(3);
    expect(ids.map((id) => id.split('.')[0])).toEqual([node.engine.node.id, node.engine.node.id, other.engine.node.id]);
  });

  it('refuses a second gateway on a path and names both', () => {
    const bind = () => node.engine.gate.bind({ name: 'Second', path: '/ws' });
    expect(bind).toThrow(OptionsError);
    expect(bind).toThrow(/RecordingGateway and Second .*\/ws/);
  });

  it('serves the paths of its gateways and no other', () => {
    node.engine.gate.bind({ name: 'Second', path: '/second' });
    const paths = ['/ws', '/second', '/other', '/ws/', '', '__proto__'];
    expect(paths.map((path) => node.engine.gate.serves(path))).toEqual([true, true, false, false, false, false]);
  });

  it('stops at once when nothing is open, and once however often it is asked', async () => {
    const first = node.engine.stop();
    expect(node.engine.stop()).toBe(first);
    await jest.advanceTimersByTimeAsync(1);
    await expect(first).resolves.toBeUndefined();
  });

  it('waits at a shutdown until the last onClose has settled', async () => {
    node.gateway.on('onClose', 'async');
    await node.opened();
    let isStopped = false;
    const stopping = node.engine.stop().then(() => (isStopped = true));
    await jest.advanceTimersByTimeAsync(2900);
    expect(isStopped).toBe(false);
    node.gateway.running()!.resolve();
    await jest.advanceTimersByTimeAsync(50);
    expect(isStopped).toBe(true);
    await stopping;
  });

  it('cuts what is left at the shutdown timeout and names the hooks that still run', async () => {
    node.gateway.on('onOpen', 'async');
    const { socket, connection } = await node.opened({}, { answers: 'by hand', closeTimeoutMs: 60_000 });
    const stopping = node.engine.stop();
    await jest.advanceTimersByTimeAsync(2900);
    expect(socket.isGone).toBe(false);
    await jest.advanceTimersByTimeAsync(200);
    await stopping;
    expect(socket.isGone).toBe(true);
    expect(node.log.with('still runs')).toEqual([
      `warn WebSocket hook still runs after the shutdown timeout id=${connection.id}`,
    ]);
  });

  it('closes a connection whose handshake was done when the shutdown began', async () => {
    void node.engine.stop();
    const { socket } = await node.opened();
    await jest.advanceTimersByTimeAsync(50);
    expect(socket.firstEnd).toMatchObject({ code: 1001 });
  });

  it('leaves no timer behind', async () => {
    const { socket } = await node.opened();
    const stopping = node.engine.stop();
    await jest.advanceTimersByTimeAsync(50);
    await stopping;
    expect([socket.isGone, jest.getTimerCount()]).toEqual([true, 0]);
  });
});
