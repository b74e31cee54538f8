import { jest } from '@jest/globals';
import { fakeAdmission, FakeNode, turn } from '../../../../test/support/fakes/fake-node.js';
import { FakeSocket } from '../../../../test/support/fakes/fake-socket.js';
import { RecordingGateway } from '../../../../test/support/fakes/recording-gateway.js';
import type { Awaitable } from '../awaitable.js';
import type { LiveConnection } from '../connections/live-connection.js';
import { HandshakeError } from '../errors.js';
import type { Gateway } from '../gateway.js';
import type { Identity } from '../hooks.js';
import { Message } from '../message.js';
import type { RealtimeOptions } from '../settings/options.js';
import type { Sink } from '../transport.js';
import type { Place } from './places.js';

/** Asks for a secret in the first message. */
class AskingGateway extends RecordingGateway {
  readonly asked: string[] = [];
  answer: (text: string) => Awaitable<Identity | void> = (text) => {
    if (text !== 'secret') throw new HandshakeError(401, `wrong: ${text}`);
    return { userId: 'ann' };
  };

  onAuthenticate(message: Message): Awaitable<Identity | void> {
    this.asked.push(message.text());
    return this.answer(message.text());
  }
}

let node: FakeNode;
let gateway: AskingGateway;
let socket: FakeSocket;
let released: number;
/** How many failures count against the address. */
let failures: () => number;

async function start(options: RealtimeOptions = {}): Promise<Sink> {
  node = await new FakeNode({ authenticateTimeout: 5, ...options }).start();
  gateway = new AskingGateway('/ask');
  node.engine.gate.bind(gateway);
  socket = new FakeSocket();
  released = 0;
  const place = { bind: () => {}, release: () => released++ } as unknown as Place;
  const admission = fakeAdmission({ gateway: gateway as Gateway, place });
  const sink = node.engine.open(admission, socket, 'websocket')!;
  socket.attach(sink);
  const counted = jest.spyOn(node.engine.gate, 'failed');
  failures = () => counted.mock.calls.length;
  return sink;
}

beforeEach(() => {
  jest.useFakeTimers();
});

afterEach(() => {
  jest.useRealTimers();
});

describe('a client that has not identified itself', () => {
  it('keeps no network read in memory for its messages while onAuthenticate runs', async () => {
    const sink = await start();
    const kept: Message[] = [];
    gateway.onAuthenticate = (message) => (kept.push(message), new Promise(() => {}));
    const read = Buffer.alloc(65_536, 'x');
    for (let from = 0; from < 60; from += 10) sink.received(new Message(read.subarray(from, from + 10), false));
    const { waiting } = sink as unknown as { waiting: Message[] };
    const messages = [...kept, ...waiting].map((message) => message.bytes());
    expect(messages.map(({ length, buffer }) => [length, buffer.byteLength])).toEqual(Array(6).fill([10, 10]));
  });

  it('pushes nothing to a client that has not identified itself, and runs no hook for it', async () => {
    await start();
    await node.server.toEveryone().push('for all');
    expect([socket.sent, gateway.events, (await node.server.stats()).current]).toEqual([[], [], 0]);
  });

  it('closes a client that sends no first message in time with 4501, counts it and logs it', async () => {
    await start();
    await jest.advanceTimersByTimeAsync(4999);
    expect(socket.closeFrame).toBeUndefined();
    await jest.advanceTimersByTimeAsync(1);
    expect(socket.closeFrame).toEqual({ code: 4501, reason: 'no credential in time' });
    const { refused, limits, accepted } = await node.server.stats();
    expect([refused, limits.authenticateTime, accepted, released]).toEqual([1, 1, 0, 1]);
    expect(node.log.with('limit=authenticateTime')).toHaveLength(1);
    expect([jest.getTimerCount(), gateway.events]).toEqual([0, []]);
  });

  it('waits for a late first message in report-only mode, and counts it', async () => {
    await start({ limits: 'report' });
    await jest.advanceTimersByTimeAsync(60_000);
    expect([socket.closeFrame, node.engine.node.limits.counts.authenticateTime]).toEqual([undefined, 1]);
    socket.sends('secret');
    await turn();
    expect(node.engine.node.counters.accepted).toBe(1);
  });

  it('releases the place and the timer of a client that leaves without a first message', async () => {
    await start();
    socket.vanishes();
    expect([jest.getTimerCount(), released, (await node.server.stats()).accepted]).toEqual([0, 1, 0]);
  });
});

describe('the first message', () => {
  it('opens the connection with the identity from the first message', async () => {
    await start();
    socket.sends('secret');
    await turn();
    const [connection] = node.server.connections.values();
    expect([connection?.userId, gateway.events]).toEqual(['ann', ['onOpen starts', 'onOpen ends']]);
    expect([released, socket.isPaused]).toEqual([0, false]);
    socket.closes();
    expect(released).toBe(1);
  });

  it('passes the messages after the first one to onMessage, in order', async () => {
    await start();
    let admit!: (identity: Identity) => void;
    gateway.answer = () => new Promise((resolve) => (admit = resolve));
    socket.sends('secret');
    expect(socket.isPaused).toBe(true);
    for (const text of ['one', 'two']) socket.sendsUnread(text);
    socket.sends('three');
    expect(gateway.events).toEqual([]);
    admit({});
    await turn();
    expect(gateway.of('onMessage').map(({ text }) => text)).toEqual(['one', 'two', 'three']);
    expect(gateway.asked).toEqual(['secret']);
  });

  it('closes a client whose first message is refused with 4501, and sends it nothing else', async () => {
    await start();
    socket.sends('guess');
    await turn();
    expect([socket.closeFrame, socket.sent]).toEqual([{ code: 4501, reason: 'unauthorized' }, []]);
    expect([node.engine.node.counters.refused, node.engine.node.counters.accepted, released]).toEqual([1, 0, 1]);
    expect([jest.getTimerCount(), gateway.events]).toEqual([0, []]);
  });

  it('keeps no messages that follow a refused first message', async () => {
    const sink = await start();
    socket.sends('guess');
    await turn();
    for (let more = 0; more < 100; more++) sink.received(new Message(Buffer.from('more'), false));
    expect((sink as unknown as { waiting: unknown[] }).waiting).toHaveLength(0);
    expect(gateway.asked).toEqual(['guess']);
  });

  it('refuses a first message whose hook hangs, and ignores what the hook returns later', async () => {
    await start();
    let admit!: (identity: Identity) => void;
    gateway.answer = () => new Promise((resolve) => (admit = resolve));
    socket.sends('secret');
    await jest.advanceTimersByTimeAsync(5000);
    expect(socket.closeFrame).toEqual({ code: 1013, reason: 'authentication took too long' });
    admit({ userId: 'ann' });
    await turn();
    expect([node.engine.node.counters.accepted, await node.server.toUser('ann').count()]).toEqual([0, 0]);
  });

  it('ignores the result of onAuthenticate when the client has gone meanwhile', async () => {
    await start();
    let admit!: (identity: Identity) => void;
    gateway.answer = () => new Promise((resolve) => (admit = resolve));
    socket.sends('secret');
    socket.vanishes();
    admit({ userId: 'ann' });
    await turn();
    expect([node.engine.node.counters.accepted, gateway.events]).toEqual([0, []]);
  });

  it('blames the application, not the client, for a fault of onAuthenticate', async () => {
    await start({ maxFailedHandshakes: 1 });
    gateway.answer = () => (undefined as unknown as Identity).rooms as never;
    socket.sends('secret');
    await turn();
    expect(socket.closeFrame).toEqual({ code: 1011, reason: 'onAuthenticate failed' });
    const [line, ...more] = node.log.with('onAuthenticate failed');
    expect([line, more]).toEqual([
      expect.stringMatching(/^error .* code=1011 path=\/ask ip=192\.0\.2\.\d+ error="TypeError: /),
      [],
    ]);
    expect(node.log.stacks[0]).toContain('first-message.spec');
    expect([node.engine.node.counters.hookErrors, failures()]).toEqual([1, 0]);
  });

  it.each([
    ['too many connections of the user', 'ann', 1013, 0],
    ['a wrong credential', 'guess', 4501, 1],
  ])('counts %s against the address only if the client is to blame', async (_what, text, code, counted) => {
    await start({ maxConnectionsPerUser: 1 });
    await node.opened({ userId: 'ann' });
    gateway.answer = (said) => {
      if (said === 'guess') throw new HandshakeError(403);
      throw new HandshakeError(429, '', {}, 'limit_connectionsPerUser');
    };
    socket.sends(text);
    await turn();
    expect([socket.closeFrame?.code, failures()]).toEqual([code, counted]);
  });

  it.each([
    ['a text', '2999-01-01'],
    ['an invalid date', new Date('never')],
  ])('refuses %s as a time of expiry, which is a fault of the application', async (_what, expiresAt) => {
    await start();
    gateway.answer = () => ({ expiresAt: expiresAt as Date });
    socket.sends('secret');
    await turn();
    expect(socket.closeFrame?.code).toBe(1011);
  });

  it('refuses a first message with an expired credential', async () => {
    await start();
    gateway.answer = () => ({ expiresAt: new Date(Date.now() - 1) });
    socket.sends('secret');
    await turn();
    expect(socket.closeFrame?.code).toBe(4501);
  });

  it('opens no connection from a first message once a shutdown has begun', async () => {
    await start();
    let admit!: (identity: Identity) => void;
    gateway.answer = () => new Promise((resolve) => (admit = resolve));
    socket.sends('secret');
    node.engine.gate.stop();
    admit({ userId: 'ann' });
    await turn();
    expect([socket.closeFrame?.code, node.engine.node.counters.accepted]).toEqual([1001, 0]);
  });
});

it('passes the events of the wire to the connection after the first message', async () => {
  const sink = await start();
  socket.sends('secret');
  await turn();
  const [connection] = node.engine.node.hub.connections.values() as Iterable<LiveConnection>;
  jest.advanceTimersByTime(1000);
  sink.alive();
  expect(performance.now() - connection!.lastSeenAt).toBe(0);
  socket.breaksRule(1009, 'too big', 'limit');
  await turn();
  expect(gateway.of('onClose')[0]?.close).toMatchObject({ code: 1009, initiator: 'limit' });
});
