import { ManualClock } from '../../../../../test/support/fakes/manual-clock.js';
import { jest } from '@jest/globals';
import type { ForwardedRequest, Outcome } from '../../relay.js';
import { Forwards } from './forwards.js';
import type { Done, Forward } from './relay-messages.js';

const REQUEST: ForwardedRequest = {
  ...{ tokenDigest: 't', ownerDigests: [], path: '/ws', method: 'POST' as const },
  messages: [{ data: Buffer.from('hi'), isBinary: false }],
};

let clock: ManualClock;
let sent: [string, Forward][];
let dones: [string, Done][];
let taken: ForwardedRequest[];
let outcome: Outcome;
let isAway: boolean;
let forwards: Forwards;

beforeEach(() => {
  jest.useFakeTimers();
  clock = new ManualClock();
  [sent, dones, taken, outcome, isAway] = [[], [], [], { status: 204 }, false];
  let ids = 0;
  forwards = new Forwards(
    { clock, deadlineMs: 2000, maxForwards: 3 },
    {
      forward: async (to, forward) => {
        if (isAway) throw new Error('away');
        sent.push([to, forward]);
      },
      done: (to, done) => void dones.push([to, done]),
      nextId: () => ++ids,
      take: (request) => {
        taken.push(request);
        return outcome;
      },
      full: () => {},
    },
  );
});
afterEach(() => jest.useRealTimers());

const pass = async (ms: number) => {
  await clock.pass(ms);
  await jest.advanceTimersByTimeAsync(ms);
};

it('resolves with the status of the owner', async () => {
  const forwarded = forwards.forward('b', REQUEST);
  expect(sent).toEqual([['b', { ...REQUEST, id: 1 }]]);
  forwards.done('b', { id: 1, status: 429, message: 'later', retryAfter: 1 });
  expect(await forwarded).toEqual({ status: 429, message: 'later', retryAfter: 1 });
});

it('repeats the request once when the answer is late, and gives up after the deadline', async () => {
  const forwarded = forwards.forward('b', REQUEST);
  await pass(999);
  expect(sent).toHaveLength(1);
  await pass(1);
  expect(sent).toEqual([sent[0], sent[0]]);
  await pass(1000);
  expect(await forwarded).toBeUndefined();
  await pass(5000);
  expect(sent).toHaveLength(2);
});

it('does not repeat a request that was answered', async () => {
  const forwarded = forwards.forward('b', REQUEST);
  forwards.done('b', { id: 1, status: 204 });
  await pass(2000);
  expect([await forwarded, sent.length]).toEqual([{ status: 204 }, 1]);
});

it('resolves at once when the request cannot be sent, and when the owner is lost', async () => {
  const lost = forwards.forward('b', REQUEST);
  forwards.lost('b');
  isAway = true;
  expect([await lost, await forwards.forward('b', REQUEST)]).toEqual([undefined, undefined]);
});

it('takes no answer from another node', async () => {
  const forwarded = forwards.forward('b', REQUEST);
  forwards.done('c', { id: 1, status: 204 });
  forwards.done('b', { id: 1, status: 404 });
  expect(await forwarded).toMatchObject({ status: 404 });
});

describe('the owner', () => {
  it('takes a request once, and gives the same answer again when it is repeated', () => {
    outcome = { status: 429, retryAfter: 1 };
    forwards.received('a', { ...REQUEST, id: 7 });
    outcome = { status: 204 };
    forwards.received('a', { ...REQUEST, id: 7 });
    expect(taken).toEqual([REQUEST]);
    expect(dones).toEqual([
      ['a', { id: 7, status: 429, retryAfter: 1 }],
      ['a', { id: 7, status: 429, retryAfter: 1 }],
    ]);
  });

  it('takes the same id of another node for another request', () => {
    forwards.received('a', { ...REQUEST, id: 7 });
    forwards.received('b', { ...REQUEST, id: 7 });
    expect(taken).toHaveLength(2);
  });

  it('remembers its answers for ten deadlines, and a bounded number of them', async () => {
    forwards.received('a', { ...REQUEST, id: 1 });
    await pass(20_000);
    forwards.received('a', { ...REQUEST, id: 2 });
    expect(forwards.size).toBe(1);
    for (let id = 3; id < 10; id++) forwards.received('a', { ...REQUEST, id });
    expect(forwards.size).toBe(3);
  });
});
