import { jest } from '@jest/globals';
import { FakeVisit } from '../../../../../test/support/fakes/fake-visit.js';
import { RecordingLog } from '../../../../../test/support/fakes/recording-gateway.js';
import { Limits } from '../../limits/limits.js';
import { Frame } from '../../frame.js';
import { RealtimeSettings } from '../../settings/settings.js';
import { PollingSocket } from './polling.js';
import type { RequestSocket } from './request-socket.js';
import { SseSocket } from './sse.js';

const SETTINGS = RealtimeSettings.from(
  { envFile: false, graceTime: 15, closeTimeout: 5, pollHold: 20, maxReplayBytes: 1000, maxSlowTime: 30 },
  {},
);

let limits: Limits;
const LIMITS = { reached: (...at: Parameters<Limits['reached']>) => limits.reached(...at) };

beforeEach(() => void (limits = new Limits(new RecordingLog(), false)));

/** What the core is told. */
class RecordingSink {
  readonly events: string[] = [];
  lives = 0;
  drains = 0;
  opened = () => {};
  received = (data: Buffer) => void this.events.push(`received ${data.toString()}`);
  alive = () => void this.lives++;
  drained = () => void this.drains++;
  failed = () => void this.events.push('failed');
  closed = (code: number, reason: string) => void this.events.push(`closed ${code} ${reason}`);
}

const text = (data: string) => new Frame(data);
const turn = () => jest.advanceTimersByTimeAsync(0);

beforeEach(() => void jest.useFakeTimers({ doNotFake: ['queueMicrotask', 'nextTick'] }));
afterEach(() => void jest.useRealTimers());

describe.each([
  ['sse', () => new SseSocket(SETTINGS)],
  ['polling', () => new PollingSocket(SETTINGS, LIMITS)],
] as [string, () => RequestSocket][])('a socket of %s', (_name, create) => {
  const attached = () => {
    const socket = create();
    const sink = new RecordingSink();
    const gone = jest.fn();
    socket.attach(sink, gone);
    return { socket, sink, gone };
  };
  const opened = async () => {
    const all = attached();
    const visit = new FakeVisit();
    all.socket.open(visit.watched, 'id', undefined);
    await turn();
    return { ...all, visit };
  };

  it('lives for the grace time without a request, and not longer', async () => {
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

  it('ends once, whatever comes after', async () => {
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

  it('waits the close timeout for a client that is away to be told its end', async () => {
    const { socket, sink } = attached();
    socket.close(4500, 'bye');
    expect(socket.send(text('late'))).toBe(false);
    await jest.advanceTimersByTimeAsync(4_990);
    expect(sink.events).toEqual([]);
    await jest.advanceTimersByTimeAsync(20);
    expect(sink.events).toEqual(['closed 1006 ']);
    expect(socket.end).toEqual({ code: 4500, reason: 'bye' });
  });

  it('says what was sent and then goodbye, at once, to a client that is there', async () => {
    const { socket, sink } = attached();
    const visit = new FakeVisit();
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

  it('is cut by terminate', async () => {
    const { socket, sink } = attached();
    const first = new FakeVisit();
    socket.open(first.watched, 'id', undefined);
    await turn();
    const visit = new FakeVisit();
    socket.open(visit.watched, 'id', 0);
    socket.terminate();
    expect(visit.isCut).toBe(true);
    expect(sink.events).toEqual(['closed 1006 ']);
  });

  it('does not miss a client that went before it was asked', async () => {
    const { socket, sink } = attached();
    const visit = new FakeVisit();
    visit.vanishes();
    socket.open(visit.watched, 'id', undefined);
    await jest.advanceTimersByTimeAsync(15_010);
    expect(sink.events).toEqual(['closed 1006 ']);
  });

  it('repeats its last messages and its end to a client that was not told', async () => {
    const { socket, sink } = attached();
    const first = new FakeVisit();
    socket.open(first.watched, 'id', undefined);
    await turn();
    const lost = new FakeVisit();
    socket.open(lost.watched, 'id', 0);
    for (const data of ['a', 'b']) socket.send(text(data));
    socket.close(1012, 'restart');
    await turn();
    expect(sink.events).toEqual(['closed 1012 restart']);
    expect(socket.keptBytes).toBeGreaterThan(2);
    for (const [position, expected] of [
      [0, ['a', 'b']],
      [1, ['b']],
      [2, []],
    ] as [number, string[]][]) {
      const visit = new FakeVisit();
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

  it('counts an empty message too', () => {
    const { socket } = attached();
    for (let i = 0; i < 10; i++) socket.send(text(''));
    expect(socket.bufferedBytes).toBeGreaterThan(1000);
  });

  it('has a token of 192 random bits', () => {
    expect(create().token).toMatch(/^[\w-]{32}$/);
    expect(new Set(Array.from({ length: 100 }, () => create().token)).size).toBe(100);
  });
});

describe('a stream', () => {
  const positions = (written: string) =>
    [...written.matchAll(/^id: \S+\.(\d+)$/gm)].map(([, position]) => Number(position));
  const open = () => {
    const socket = new SseSocket(SETTINGS);
    const sink = new RecordingSink();
    const visit = new FakeVisit();
    socket.attach(sink, () => {});
    socket.open(visit.watched, 'id', undefined);
    return { socket, sink, visit };
  };
  const again = (socket: SseSocket, position: number) => {
    const visit = new FakeVisit();
    return { isOpen: socket.open(visit.watched, 'id', position), visit };
  };

  it('begins with its headers, the retry time, id and token', () => {
    const { socket, visit } = open();
    expect(visit.headers).toMatchObject({ 'x-accel-buffering': 'no', 'cache-control': 'no-cache, no-transform' });
    const start = JSON.stringify({ id: 'id', token: socket.token, recovered: false });
    expect(visit.written).toBe(`retry: 2000\nid: ${socket.token}.0\nevent: open\ndata: ${start}\n\n`);
  });

  it('gives every message the next position, and goes on behind the stated one', () => {
    const { socket } = open();
    for (const data of ['a', 'b', 'c']) socket.send(text(data));
    const { isOpen, visit } = again(socket, 1);
    expect(isOpen).toBe(true);
    expect(visit.written).toContain('"recovered":true');
    expect(positions(visit.written)).toEqual([1, 2, 3]);
  });

  it('cannot go on before its replay bound, or from where it never was', () => {
    const { socket } = open();
    for (let i = 0; i < 10; i++) socket.send(text('x'.repeat(100)));
    expect(again(socket, 5).isOpen).toBe(false);
    expect(again(socket, 11).isOpen).toBe(false);
    const { isOpen, visit } = again(socket, 6);
    expect(isOpen).toBe(true);
    expect(positions(visit.written)).toEqual([6, 7, 8, 9, 10]);
  });

  it('waits for a client that does not read, and tells when it has drained', async () => {
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

  it('takes a comment that was accepted for a sign of life', async () => {
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

  it('cuts a client that does not take its goodbye', async () => {
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
  ])('that ended with %i, and whose client was told, gets %p', (code, status) => {
    const { socket, visit } = open();
    socket.send(text('a'));
    socket.close(code, '');
    expect(positions(visit.written)).toEqual([0, 1, 2]);
    const told = again(socket, 2);
    expect([told.isOpen, told.visit.status]).toEqual([status !== undefined, status]);
    expect(told.visit.written).toBe('');
  });

  it('of an older request is cut by the newer, and its end changes nothing', async () => {
    const { socket, sink, visit } = open();
    again(socket, 0);
    expect(visit.isCut).toBe(true);
    await jest.advanceTimersByTimeAsync(60_000);
    expect(sink.events).toEqual([]);
  });
});

describe('polling', () => {
  const open = async () => {
    const socket = new PollingSocket(SETTINGS, LIMITS);
    const sink = new RecordingSink();
    const visit = new FakeVisit();
    socket.attach(sink, () => {});
    socket.open(visit.watched, 'id', undefined);
    await turn();
    return { socket, sink, visit };
  };
  const poll = async (socket: PollingSocket, position: number) => {
    const visit = new FakeVisit();
    socket.open(visit.watched, 'id', position);
    await turn();
    return visit;
  };
  const bodyOf = (visit: FakeVisit) => JSON.parse(visit.body!) as object;

  it.each([false, true])(
    'counts a client that does not take its answer as slow, and cuts it: report=%s',
    async (isOnly) => {
      limits = new Limits(new RecordingLog(), isOnly);
      const { socket } = await open();
      const visit = new FakeVisit();
      Object.assign(visit.answer, { send: () => {} });
      socket.open(visit.watched, 'id', 0);
      socket.send(text('x'));
      await jest.advanceTimersByTimeAsync(29_999);
      expect([visit.isCut, limits.counts.slowTime]).toEqual([false, 0]);
      await jest.advanceTimersByTimeAsync(1);
      expect([visit.isCut, limits.counts.slowTime]).toEqual([!isOnly, 1]);
    },
  );

  it('answers the first poll at once, with id and token', async () => {
    const { socket, visit } = await open();
    expect(visit.status).toBe(200);
    expect(visit.headers).toMatchObject({ 'cache-control': 'no-store' });
    expect(bodyOf(visit)).toEqual({ id: 'id', token: socket.token, position: 0, messages: [] });
  });

  it('joins what is sent in one turn, text and bytes', async () => {
    const { socket } = await open();
    const visit = await poll(socket, 0);
    for (const data of ['a', Buffer.from([1, 2])]) socket.send(new Frame(data));
    await turn();
    expect(bodyOf(visit)).toEqual({ position: 2, messages: ['a', { binary: 'AQI=' }] });
  });

  it('forgets only what the client says it has', async () => {
    const { socket, sink } = await open();
    for (const data of ['a', 'b', 'c']) socket.send(text(data));
    expect(bodyOf(await poll(socket, 0))).toEqual({ position: 3, messages: ['a', 'b', 'c'] });
    expect(sink.drains).toBe(0);
    expect(bodyOf(await poll(socket, 2))).toEqual({ position: 3, messages: ['c'] });
    expect(sink.drains).toBe(1);
    expect(() => socket.open(new FakeVisit().watched, 'id', 1)).toThrow('position 2');
    expect(bodyOf(await poll(socket, 2))).toEqual({ position: 3, messages: ['c'] });
  });

  it.each([-1, 4, 1.5, Number.NaN])('cannot go on from %p', async (position) => {
    const { socket } = await open();
    for (const data of ['a', 'b', 'c']) socket.send(text(data));
    expect(socket.open(new FakeVisit().watched, 'id', position)).toBe(false);
  });

  it('holds a poll for the hold time', async () => {
    const { socket } = await open();
    const visit = await poll(socket, 0);
    await jest.advanceTimersByTimeAsync(19_980);
    expect(visit.hasEnded).toBe(false);
    await jest.advanceTimersByTimeAsync(30);
    expect(bodyOf(visit)).toEqual({ position: 0, messages: [] });
  });

  it('counts the grace from when the answer was taken, and cuts one that is not', async () => {
    const { socket, sink } = await open();
    const visit = await poll(socket, 0);
    visit.vanishes();
    await jest.advanceTimersByTimeAsync(10_000);
    await poll(socket, 0);
    await jest.advanceTimersByTimeAsync(10_000);
    expect(sink.events).toEqual([]);
  });
});
