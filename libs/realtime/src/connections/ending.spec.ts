import { jest } from '@jest/globals';
import { FakeNode, settleAll, turn } from '../../../../test/support/fakes/fake-node.js';
import type { FakeSocket, FakeSocketOptions } from '../../../../test/support/fakes/fake-socket.js';
import type { Behaviour, RecordingGateway } from '../../../../test/support/fakes/recording-gateway.js';
import type { CloseInitiator } from '../close-info.js';
import type { LiveConnection } from './live-connection.js';

/** Short timings, so that a silence is a few steps of the fake clock. */
const SETTINGS = {
  heartbeatPingInterval: 1,
  heartbeatIdleTime: 2,
  heartbeatCheckInterval: 1,
  shutdownTimeout: 3,
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

  it.each(Object.entries(cases))('runs onClose exactly once, with code and initiator, when %s', async (_name, row) => {
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

  it('shows onClose the rooms, the user and the data of the connection, which has left the hub', async () => {
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

  it('returns false from send() and emit() in onClose and does not throw', async () => {
    const results: boolean[] = [];
    node.gateway.on('onClose', ({ connection }) => {
      results.push(connection.send('late'), connection.emit('late', 1), connection.send(5 as never));
    });
    const { socket } = await node.opened();
    socket.closes();
    await turn();
    expect([results, socket.sent]).toEqual([[false, false, false], []]);
  });

  it('ignores join, leave, bind, close and terminate in onClose', async () => {
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

  it('leaves no timer, no member and no count of a connection when onClose runs', async () => {
    const { socket } = await node.opened({ userId: '7', rooms: ['lobby'] });
    expect(jest.getTimerCount()).toBeGreaterThan(0);
    socket.closes();
    expect([jest.getTimerCount(), node.engine.node.hub.count(''), node.server.connections.size]).toEqual([0, 0, 0]);
  });

  it('runs onClose once when a wire reports its end twice', async () => {
    const { socket, connection } = await node.opened();
    socket.closes(1000);
    connection.closed(1006, '');
    await turn();
    expect(node.gateway.of('onClose').map(({ close }) => close!.code)).toEqual([1000]);
    expect((await node.server.stats()).closed.client).toBe(1);
  });

  it('runs onClose after the hook that is running', async () => {
    node.gateway.on('onMessage', 'async');
    const { socket } = await node.opened();
    socket.sends('a');
    socket.vanishes();
    await turn();
    expect(node.gateway.events.at(-1)).toBe('onMessage(a) starts');
    await settleAll(node.gateway);
    expect(node.gateway.events.slice(-3)).toEqual(['onMessage(a) ends', 'onClose starts', 'onClose ends']);
  });

  it('does not run onClose inside a hook that cuts a wire which reports its end at once', async () => {
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

  it.each<Behaviour>(['throw', 'async'])('logs an onClose that fails (%s)', async (behaviour) => {
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
  ])('keeps the code and the initiator of the server when %s afterwards', async (_name, code, initiator, then) => {
    const opened = await node.opened({}, { answers: 'by hand', closeTimeoutMs: 20_000 });
    opened.connection.close(4123, 'first');
    await then(opened);
    opened.socket.vanishes();
    await turn();
    expect(node.gateway.of('onClose')[0]!.close).toMatchObject({ code, initiator, reason: 'first' });
  });

  it('keeps the code and the initiator of the client when onOpen fails afterwards', async () => {
    node.gateway.on('onOpen', 'async');
    const { socket } = node.open();
    socket.sends('never handled');
    socket.closes(1001, 'left');
    node.gateway.running()!.reject(new Error('rejected'));
    await turn();
    expect(node.gateway.of('onMessage')).toEqual([]);
    expect(node.gateway.of('onClose')[0]!.close).toMatchObject({ code: 1001, initiator: 'client' });
  });

  it('does not log a heartbeat that expires after the application has closed', async () => {
    const { connection } = await node.opened({}, { answers: 'by hand', closeTimeoutMs: 20_000 });
    connection.close(4123);
    jest.advanceTimersByTime(SILENCE_MS);
    expect(node.log.with('heartbeat expired')).toEqual([]);
  });
});
