import { jest } from '@jest/globals';
import { fc } from '../../../../test/support/properties.js';
import { FakeSocket } from '../../../../test/support/fakes/fake-socket.js';
import { RecordingLog } from '../../../../test/support/fakes/recording-log.js';
import { Frame, type SlowPolicy } from '../frame.js';
import { Limits } from '../limits/limits.js';
import { SlowConsumers } from '../node/slow-consumers.js';
import { Counters } from '../stats.js';
import { RealtimeSettings } from '../settings/settings.js';
import { Outbox } from './outbox.js';

const FULL = 65_536;
/** Bookkeeping per queued message, in bytes. */
const COST = 128;

/** A socket whose peer reads only when the test says so. */
class StuckSocket extends FakeSocket {
  override send(frame: Frame): boolean {
    const isSent = super.send(frame);
    if (isSent) this.bufferedBytes += frame.size;
    return isSent;
  }
}

/** The settings and limits of one node. */
function nodeOf(settings: { bytes?: number; total?: number; policy?: SlowPolicy; isReportOnly?: boolean } = {}) {
  const { bytes = 1000 + FULL, total = 1_000_000, policy = 'close', isReportOnly = false } = settings;
  const limits = new Limits(new RecordingLog(), isReportOnly);
  return {
    settings: RealtimeSettings.from({
      ...{ envFile: false, closeTimeout: 5, slowConsumer: policy },
      ...{ maxBufferedBytes: bytes, maxBufferedBytesTotal: total },
    }),
    limits,
    slowConsumers: new SlowConsumers(0, limits, () => {}),
    counters: new Counters(),
  };
}

/** A connection's outbox over a socket; by default the socket is full. */
function client(
  node: ReturnType<typeof nodeOf>,
  { isFull = true, policy }: { isFull?: boolean; policy?: SlowPolicy } = {},
) {
  const socket = new StuckSocket();
  if (isFull) socket.bufferedBytes = FULL;
  const owner = {
    ...{ id: 'n.1', messagesOut: 0, bytesOut: 0, caughtUps: 0 },
    ends: [] as unknown[][],
    end(...how: unknown[]) {
      this.ends.push(how);
      outbox.close(how[0] as number, how[1] as string);
    },
    caughtUp() {
      this.caughtUps++;
    },
  };
  const outbox: Outbox = new Outbox(owner, socket, node, policy);
  const send = (data: string, slow?: SlowPolicy) => outbox.send(new Frame(data, slow));
  const drain = () => {
    socket.bufferedBytes = 0;
    outbox.drained();
  };
  return { socket, owner, outbox, send, drain };
}

/** A text of so many bytes that starts with a name. */
const text = (name: string, length: number) => name.padEnd(length, '.');
const names = (socket: FakeSocket) => socket.sent.map((data) => data.toString().replace(/\.+$/, ''));
const dropped = (count: number) => JSON.stringify({ event: 'dropped', data: { count } });

beforeEach(() => {
  jest.useFakeTimers();
  jest.advanceTimersByTime(1);
});

afterEach(() => {
  jest.useRealTimers();
});

describe('a client that reads', () => {
  it('sends every message at once to a client that reads', () => {
    const { socket, owner, outbox, send } = client(nodeOf(), { isFull: false });
    expect([send('a'), send('b')]).toEqual([true, true]);
    expect([names(socket), owner.messagesOut, owner.bytesOut, outbox.behindSince]).toEqual([['a', 'b'], 2, 2, 0]);
  });

  it('sends one message that is as long as the limit', () => {
    const { owner, send } = client(nodeOf({ bytes: 500_000 }), { isFull: false });
    expect(send(text('big', 500_000))).toBe(true);
    expect(owner.ends).toEqual([]);
  });
});

describe('a client that does not read', () => {
  it('keeps messages in order until the client reads', () => {
    const node = nodeOf();
    const { socket, owner, outbox, send, drain } = client(node);
    for (const name of ['a', 'b', 'c']) expect(send(name)).toBe(true);
    expect([socket.sent, outbox.bytes, node.slowConsumers.count]).toEqual([[], FULL + 3, 1]);
    drain();
    expect([names(socket), owner.messagesOut, owner.caughtUps]).toEqual([['a', 'b', 'c'], 3, 1]);
    expect([node.slowConsumers.count, node.slowConsumers.bytes, outbox.behindSince]).toEqual([0, 0, 0]);
  });

  it('sends waiting messages only while the socket takes them', () => {
    const { socket, owner, send, drain } = client(nodeOf({ bytes: 300_000 }));
    for (const name of ['a', 'b', 'c']) send(text(name, 40_000));
    drain();
    expect([names(socket), owner.caughtUps]).toEqual([['a', 'b'], 0]);
    drain();
    expect([names(socket), owner.caughtUps]).toEqual([['a', 'b', 'c'], 1]);
  });

  it('reports that a client has caught up only when its socket has room, so that onDrain can send', () => {
    const { socket, owner, send, drain } = client(nodeOf({ bytes: 300_000 }));
    send(text('last', 70_000));
    drain();
    expect([names(socket), owner.caughtUps]).toEqual([['last'], 0]);
    drain();
    expect(owner.caughtUps).toBe(1);
  });

  it('queues a message behind those that wait, even when the socket has room', () => {
    const { socket, send, drain } = client(nodeOf());
    send('first');
    socket.bufferedBytes = 0;
    send('second');
    expect(socket.sent).toEqual([]);
    drain();
    expect(names(socket)).toEqual(['first', 'second']);
  });

  it('limits the number of empty messages that wait', () => {
    const node = nodeOf({ bytes: FULL + 100 * COST });
    const { owner, send } = client(node);
    let sent = 0;
    while (sent < 1000 && send('')) sent++;
    expect([sent, owner.ends.length]).toEqual([100, 1]);
  });
});

describe('the policy "close"', () => {
  it('closes with 4001 at the limit and sends nothing more, so that the client sees no gap', () => {
    const node = nodeOf();
    const { socket, owner, outbox, send, drain } = client(node);
    expect([send(text('a', 600)), send(text('b', 600)), owner.ends.length]).toEqual([true, false, 1]);
    expect(owner.ends[0]).toEqual([4001, `slow consumer: more than ${1000 + FULL} bytes wait`, 'limit']);
    drain();
    expect([socket.sent, send('c')]).toEqual([[], false]);
    expect([node.limits.counts.bufferedBytes, node.slowConsumers.bytes, outbox.bytes]).toEqual([1, 0, 0]);
  });
});

describe('the policy "drop-newest"', () => {
  it('drops new messages at the limit and sends their number when the client has caught up', () => {
    const node = nodeOf({ policy: 'drop-newest' });
    const { socket, owner, send, drain } = client(node);
    expect(['a', 'b', 'c', 'd'].map((name) => send(text(name, 400)))).toEqual([true, false, false, false]);
    expect(node.counters.dropped).toBe(3);
    drain();
    expect(names(socket)).toEqual(['a', dropped(3)]);
    expect(send('later')).toBe(true);
    expect([names(socket).at(-1), owner.ends]).toEqual(['later', []]);
    drain();
    expect(names(socket)).toHaveLength(3);
  });

  it('lets later messages wait until the client has learned of a lost one', () => {
    const { socket, send, drain } = client(nodeOf({ policy: 'drop-newest', bytes: FULL + 300 }));
    send(text('lost', 400));
    socket.bufferedBytes = 0;
    send('after');
    expect(socket.sent).toEqual([]);
    drain();
    expect(names(socket)).toEqual(['after', dropped(1)]);
  });
});

describe('the policy "drop-oldest"', () => {
  it('drops the messages that have waited longest and sends their number', () => {
    const node = nodeOf({ policy: 'drop-oldest' });
    const { socket, send, drain } = client(node);
    for (const name of ['a', 'b', 'c', 'd']) expect(send(text(name, 400))).toBe(true);
    drain();
    expect(names(socket)).toEqual(['d', dropped(3)]);
    expect(node.counters.dropped).toBe(3);
  });

  it('drops the message itself when it alone is longer than the limit', () => {
    const { socket, send, drain } = client(nodeOf({ policy: 'drop-oldest' }));
    send('short');
    expect(send(text('long', 1000))).toBe(false);
    drain();
    expect(names(socket)).toEqual([dropped(2)]);
  });
});

describe('the order of policies', () => {
  it('prefers the policy of the gateway to the setting', () => {
    const { owner, send } = client(nodeOf({ policy: 'close' }), { policy: 'drop-newest' });
    expect(send(text('x', 2000))).toBe(false);
    expect(owner.ends).toEqual([]);
  });

  it.each<[SlowPolicy, SlowPolicy]>([
    ['close', 'drop-newest'],
    ['drop-newest', 'close'],
    ['drop-oldest', 'close'],
  ])('prefers the policy of a push to that of the gateway (gateway: %s, push: %s)', (policy, own) => {
    const { owner, send } = client(nodeOf(), { policy });
    expect(send(text('x', 2000), own)).toBe(false);
    expect(owner.ends).toHaveLength(own === 'close' ? 1 : 0);
  });
});

describe('a connection that is closed while messages wait', () => {
  it('sends waiting messages and the number of lost ones before the close frame', () => {
    const { socket, outbox, send } = client(nodeOf({ policy: 'drop-newest' }));
    send(text('a', 400));
    send(text('b', 800));
    outbox.close(1000, 'bye');
    expect(names(socket)).toEqual(['a', dropped(1)]);
    expect(socket.closeFrame).toEqual({ code: 1000, reason: 'bye' });
  });

  it('drops waiting messages when the connection is cut', () => {
    const node = nodeOf({ policy: 'drop-newest' });
    const { socket, outbox, send } = client(node);
    send(text('a', 400));
    send(text('b', 800));
    outbox.clear();
    outbox.drained();
    expect([socket.sent, node.slowConsumers.bytes, node.slowConsumers.count]).toEqual([[], 0, 0]);
  });
});

describe('an outbox that is held', () => {
  const held = (settings: Parameters<typeof nodeOf>[0] = {}) => {
    const node = nodeOf(settings);
    const one = client(node, { isFull: false });
    one.outbox.hold();
    return { ...one, node };
  };

  it('sends held messages on release, in order, before later ones', () => {
    const { socket, outbox, send, node } = held();
    expect([send('a'), send('b')]).toEqual([true, true]);
    expect([socket.sent, outbox.bytes, node.slowConsumers.count]).toEqual([[], 2, 0]);
    outbox.release();
    send('c');
    expect([names(socket), node.slowConsumers.bytes]).toEqual([['a', 'b', 'c'], 0]);
  });

  it('never sends messages that were discarded, but sends later ones', () => {
    const { socket, outbox, send, node } = held();
    send('a');
    outbox.discard();
    send('b');
    expect([names(socket), node.slowConsumers.bytes]).toEqual([['b'], 0]);
  });

  it('sends held messages before a close that was requested meanwhile', () => {
    const { socket, outbox, send } = held();
    send('a');
    outbox.close(4500, 'bye');
    expect([socket.sent, socket.closeFrame]).toEqual([[], undefined]);
    outbox.release();
    expect([names(socket), socket.closeFrame]).toEqual([['a'], { code: 4500, reason: 'bye' }]);
  });

  it('closes at the close timeout while messages are held, and drops them', () => {
    const { socket, outbox, send } = held();
    send('a');
    outbox.close(4500, 'bye');
    jest.advanceTimersByTime(5000);
    expect([socket.sent, socket.closeFrame]).toEqual([[], { code: 4500, reason: 'bye' }]);
  });

  it('leaves no timer when the wire is gone', () => {
    const { outbox } = held();
    outbox.close(4500, 'bye');
    outbox.gone();
    expect(jest.getTimerCount()).toBe(0);
  });

  it('limits the messages that are held', () => {
    const { owner, send, node } = held({ bytes: 1024 });
    send(text('a', 512));
    expect(send(text('b', 512))).toBe(false);
    expect([owner.ends.length, node.slowConsumers.bytes]).toEqual([1, 0]);
  });

  it('keeps held messages waiting when the socket is full on release', () => {
    const { socket, outbox, send, drain, node } = held({ bytes: FULL + 1000 });
    send('a');
    socket.bufferedBytes = FULL;
    outbox.drained();
    outbox.release();
    expect([socket.sent, node.slowConsumers.count]).toEqual([[], 1]);
    drain();
    expect([names(socket), node.slowConsumers.count]).toEqual([['a'], 0]);
  });
});

describe('the limit of the process', () => {
  it('limits the bytes that wait for all slow clients together', () => {
    const node = nodeOf({ bytes: FULL + 5000, total: 1500, policy: 'drop-newest' });
    const [first, second] = [client(node), client(node)];
    expect([first.send(text('a', 500)), second.send(text('b', 500)), second.send(text('c', 500))]).toEqual([
      true,
      true,
      false,
    ]);
    expect([node.limits.counts.bufferedBytesTotal, node.slowConsumers.bytes]).toEqual([1, 1000 + 2 * COST]);
    first.drain();
    expect(second.send(text('d', 500))).toBe(true);
    second.outbox.clear();
    expect(node.slowConsumers.bytes).toBe(0);
  });
});

it('lets every message wait in report-only mode', () => {
  const node = nodeOf({ isReportOnly: true });
  const { socket, owner, send, drain } = client(node);
  for (const name of ['a', 'b', 'c']) expect(send(text(name, 2000))).toBe(true);
  expect([owner.ends, node.limits.counts.bufferedBytes]).toEqual([[], 3]);
  drain();
  expect(names(socket)).toEqual(['a', 'b', 'c']);
});

it('sends or reports as lost every message, in order, for any policies, sizes and reads', () => {
  const step = fc.oneof(
    fc.record({
      size: fc.nat(700),
      slow: fc.constantFrom<SlowPolicy | undefined>(undefined, 'drop-newest', 'drop-oldest'),
    }),
    fc.constant('read' as const),
  );
  const run = (policy: SlowPolicy, steps: (typeof step extends fc.Arbitrary<infer T> ? T : never)[]) => {
    const node = nodeOf({ policy });
    const { socket, send, drain } = client(node);
    let number = 0;
    for (const one of steps) {
      if (one === 'read') drain();
      else send(text(String(number++), Math.max(8, one.size)), one.slow);
    }
    for (let reads = 0; reads < 50; reads++) drain();
    const got = names(socket);
    const numbers = got.filter((name) => !name.startsWith('{')).map(Number);
    const told = got.filter((name) => name.startsWith('{')).map((name) => JSON.parse(name).data.count as number);
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
    expect(numbers.length + told.reduce((sum, count) => sum + count, 0)).toBe(number);
    expect([node.slowConsumers.bytes, node.slowConsumers.count]).toEqual([0, 0]);
  };
  const policy = fc.constantFrom<SlowPolicy>('drop-newest', 'drop-oldest');
  fc.assert(fc.property(policy, fc.array(step, { maxLength: 60 }), run), { numRuns: 300 });
});
