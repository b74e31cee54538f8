import { jest } from '@jest/globals';
import { FakeExchange } from '../../../../../test/support/fakes/fake-exchange.js';
import { fakeRequestNode } from '../../../../../test/support/fakes/fake-request-node.js';
import { RecordingSink } from '../../../../../test/support/fakes/recording-sink.js';
import { Frame } from '../../frame.js';
import { PollingSocket } from './polling.js';

const OPTIONS = { graceTime: 15, pollHold: 20, maxSlowTime: 30 };

const text = (data: string) => new Frame(data);
const turn = () => jest.advanceTimersByTimeAsync(0);

beforeEach(() => void jest.useFakeTimers({ doNotFake: ['queueMicrotask', 'nextTick'] }));
afterEach(() => void jest.useRealTimers());

describe('PollingSocket', () => {
  const open = async (node = fakeRequestNode(OPTIONS)) => {
    const socket = new PollingSocket(node);
    const sink = new RecordingSink();
    const visit = new FakeExchange();
    socket.attach(sink, () => {});
    socket.open(visit.watched, 'id', undefined);
    await turn();
    return { socket, sink, visit };
  };
  const poll = async (socket: PollingSocket, position: number) => {
    const visit = new FakeExchange();
    socket.open(visit.watched, 'id', position);
    await turn();
    return visit;
  };
  const bodyOf = (visit: FakeExchange) => JSON.parse(visit.body!) as object;

  it.each([false, true])(
    'counts a client that does not take its answer as slow, and cuts it unless limits are only reported (%s)',
    async (isOnly) => {
      const node = fakeRequestNode({ ...OPTIONS, limits: isOnly ? 'report' : 'enforce' });
      const { limits } = node;
      const { socket } = await open(node);
      const visit = new FakeExchange();
      Object.assign(visit.answer, { send: () => {} });
      socket.open(visit.watched, 'id', 0);
      socket.send(text('x'));
      await jest.advanceTimersByTimeAsync(29_999);
      expect([visit.isCut, limits.counts.slowTime]).toEqual([false, 0]);
      await jest.advanceTimersByTimeAsync(1);
      expect([visit.isCut, limits.counts.slowTime]).toEqual([!isOnly, 1]);
    },
  );

  it('answers the first poll at once, with the id and the token', async () => {
    const { socket, visit } = await open();
    expect(visit.status).toBe(200);
    expect(visit.headers).toMatchObject({ 'cache-control': 'no-store' });
    expect(bodyOf(visit)).toEqual({ id: 'id', token: socket.token, position: 0, messages: [] });
  });

  it('sends the text and bytes of one turn in one answer', async () => {
    const { socket } = await open();
    const visit = await poll(socket, 0);
    for (const data of ['a', Buffer.from([1, 2])]) socket.send(new Frame(data));
    await turn();
    expect(bodyOf(visit)).toEqual({ position: 2, messages: ['a', { binary: 'AQI=' }] });
  });

  it('forgets only the messages that the client says it has', async () => {
    const { socket, sink } = await open();
    for (const data of ['a', 'b', 'c']) socket.send(text(data));
    expect(bodyOf(await poll(socket, 0))).toEqual({ position: 3, messages: ['a', 'b', 'c'] });
    expect(sink.drains).toBe(0);
    expect(bodyOf(await poll(socket, 2))).toEqual({ position: 3, messages: ['c'] });
    expect(sink.drains).toBe(1);
    expect(() => socket.open(new FakeExchange().watched, 'id', 1)).toThrow('position 2');
    expect(bodyOf(await poll(socket, 2))).toEqual({ position: 3, messages: ['c'] });
  });

  it.each([-1, 4, 1.5, Number.NaN])('does not resume from the position %p', async (position) => {
    const { socket } = await open();
    for (const data of ['a', 'b', 'c']) socket.send(text(data));
    expect(socket.open(new FakeExchange().watched, 'id', position)).toBe(false);
  });

  it('holds a poll for the hold time', async () => {
    const { socket } = await open();
    const visit = await poll(socket, 0);
    await jest.advanceTimersByTimeAsync(19_980);
    expect(visit.hasEnded).toBe(false);
    await jest.advanceTimersByTimeAsync(30);
    expect(bodyOf(visit)).toEqual({ position: 0, messages: [] });
  });

  it('counts on from where the client of a session is that goes on over it', async () => {
    const acknowledged: number[] = [];
    const socket = new PollingSocket(fakeRequestNode(OPTIONS), { token: 'new', position: 0 });
    const counted = { take: () => true, acknowledged: (n: number) => acknowledged.push(n) };
    const carried: string[] = [];
    const sink = Object.assign(new RecordingSink(), { counted });
    socket.attach(
      sink,
      () => {},
      (token) => carried.push(token),
    );
    socket.open(new FakeExchange().watched, 'id', undefined);
    await turn();
    socket.carry('new', 7);
    socket.carry('old', 40);
    socket.send(text('a'));
    expect(bodyOf(await poll(socket, 0))).toEqual({ position: 41, messages: ['a'] });
    expect([acknowledged, carried]).toEqual([[], ['old']]);
    const visit = await poll(socket, 41);
    socket.send(text('b'));
    await turn();
    expect([acknowledged, bodyOf(visit)]).toEqual([[41], { position: 42, messages: ['b'] }]);
  });

  it('starts the grace time anew with every poll', async () => {
    const { socket, sink } = await open();
    const visit = await poll(socket, 0);
    visit.vanishes();
    await jest.advanceTimersByTimeAsync(10_000);
    await poll(socket, 0);
    await jest.advanceTimersByTimeAsync(10_000);
    expect(sink.events).toEqual([]);
  });
});
