import { jest } from '@jest/globals';
import { FakeExchange } from '../../../../../test/support/fakes/fake-exchange.js';
import { fakeRequestNode } from '../../../../../test/support/fakes/fake-request-node.js';
import { RecordingSink } from '../../../../../test/support/fakes/recording-sink.js';
import { Frame } from '../../frame.js';
import { type SseSocket, SseTransport } from './sse.js';

const OPTIONS = { closeTimeout: 5, maxReplayBytes: 1000, graceTime: 15 };

const text = (data: string) => new Frame(data);
const turn = () => jest.advanceTimersByTimeAsync(0);

beforeEach(() => void jest.useFakeTimers({ doNotFake: ['queueMicrotask', 'nextTick'] }));
afterEach(() => void jest.useRealTimers());

describe('SseSocket', () => {
  const positions = (written: string) =>
    [...written.matchAll(/^id: \S+\.(\d+)$/gm)].map(([, position]) => Number(position));
  const open = (node = fakeRequestNode(OPTIONS)) => {
    const socket = new SseTransport(node).createSocket();
    const sink = new RecordingSink();
    const visit = new FakeExchange();
    socket.attach(sink, () => {});
    socket.open(visit.watched, 'id', undefined);
    return { socket, sink, visit };
  };
  const again = (socket: SseSocket, position: number) => {
    const visit = new FakeExchange();
    return { isOpen: socket.open(visit.watched, 'id', position), visit };
  };

  it('begins the stream with its headers, the retry time, the id and the token', () => {
    const { socket, visit } = open();
    expect(visit.headers).toMatchObject({ 'x-accel-buffering': 'no', 'cache-control': 'no-cache, no-transform' });
    const start = JSON.stringify({ id: 'id', token: socket.token, recovered: false });
    expect(visit.written).toBe(`retry: 2000\nid: ${socket.token}.0\nevent: open\ndata: ${start}\n\n`);
  });

  it('gives every message the next position, and resumes after the position that the client states', () => {
    const { socket } = open();
    for (const data of ['a', 'b', 'c']) socket.send(text(data));
    const { isOpen, visit } = again(socket, 1);
    expect(isOpen).toBe(true);
    expect(visit.written).toContain('"recovered":true');
    expect(positions(visit.written)).toEqual([1, 2, 3]);
  });

  it('does not resume from before its replay limit, or from a position it never reached', () => {
    const { socket } = open();
    for (let i = 0; i < 10; i++) socket.send(text('x'.repeat(100)));
    expect(again(socket, 5).isOpen).toBe(false);
    expect(again(socket, 11).isOpen).toBe(false);
    const { isOpen, visit } = again(socket, 6);
    expect(isOpen).toBe(true);
    expect(positions(visit.written)).toEqual([6, 7, 8, 9, 10]);
  });

  it('keeps less for a reconnect the more streams share half of what the process may hold', async () => {
    const node = fakeRequestNode({ ...OPTIONS, maxReplayBytes: 10_000, maxBufferedBytesTotal: 20_000 });
    const transport = new SseTransport(node);
    const sockets = Array.from({ length: 5 }, () => transport.createSocket());
    const fill = (socket: SseSocket) => {
      socket.open(new FakeExchange().watched, 'id', undefined);
      for (let sent = 0; sent < 40; sent++) socket.send(text('x'.repeat(300)));
    };
    for (const socket of sockets) fill(socket);
    expect(node.slowConsumers.bytes).toBeGreaterThan(5000);
    expect(node.slowConsumers.bytes).toBeLessThanOrEqual(10_000);
    for (let more = 0; more < 5; more++) fill(transport.createSocket());
    // A quiet stream gives way when it is pinged
    for (const socket of sockets) socket.ping();
    expect(node.slowConsumers.bytes).toBeLessThanOrEqual(10_000);
    expect(again(sockets[0]!, 38).isOpen).toBe(true);
    expect(again(sockets[0]!, 1).isOpen).toBe(false);
  });

  it('waits for a client that does not read, and reports when the stream has drained', async () => {
    const { socket, sink, visit } = open();
    visit.isStuck = true;
    for (let i = 0; i < 20; i++) socket.send(text('x'.repeat(50)));
    expect(socket.bufferedBytes).toBeGreaterThan(20 * 50);
    const before = sink.drains;
    for (let i = 0; i < 100 && socket.bufferedBytes > 0; i++) {
      visit.reads();
      await turn();
    }
    expect(socket.bufferedBytes).toBe(0);
    expect(sink.drains).toBeGreaterThan(before);
    expect(positions(visit.written)).toEqual(Array.from({ length: 21 }, (_, i) => i));
  });

  it('counts a comment that the network took as a sign of life', async () => {
    const { socket, sink, visit } = open();
    const before = sink.lives;
    socket.ping();
    await turn();
    expect(visit.written).toMatch(/\n\n:\n\n$/);
    expect(sink.lives).toBe(before + 1);
    visit.isStuck = true;
    socket.ping();
    await turn();
    expect(sink.lives).toBe(before + 1);
  });

  it('ends a stream after its hold time, and the connection if its client does not come back', async () => {
    const random = jest.spyOn(Math, 'random').mockReturnValue(0.5);
    const { socket, sink, visit } = open(fakeRequestNode({ ...OPTIONS, sseHold: 100 }));
    socket.send(text('a'));
    const before = sink.lives;
    // The network takes every comment, as it does long after the client has gone
    for (let seconds = 0; seconds < 79; seconds++) {
      await jest.advanceTimersByTimeAsync(1000);
      socket.ping();
    }
    expect(visit.hasEnded).toBe(false);
    expect(sink.lives).toBeGreaterThan(before);
    await jest.advanceTimersByTimeAsync(11_010);
    expect([visit.hasEnded, visit.written.endsWith('\nretry: 100\n\n'), sink.events]).toEqual([true, true, []]);
    const { lives } = sink;
    socket.ping();
    await jest.advanceTimersByTimeAsync(15_000);
    expect(sink.lives).toBe(lives);
    expect(sink.events).toEqual(['closed 1006 ']);
    expect(jest.getTimerCount()).toBe(0);
    random.mockRestore();
  });

  it('resumes without loss after the hold time, and holds the next stream as long', async () => {
    const { socket, sink, visit } = open(fakeRequestNode({ ...OPTIONS, sseHold: 100 }));
    socket.send(text('a'));
    while (!visit.hasEnded) await jest.advanceTimersByTimeAsync(1000);
    socket.send(text('b'));
    const { isOpen, visit: next } = again(socket, 1);
    expect([isOpen, positions(next.written)]).toEqual([true, [1, 2]]);
    await jest.advanceTimersByTimeAsync(79_000);
    expect([next.hasEnded, sink.events]).toEqual([false, []]);
  });

  it('cuts a stream that is not taken to its end within the grace time after its hold time', async () => {
    const { visit, socket } = open(fakeRequestNode({ ...OPTIONS, sseHold: 100 }));
    visit.isStuck = true;
    socket.send(text('never read'));
    await jest.advanceTimersByTimeAsync(115_010);
    expect(visit.isCut).toBe(true);
  });

  it('a hold time of 0 never ends a stream', async () => {
    const { visit } = open(fakeRequestNode({ ...OPTIONS, sseHold: 0 }));
    await jest.advanceTimersByTimeAsync(10_000_000);
    expect([visit.hasEnded, jest.getTimerCount()]).toEqual([false, 0]);
  });

  it('cuts a client that does not read its end', async () => {
    const { socket, visit } = open();
    visit.isStuck = true;
    socket.close(4001, 'slow');
    await jest.advanceTimersByTimeAsync(4_990);
    expect(visit.isCut).toBe(false);
    await jest.advanceTimersByTimeAsync(20);
    expect(visit.isCut).toBe(true);
  });

  it.each([
    [1012, undefined],
    [4500, 204],
  ])('answers a client that knows of the end with %i with the status %p', (code, status) => {
    const { socket, visit } = open();
    socket.send(text('a'));
    socket.close(code, '');
    expect(positions(visit.written)).toEqual([0, 1, 2]);
    const told = again(socket, 2);
    expect([told.isOpen, told.visit.status]).toEqual([status !== undefined, status]);
    expect(told.visit.written).toBe('');
  });

  it('cuts the stream of an older request, whose end then changes nothing', async () => {
    const { socket, sink, visit } = open();
    again(socket, 0);
    expect(visit.isCut).toBe(true);
    await jest.advanceTimersByTimeAsync(60_000);
    expect(sink.events).toEqual([]);
  });
});
