import { jest } from '@jest/globals';
import { FakeNode, settleAll, turn } from '../../../../test/support/fakes/fake-node.js';
import { FakeSocket, type FakeSocketOptions } from '../../../../test/support/fakes/fake-socket.js';
import type { Behaviour, HookRun } from '../../../../test/support/fakes/recording-gateway.js';
import { fc } from '../../../../test/support/properties.js';
import type { CloseInitiator } from '../close-info.js';
import type { Connection } from '../connection.js';
import type { LiveConnection } from './live-connection.js';

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

  it('keeps the order of messages when hooks are synchronous', async () => {
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

  it('handles a message in the turn in which it is received when no hook is running', async () => {
    const { socket } = await node.opened();
    socket.sends('a');
    expect(node.gateway.events.at(-1)).toBe('onMessage(a) ends');
  });

  it('serves a gateway that has no hooks', async () => {
    const { socket } = await node.opened({}, { gateway: { name: 'Bare', path: '/bare' } });
    socket.sends('a');
    socket.closes(1000);
    await turn();
    expect(await node.server.stats()).toMatchObject({ current: 0, messagesIn: 1, closed: { client: 1 } });
  });

  it('handles messages of one connection while a hook of another is pending', async () => {
    node.gateway.on('onMessage', ({ text }) => (text === 'slow' ? 'async' : 'sync'));
    const ann = await node.opened();
    const bob = await node.opened();
    ann.socket.sends('slow');
    bob.socket.sends('quick');
    expect(node.gateway.events.at(-1)).toBe('onMessage(quick) ends');
  });

  it('handles messages in order when a hook returns a thenable that settles at once', async () => {
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

  it('treats a thenable whose then() throws as a hook that failed', async () => {
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

  it('keeps messages until onOpen has settled', async () => {
    const { socket } = node.open();
    socket.sends('a');
    await turn();
    expect(node.gateway.of('onMessage')).toEqual([]);
    node.gateway.running()!.resolve();
    await turn();
    expect(node.gateway.of('onMessage').map(({ text }) => text)).toEqual(['a']);
  });

  it('stops reading the socket at the limit of messages', async () => {
    const { socket } = node.open();
    for (const text of ['a', 'b']) socket.sends(text);
    expect(socket.isPaused).toBe(false);
    socket.sends('c');
    expect(socket.isPaused).toBe(true);
    expect((await node.server.stats()).pauses).toBe(1);
  });

  it('stops reading the socket at the limit of bytes', async () => {
    const small = await new FakeNode({ ...SETTINGS, maxQueuedBytes: 10 }).start();
    small.gateway.on('onOpen', 'async');
    const { socket } = small.open();
    socket.sends('123456789');
    expect(socket.isPaused).toBe(false);
    socket.sends('0');
    expect(socket.isPaused).toBe(true);
  });

  it('reads the socket again when half of the messages are handled, and loses none', async () => {
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

  it('pauses once when more messages are delivered after the pause', async () => {
    const { socket } = node.open();
    for (const text of ['a', 'b', 'c']) socket.sends(text);
    for (const text of ['d', 'e']) socket.sendsUnread(text);
    expect([socket.pauses, node.engine.node.counters.pauses]).toEqual([1, 1]);
    node.gateway.running()!.resolve();
    await turn();
    expect(node.gateway.of('onMessage').map(({ text }) => text)).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('drops waiting messages when this side closes, and reads the socket again for the answer', async () => {
    const { socket, connection } = node.open({}, { answers: 'by hand' });
    for (const text of ['a', 'b', 'c']) socket.sends(text);
    connection.close(4001, 'enough');
    expect(socket.isPaused).toBe(false);
    socket.answer();
    await settleAll(node.gateway);
    expect(node.gateway.of('onMessage')).toEqual([]);
    expect(node.gateway.of('onClose')[0]!.close).toMatchObject({ code: 4001, wasClean: true });
  });

  it('keeps the heartbeat from closing a connection that is not read because hooks are behind', async () => {
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

describe('a hook that fails', () => {
  it('sends an exception frame when onMessage throws, and the connection stays open', async () => {
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

  it('sends an exception frame when onMessage rejects later', async () => {
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
  ])('continues a connection when a hook throws %s', async (_name, error) => {
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

  it('logs the connection when onOpen fails, and handles no message', async () => {
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

/** A step of a random run; `which` is the index of the connection. */
type Step = readonly [what: keyof typeof STEPS, which: number, value: number];

/** What a hook does from inside, while the steps act from outside. */
type Plan = readonly [behaviour: Behaviour, action: keyof typeof ACTIONS];

/** One connection of a random run, and what its onClose observed. */
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

/** A random run: two connections, the plans of their hooks, and what is expected of them. */
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

  /** The subject is created when `onOpen` starts, which is inside `open`. */
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

  /** Checks what holds after every step. */
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

  /** Ends the open connections and lets everything settle. */
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
    // The one timer of the hooks' times is not stopped: it finds nothing to do
    jest.advanceTimersByTime(60_000);
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

/** The CloseInfo that follows from what happened first on the wire. */
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

describe('a random run', () => {
  it.each(['soon', 'at once'] as const)(
    'keeps the contract in any sequence of events on wires that report their end %s',
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

describe('a hook that takes longer than REALTIME_HOOK_TIMEOUT', () => {
  const TIMEOUT = { hookTimeout: 2, heartbeatPingInterval: 0, heartbeatIdleTime: 0 };
  const lines = () => node.log.with('limit=hookTime');
  const starts = () => node.gateway.events.filter((event) => event.endsWith('starts'));
  const late = async () => {
    jest.advanceTimersByTime(2000);
    await turn();
  };

  beforeEach(async () => {
    node = await new FakeNode({ ...SETTINGS, ...TIMEOUT }).start();
  });

  it('is logged with its gateway and counted, and the connection stays open and handles its messages later', async () => {
    node.gateway.on('onMessage', ({ text }) => (text === 'slow' ? 'async' : 'sync'));
    const { socket, connection } = await node.opened();
    socket.sends('slow');
    socket.sends('next');
    await late();
    expect(lines()).toEqual([
      `warn Realtime limit reached limit=hookTime id=${connection.id} gateway=RecordingGateway hook=onMessage seconds=2 waiting=1 setting=REALTIME_HOOK_TIMEOUT`,
    ]);
    expect(await node.server.stats()).toMatchObject({ current: 1, limits: { hookTime: 1 } });
    await settleAll(node.gateway);
    expect(node.gateway.events.at(-1)).toBe('onMessage(next) ends');
    expect(node.gateway.overlaps).toBe(0);
  });

  it.each(['onOpen', 'onMessage', 'onDrain'] as const)(
    'does not keep onClose waiting when %s runs on after the client has left',
    async (hook) => {
      const { socket, connection, hang } = await hanging(hook);
      socket.sends('dropped');
      socket.closes();
      await turn();
      expect(starts()).not.toContain('onClose starts');
      await late();
      expect(starts().at(-1)).toBe('onClose starts');
      expect(starts()).not.toContain('onMessage(dropped) starts');
      const before = [...node.gateway.events];
      hang.resolve();
      await turn();
      expect(node.gateway.events.filter((event) => event.startsWith('onClose'))).toHaveLength(2);
      expect(before).not.toEqual([]);
      expect([connection.send('x'), connection.signal.aborted]).toEqual([false, true]);
      await expect(connection.join('room')).resolves.toBeUndefined();
      expect(await node.server.to('room').count()).toBe(0);
    },
  );

  it('runs onClose at once for a client that leaves when the hook is already late', async () => {
    const { socket } = await hanging('onMessage');
    await late();
    expect(starts()).not.toContain('onClose starts');
    socket.closes();
    await turn();
    expect(starts().at(-1)).toBe('onClose starts');
  });

  it('logs the error of a hook that fails after it was given up, and runs nothing else', async () => {
    const { socket, hang } = await hanging('onMessage');
    socket.closes();
    await late();
    hang.reject(new Error('too late'));
    await turn();
    expect(node.log.with('onMessage failed')).toHaveLength(1);
    expect(node.gateway.of('onClose')).toHaveLength(1);
  });

  it('ends a shutdown as soon as the connection is closed', async () => {
    await hanging('onMessage');
    await late();
    const stopped = node.engine.stop();
    await jest.advanceTimersByTimeAsync(20);
    await stopped;
    expect(node.log.with('still runs')).toEqual([]);
  });

  it('forgets a connection whose onClose does not settle', async () => {
    node.gateway.on('onClose', 'async');
    const { socket } = await node.opened();
    socket.closes();
    await late();
    expect(lines()).toHaveLength(1);
    const stopped = node.engine.stop();
    await jest.advanceTimersByTimeAsync(20);
    await stopped;
    expect(node.log.with('shutdown closes')).toEqual([]);
  });

  it('closes the connection with 1011 when REALTIME_HOOK_TIMEOUT_ACTION says so', async () => {
    node = await new FakeNode({ ...SETTINGS, ...TIMEOUT, hookTimeoutAction: 'close' }).start();
    const { socket } = await hanging('onMessage');
    await late();
    expect(socket.closeFrame).toEqual({ code: 1011, reason: 'onMessage took too long' });
    socket.closes();
    await turn();
    expect(node.gateway.of('onClose')[0]!.close).toMatchObject({ code: 1011, initiator: 'error' });
  });

  it('is not limited when the setting is 0', async () => {
    node = await new FakeNode({ ...SETTINGS, ...TIMEOUT, hookTimeout: 0 }).start();
    await hanging('onMessage');
    jest.advanceTimersByTime(86_400_000);
    expect(lines()).toEqual([]);
  });

  /** Opens a connection on which this hook has started and does not settle. */
  async function hanging(hook: 'onOpen' | 'onMessage' | 'onDrain') {
    let hang!: { resolve(): void; reject(error: unknown): void };
    const hanging = new Promise<void>((resolve, reject) => (hang = { resolve, reject }));
    const gateway = Object.assign(Object.create(node.gateway) as typeof node.gateway, { [hook]: () => hanging });
    const { socket, connection } = await node.opened({}, { gateway });
    if (hook === 'onMessage') socket.sends('hang');
    if (hook === 'onDrain') connection.caughtUp();
    return { socket, connection, hang };
  }
});
