import { ManualClock } from '../../../../test/support/fakes/manual-clock.js';
import { GIVEN_ORDERS, GivenOrders, type GivenOrder } from './given-orders.js';

let clock: ManualClock;
let sent: string[];
let dropped: number[];
let refuse: boolean;
let orders: GivenOrders;

beforeEach(() => {
  clock = new ManualClock();
  sent = [];
  dropped = [];
  refuse = false;
  const send = ({ order }: GivenOrder, to: string) => {
    if (refuse) throw new Error('The broker is away');
    sent.push(`${order.id}>${to}`);
  };
  orders = new GivenOrders({ ...GIVEN_ORDERS, clock, maxKept: 3 }, send, (count) => dropped.push(count));
});

const given = (id: number): GivenOrder => ({
  order: { id, to: 'r:a', action: { kind: 'leave', room: 'a' } },
  except: ['u:1'],
});

/** Gives an order. @returns what its promise has resolved with; empty until then */
function give(id: number, ...to: string[]): (readonly string[])[] {
  const ends: (readonly string[])[] = [];
  void orders.give(given(id), to).then((missing) => ends.push(missing));
  return ends;
}

/** @returns what is sent while so many milliseconds pass */
async function sentIn(ms: number): Promise<string[]> {
  sent.length = 0;
  await clock.pass(ms);
  return [...sent];
}

describe('an order', () => {
  it('is sent to each node at once, and its promise resolves when all have obeyed it', async () => {
    const ends = give(1, 'a', 'b', 'b');
    expect(sent).toEqual(['1>a', '1>b']);
    orders.obeyed('a', 1);
    await clock.pass(0);
    expect(ends).toEqual([]);
    orders.obeyed('b', 1);
    await clock.pass(0);
    expect([ends, orders.size]).toEqual([[[]], 0]);
  });

  it('is sent with the channels that it leaves out', () => {
    const copies: GivenOrder[] = [];
    const send = (copy: GivenOrder) => copies.push(copy);
    void new GivenOrders({ ...GIVEN_ORDERS, clock }, send, () => {}).give(given(1), ['a']);
    expect(copies).toEqual([given(1)]);
  });

  it('resolves at once when it is given to nobody, and is not kept', async () => {
    const ends = give(1);
    await clock.pass(0);
    expect([ends, orders.size, clock.waiting]).toEqual([[[]], 0, 0]);
  });

  it('is sent again every 500 ms to those who have not obeyed it', async () => {
    give(1, 'a', 'b');
    await clock.pass(200);
    give(2, 'a');
    orders.obeyed('a', 1);
    expect(await sentIn(299)).toEqual([]);
    expect(await sentIn(1)).toEqual(['1>b']);
    expect(await sentIn(200)).toEqual(['2>a']);
    expect(await sentIn(500)).toEqual(['1>b', '2>a']);
  });

  it('names those who have not obeyed it after a second, and goes on', async () => {
    const ends = give(1, 'a', 'b', 'c');
    orders.obeyed('b', 1);
    await clock.pass(999);
    expect(ends).toEqual([]);
    await clock.pass(1);
    expect(ends).toEqual([['a', 'c']]);
    expect(await sentIn(500)).toEqual(['1>a', '1>c']);
  });

  it('is sent again when the first copy could not be sent', async () => {
    refuse = true;
    const ends = give(1, 'a');
    refuse = false;
    expect(await sentIn(500)).toEqual(['1>a']);
    expect(ends).toEqual([]);
  });

  it('ignores those to whom it was not given, repeated reports, and orders that nobody gave', async () => {
    const ends = give(1, 'a', 'b');
    for (const id of [2, -1, NaN, 2 ** 60, 0.5]) orders.obeyed('a', id);
    orders.obeyed('z', 1);
    orders.obeyed('a', 1);
    orders.obeyed('a', 1);
    await clock.pass(1000);
    expect(ends).toEqual([['b']]);
  });

  it('is given up after a minute, and counted', async () => {
    give(1, 'a');
    await clock.pass(59_999);
    expect([orders.size, dropped]).toEqual([1, []]);
    await clock.pass(1);
    expect([orders.size, dropped]).toEqual([0, [1]]);
    expect(await sentIn(60_000)).toEqual([]);
    expect(clock.waiting).toBe(0);
  });

  it('makes the oldest be given up when too many are kept', async () => {
    const ends = [1, 2, 3].map((id) => give(id, 'a'));
    await clock.pass(0);
    expect(dropped).toEqual([]);
    give(4, 'a');
    await clock.pass(0);
    expect([ends, orders.size, dropped]).toEqual([[[['a']], [], []], 3, [1]]);
    expect(await sentIn(500)).toEqual(['2>a', '3>a', '4>a']);
  });

  it('is obeyed while it is being sent', async () => {
    orders = new GivenOrders(
      { ...GIVEN_ORDERS, clock },
      ({ order }, to) => orders.obeyed(to, order.id),
      (count) => dropped.push(count),
    );
    const ends = give(1, 'a', 'b');
    await clock.pass(0);
    expect([ends, orders.size, clock.waiting]).toEqual([[[]], 0, 0]);
  });
});

describe('a node that is lost', () => {
  it('is not waited for, and named', async () => {
    const ends = give(1, 'a', 'b');
    orders.lost('a');
    await clock.pass(0);
    expect(ends).toEqual([]);
    orders.obeyed('b', 1);
    await clock.pass(0);
    expect(ends).toEqual([['a']]);
  });

  it('gets no repetition, and what it has missed at once when it comes back', async () => {
    give(1, 'a', 'b');
    give(2, 'a');
    orders.obeyed('b', 1);
    orders.lost('a');
    expect(await sentIn(30_000)).toEqual([]);
    sent.length = 0;
    orders.came('a');
    expect(sent).toEqual(['1>a', '2>a']);
    orders.obeyed('a', 1);
    expect(await sentIn(500)).toEqual(['2>a']);
  });

  it('is given what is ordered while it is lost, and the order does not wait for it', async () => {
    orders.lost('a');
    expect(orders.lostIds).toEqual(['a']);
    const ends = give(1, ...orders.lostIds);
    await clock.pass(0);
    expect(ends).toEqual([['a']]);
    sent.length = 0;
    orders.came('a');
    expect([sent, orders.lostIds]).toEqual([['1>a'], []]);
  });

  it('is forgotten after a minute, but not while the broker is away', async () => {
    orders.lost('a');
    await clock.pass(59_999);
    expect(orders.lostIds).toEqual(['a']);
    orders.down();
    await clock.pass(100_000);
    expect(orders.lostIds).toEqual(['a']);
    orders.up();
    await clock.pass(59_999);
    expect(orders.lostIds).toEqual(['a']);
    await clock.pass(1);
    expect(orders.lostIds).toEqual([]);
  });

  it('is one of a thousand at most', () => {
    for (let i = 0; i <= 1000; i++) orders.lost(`n${i}`);
    expect([orders.lostIds.length, orders.lostIds[0]]).toEqual([1000, 'n1']);
  });

  it('is waited for again when it has come back in time', async () => {
    const ends = give(1, 'a', 'b');
    orders.lost('a');
    orders.came('a');
    orders.obeyed('b', 1);
    await clock.pass(0);
    expect(ends).toEqual([]);
    orders.obeyed('a', 1);
    await clock.pass(0);
    expect(ends).toEqual([[]]);
  });
});

describe('a node that stops', () => {
  it('has its part done, and nothing is kept for it', async () => {
    const ends = [give(1, 'a'), give(2, 'a', 'b')];
    orders.left('a');
    await clock.pass(0);
    expect([ends, orders.size]).toEqual([[[[]], []], 1]);
    orders.came('a');
    expect(await sentIn(500)).toEqual(['2>b']);
  });

  it('is no longer one that is lost', () => {
    orders.lost('a');
    orders.left('a');
    expect(orders.lostIds).toEqual([]);
  });
});

describe('while the broker is away', () => {
  it('settles all promises at once, sends nothing, and sends everything when it is back', async () => {
    const before = give(1, 'a', 'b');
    orders.obeyed('a', 1);
    orders.down();
    const during = give(2, 'a');
    await clock.pass(0);
    expect([before, during]).toEqual([[['b']], [['a']]]);
    orders.came('a');
    expect(await sentIn(10_000)).toEqual([]);
    sent.length = 0;
    orders.up();
    expect(sent).toEqual(['1>b', '2>a']);
    expect(await sentIn(500)).toEqual(['1>b', '2>a']);
  });

  it('gives up what is too old', async () => {
    orders.down();
    give(1, 'a');
    await clock.pass(60_000);
    orders.up();
    expect([sent, dropped]).toEqual([[], [1]]);
  });
});

describe('after stop()', () => {
  it('has settled all promises, and keeps neither orders nor timers', async () => {
    const ends = give(1, 'a');
    orders.lost('b');
    orders.stop();
    const late = give(2, 'a');
    orders.lost('c');
    orders.came('a');
    orders.up();
    expect(await sentIn(1000)).toEqual([]);
    expect([ends, late, orders.size, orders.lostIds]).toEqual([[['a']], [['a']], 0, []]);
    expect(clock.waiting).toBe(0);
  });
});

it('needs one timer for a thousand orders, and none when all are obeyed', async () => {
  orders = new GivenOrders(
    { ...GIVEN_ORDERS, clock },
    () => {},
    () => {},
  );
  for (let id = 1; id <= 1000; id++) {
    give(id, 'a');
    await clock.pass(1);
    expect(clock.waiting).toBe(1);
  }
  for (let id = 1; id <= 1000; id++) orders.obeyed('a', id);
  await clock.pass(500);
  expect(clock.waiting).toBe(0);
});
