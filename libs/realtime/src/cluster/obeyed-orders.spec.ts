import { ManualClock } from '../../../../test/support/fakes/manual-clock.js';
import type { Order } from './messages.js';
import { OBEYED_ORDERS, ObeyedOrders, type ObeyedOrdersOptions } from './obeyed-orders.js';

let clock: ManualClock;
let members: boolean;
let isOn: boolean;
let log: string[];
/** Whether each order was obeyed in its place among the pushes. */
let places: boolean[];
let answer: () => Promise<void> | void;
let orders: ObeyedOrders;

beforeEach(() => {
  clock = new ManualClock();
  members = true;
  isOn = true;
  log = [];
  places = [];
  answer = () => {};
  orders = make({});
});

afterEach(() => orders.stop());

function make(options: Partial<ObeyedOrdersOptions>): ObeyedOrders {
  return new ObeyedOrders(
    { ...OBEYED_ORDERS, ...options, self: 'me', clock },
    {
      hasMembers: () => members,
      isOn: () => isOn,
      obey: ({ id }, except, from, hasPlace) => {
        places.push(hasPlace);
        log.push(`obey ${from} ${id} ${except.join()}`.trim());
        return answer();
      },
      acknowledge: (to, id) => log.push(`acknowledge ${to} ${id}`),
    },
  );
}

const order = (id: number): Order => ({ id, to: 'r:a', action: { kind: 'leave', room: 'a' } });

/** @returns what is obeyed and acknowledged while so many milliseconds pass */
async function logIn(ms: number): Promise<string[]> {
  await clock.pass(ms);
  return log.splice(0);
}

const DONE = ['obey a 1', 'acknowledge a 1'];

describe('a node with members', () => {
  it('obeys the copy on the channel at once, and acknowledges it', async () => {
    orders.onChannel('a', order(1), ['u:1', 'u:2']);
    expect(await logIn(0)).toEqual(['obey a 1 u:1,u:2', 'acknowledge a 1']);
  });

  it('says that only the copy on the channel is in its place', async () => {
    orders.onChannel('a', order(1), []);
    orders.direct('a', order(2), []);
    await clock.pass(250);
    void orders.own(order(3), []);
    orders.onChannel('me', order(3), []);
    expect([places, await logIn(0)]).toEqual([[true, false, true], expect.arrayContaining(['obey a 2'])]);
  });

  it('waits for the copy on the channel when the direct one comes first', async () => {
    orders.direct('a', order(1), []);
    expect(await logIn(249)).toEqual([]);
    orders.onChannel('a', order(1), []);
    expect(await logIn(0)).toEqual(DONE);
    expect(await logIn(1000)).toEqual([]);
  });

  it('obeys the direct copy when the one on the channel has not come in 250 ms', async () => {
    orders.direct('a', order(1), ['u:1']);
    await clock.pass(100);
    orders.direct('a', order(2), []);
    orders.direct('a', order(1), []);
    expect(await logIn(149)).toEqual([]);
    expect(await logIn(1)).toEqual(['obey a 1 u:1', 'acknowledge a 1']);
    expect(await logIn(100)).toEqual(['obey a 2', 'acknowledge a 2']);
    orders.onChannel('a', order(1), []);
    expect(await logIn(1000)).toEqual(['acknowledge a 1']);
  });

  it('waits on for copies that came while this process stood still between its timers and the end of the turn', async () => {
    const endOfTurn: (() => void)[] = [];
    clock.soon = (task) => endOfTurn.push(task);
    orders.direct('a', order(1), []);
    await clock.pass(100);
    orders.direct('a', order(2), []);
    await clock.pass(150);
    await clock.pass(200);
    endOfTurn.shift()!();
    expect(await logIn(0)).toEqual(DONE);
    orders.onChannel('a', order(2), []);
    expect(await logIn(0)).toEqual(['obey a 2', 'acknowledge a 2']);
  });

  it('obeys the direct copy at once when the subscription is not confirmed', async () => {
    isOn = false;
    orders.direct('a', order(1), []);
    expect(await logIn(0)).toEqual(DONE);
  });

  it('acknowledges again what comes again, and obeys it once', async () => {
    orders.onChannel('a', order(1), []);
    await logIn(0);
    orders.direct('a', order(1), []);
    orders.direct('a', order(1), []);
    expect(await logIn(0)).toEqual(['acknowledge a 1', 'acknowledge a 1']);
  });

  it('acknowledges an order when its subscriptions are confirmed, however often it comes before', async () => {
    let confirm = () => {};
    answer = () => new Promise((resolve) => (confirm = resolve));
    orders.onChannel('a', order(1), []);
    orders.direct('a', order(1), []);
    orders.onChannel('a', order(1), []);
    expect(await logIn(2000)).toEqual(['obey a 1']);
    confirm();
    expect(await logIn(0)).toEqual(['acknowledge a 1']);
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('no');
      },
    ],
    ['rejects', () => Promise.reject(new Error('no'))],
  ])('acknowledges an order that %s, and does not obey it again', async (_how, failure) => {
    answer = failure;
    orders.onChannel('a', order(1), []);
    expect(await logIn(0)).toEqual(DONE);
    orders.direct('a', order(1), []);
    expect(await logIn(1000)).toEqual(['acknowledge a 1']);
  });

  it('keeps orders of several nodes with the same id apart, and takes any number as an id', async () => {
    const ids = [1, -1, 0.5, 2 ** 60, NaN];
    for (const id of ids) for (const from of ['a', 'b']) orders.onChannel(from, order(id), []);
    expect((await logIn(0)).filter((line) => line.startsWith('obey'))).toHaveLength(10);
  });
});

describe('a node without members', () => {
  beforeEach(() => {
    members = false;
  });

  it('acknowledges the direct copy at once', async () => {
    orders.direct('a', order(1), []);
    expect(await logIn(0)).toEqual(['acknowledge a 1']);
    expect(await logIn(1000)).toEqual([]);
  });

  it('does not obey a repetition when it has members by then', async () => {
    orders.direct('a', order(1), []);
    members = true;
    isOn = false;
    orders.direct('a', order(1), []);
    expect(await logIn(1000)).toEqual(['acknowledge a 1', 'acknowledge a 1']);
  });

  it('still obeys the copy on the channel in its place, once', async () => {
    orders.direct('a', order(1), []);
    members = true;
    orders.onChannel('a', order(1), []);
    orders.onChannel('a', order(1), []);
    expect(await logIn(0)).toEqual(['acknowledge a 1', ...DONE]);
  });
});

describe('an order of this node', () => {
  async function own(id: number): Promise<() => boolean> {
    let isDone = false;
    void orders.own(order(id), ['u:1']).then(() => (isDone = true));
    await clock.pass(0);
    return () => isDone;
  }

  it('is obeyed when its copy returns on the channel, and never acknowledged', async () => {
    const isDone = await own(1);
    expect(isDone()).toBe(false);
    orders.onChannel('me', order(1), ['u:1']);
    expect(await logIn(0)).toEqual(['obey me 1 u:1']);
    expect(isDone()).toBe(true);
    orders.onChannel('me', order(1), ['u:1']);
    expect(await logIn(1000)).toEqual([]);
  });

  it('is obeyed after 250 ms when its copy does not return', async () => {
    const isDone = await own(1);
    expect(await logIn(249)).toEqual([]);
    expect(await logIn(1)).toEqual(['obey me 1 u:1']);
    expect(isDone()).toBe(true);
  });

  it('is obeyed at once when no copy will return', async () => {
    isOn = false;
    const isDone = await own(1);
    expect([log, isDone()]).toEqual([['obey me 1 u:1'], true]);
  });

  it('resolves at once when nobody is here, and its copy on the channel is obeyed', async () => {
    members = false;
    const isDone = await own(1);
    expect([log, isDone()]).toEqual([[], true]);
    orders.onChannel('me', order(1), []);
    expect(await logIn(0)).toEqual(['obey me 1']);
  });

  it('resolves when the subscriptions are confirmed, also when its copy was there first', async () => {
    let confirm = () => {};
    answer = () => new Promise((resolve) => (confirm = resolve));
    orders.onChannel('me', order(1), []);
    const isDone = await own(1);
    expect(isDone()).toBe(false);
    confirm();
    await clock.pass(0);
    expect([log, isDone(), (await own(1))()]).toEqual([['obey me 1'], true, true]);
  });

  it('is not taken from a direct copy, which only another could have sent', async () => {
    orders.direct('me', order(1), []);
    expect(await logIn(1000)).toEqual([]);
  });
});

describe('what is remembered', () => {
  it('is forgotten after two minutes, with one timer', async () => {
    orders.onChannel('a', order(1), []);
    await clock.pass(60_000);
    orders.onChannel('a', order(2), []);
    await clock.pass(59_999);
    expect([orders.size, clock.waiting]).toEqual([2, 1]);
    await clock.pass(1);
    expect([orders.size, clock.waiting]).toEqual([1, 1]);
    await clock.pass(60_000);
    expect([orders.size, clock.waiting]).toEqual([0, 0]);
  });

  it('is bounded: the oldest is forgotten, and obeyed first if it still waits', async () => {
    orders = make({ maxRemembered: 2 });
    for (const id of [1, 2, 3]) orders.direct('a', order(id), []);
    expect(await logIn(0)).toEqual(DONE);
    expect(orders.size).toBe(2);
    expect(await logIn(250)).toEqual(['obey a 2', 'obey a 3', 'acknowledge a 2', 'acknowledge a 3']);
  });

  it('needs two timers for a thousand orders', async () => {
    for (let id = 1; id <= 1000; id++) orders.direct('a', order(id), []);
    expect(clock.waiting).toBe(2);
  });
});

describe('after stop()', () => {
  it('has resolved the promises of its own orders, and neither obeys nor acknowledges', async () => {
    let confirm = () => {};
    answer = () => new Promise((resolve) => (confirm = resolve));
    orders.onChannel('a', order(1), []);
    orders.direct('a', order(2), []);
    const own = orders.own(order(3), []);
    log.length = 0;
    orders.stop();
    await own;
    await orders.own(order(4), []);
    confirm();
    orders.direct('a', order(5), []);
    orders.onChannel('a', order(6), []);
    expect(await logIn(250)).toEqual([]);
    expect(orders.size).toBe(0);
    await clock.pass(120_000);
    expect(clock.waiting).toBe(0);
  });
});
