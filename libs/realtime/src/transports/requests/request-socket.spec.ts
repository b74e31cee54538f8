import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { jest } from '@jest/globals';
import { FakeExchange } from '../../../../../test/support/fakes/fake-exchange.js';
import { fakeRequestNode } from '../../../../../test/support/fakes/fake-request-node.js';
import { RecordingSink } from '../../../../../test/support/fakes/recording-sink.js';
import { Frame } from '../../frame.js';
import { Message } from '../../message.js';
import { PollingSocket } from './polling.js';
import type { RequestNode, RequestSocket } from './request-socket.js';
import { SseTransport } from './sse.js';

const OPTIONS = { graceTime: 15, closeTimeout: 5, pollHold: 20, maxReplayBytes: 1000 };

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** The memory of buffers that are in use; what one collection finds free, the next one frees. */
function memory(): number {
  for (let round = 0; round < 3; round++) collect();
  return process.memoryUsage().arrayBuffers;
}

const text = (data: string) => new Frame(data);
const turn = () => jest.advanceTimersByTimeAsync(0);

beforeEach(() => void jest.useFakeTimers({ doNotFake: ['queueMicrotask', 'nextTick'] }));
afterEach(() => void jest.useRealTimers());

describe.each([
  ['sse', (node = fakeRequestNode(OPTIONS)) => new SseTransport(node).createSocket()],
  ['polling', (node = fakeRequestNode(OPTIONS)) => new PollingSocket(node)],
] as [string, (node?: RequestNode) => RequestSocket][])('RequestSocket of %s', (_name, create) => {
  const attached = () => {
    const socket = create();
    const sink = new RecordingSink();
    const gone = jest.fn();
    socket.attach(sink, gone);
    return { socket, sink, gone };
  };
  const opened = async () => {
    const all = attached();
    const visit = new FakeExchange();
    all.socket.open(visit.watched, 'id', undefined);
    await turn();
    return { ...all, visit };
  };

  it('ends when no request has come for the grace time', async () => {
    const { socket, sink, gone, visit } = await opened();
    visit.vanishes();
    await jest.advanceTimersByTimeAsync(14_990);
    expect(sink.events).toEqual([]);
    expect(socket.send(text('still'))).toBe(true);
    await jest.advanceTimersByTimeAsync(20);
    expect(sink.events).toEqual(['closed 1006 ']);
    expect(gone).toHaveBeenCalledTimes(1);
    expect(socket.send(text('late'))).toBe(false);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('ends once, whatever is called after', async () => {
    const { socket, sink, gone } = await opened();
    socket.leave(1000, '');
    socket.close(4500, 'no');
    socket.terminate();
    socket.leave(1000, '');
    await jest.advanceTimersByTimeAsync(60_000);
    expect(sink.events).toEqual(['closed 1000 ']);
    expect(gone).toHaveBeenCalledTimes(1);
    expect(socket.end).toEqual({ code: 1000, reason: '' });
  });

  it('ends with 1006 when the client does not come for its end within the close timeout', async () => {
    const { socket, sink } = attached();
    socket.close(4500, 'bye');
    expect(socket.send(text('late'))).toBe(false);
    await jest.advanceTimersByTimeAsync(4_990);
    expect(sink.events).toEqual([]);
    await jest.advanceTimersByTimeAsync(20);
    expect(sink.events).toEqual(['closed 1006 ']);
    expect(socket.end).toEqual({ code: 4500, reason: 'bye' });
  });

  it('sends the last messages and then the end, at once, to a client that is present', async () => {
    const { socket, sink } = attached();
    const visit = new FakeExchange();
    socket.send(text('last'));
    socket.open(visit.watched, 'id', undefined);
    socket.close(4321, 'as you wish');
    await turn();
    expect(sink.events).toEqual(['closed 4321 as you wish']);
    const all = visit.written + (visit.body ?? '');
    expect(all.indexOf('last')).toBeGreaterThan(0);
    expect(all.indexOf('as you wish')).toBeGreaterThan(all.indexOf('last'));
    expect(visit.hasEnded).toBe(true);
  });

  it('cuts the response on terminate()', async () => {
    const { socket, sink } = attached();
    const first = new FakeExchange();
    socket.open(first.watched, 'id', undefined);
    await turn();
    const visit = new FakeExchange();
    socket.open(visit.watched, 'id', 0);
    socket.terminate();
    expect([visit.isCut, sink.events]).toEqual([true, []]);
    await turn();
    expect(sink.events).toEqual(['closed 1006 ']);
  });

  it('notices a client that left before its request was handled', async () => {
    const { socket, sink } = attached();
    const visit = new FakeExchange();
    visit.vanishes();
    socket.open(visit.watched, 'id', undefined);
    await jest.advanceTimersByTimeAsync(15_010);
    expect(sink.events).toEqual(['closed 1006 ']);
  });

  it('repeats its last messages and its end to a client that has not received them', async () => {
    const { socket, sink } = attached();
    const first = new FakeExchange();
    socket.open(first.watched, 'id', undefined);
    await turn();
    const lost = new FakeExchange();
    socket.open(lost.watched, 'id', 0);
    for (const data of ['a', 'b']) socket.send(text(data));
    socket.close(1012, 'restart');
    await turn();
    expect(sink.events).toEqual(['closed 1012 restart']);
    for (const [position, expected] of [
      [0, ['a', 'b']],
      [1, ['b']],
      [2, []],
    ] as [number, string[]][]) {
      const visit = new FakeExchange();
      expect(socket.open(visit.watched, 'id', position)).toBe(true);
      await turn();
      const all = visit.written + (visit.body ?? '');
      expect(['a', 'b'].filter((data) => new RegExp(`"${data}"|^data: ${data}$`, 'm').test(all))).toEqual(expected);
      expect(all).toContain('{"code":1012,"reason":"restart"}');
      expect(visit.hasEnded).toBe(true);
    }
    expect(sink.events).toEqual(['closed 1012 restart']);
    await jest.advanceTimersByTimeAsync(10_000);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('counts the bookkeeping of empty messages', () => {
    const { socket } = attached();
    for (let i = 0; i < 10; i++) socket.send(text(''));
    expect(socket.bufferedBytes).toBeGreaterThan(1000);
  });

  it('counts what it keeps against the limit of the process, until it is forgotten', async () => {
    const node = fakeRequestNode(OPTIONS);
    const socket = create(node);
    socket.attach(new RecordingSink(), () => {});
    for (const data of ['waits', 'x'.repeat(500)]) socket.send(text(data));
    expect(node.slowConsumers.bytes).toBeGreaterThan(505);
    const visit = new FakeExchange();
    visit.isStuck = true;
    socket.open(visit.watched, 'id', undefined);
    await turn();
    // A client that has not confirmed them may ask for them again
    expect(node.slowConsumers.bytes).toBeGreaterThan(505);
    socket.terminate();
    await turn();
    socket.forget();
    expect(node.slowConsumers.bytes).toBe(0);
  });

  it('is full as soon as something waits where the process holds all that it may', () => {
    const node = fakeRequestNode({ ...OPTIONS, maxBufferedBytesTotal: 5000 });
    const socket = create(node);
    socket.send(text('a'));
    expect(socket.isFull).toBe(false);
    node.slowConsumers.bytes += 5000;
    expect([socket.isFull, create(node).isFull]).toEqual([true, false]);
  });

  it('keeps a short message that is passed on without the network read that it was part of', async () => {
    const socket = create();
    const before = memory();
    for (let sent = 0; sent < 300; sent++) {
      socket.send(Frame.of(new Message(Buffer.alloc(65_536, 'x').subarray(sent, sent + 10), sent % 2 === 0)));
    }
    expect(memory() - before).toBeLessThan(2_000_000);
    expect(socket.bufferedBytes).toBeGreaterThan(3000);
  });

  it('has a token of its own, with the id of its node', () => {
    expect(create().token).toMatch(/^YMw8vNRo20tX[\w-]{32}$/);
    expect(new Set(Array.from({ length: 100 }, () => create().token)).size).toBe(100);
  });
});
