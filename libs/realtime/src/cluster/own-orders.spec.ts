import { jest } from '@jest/globals';
import type { LocalNode } from '../broker.js';
import { channelOf } from '../command.js';
import { systemClock } from './clock.js';
import type { ClusterLog } from './cluster-log.js';
import type { Interest } from './interest.js';
import { Orders } from './orders.js';
import type { Post } from './post.js';

const ROOM = channelOf.room('chess');
const ASK_TIMEOUT = 0.7;
const LEAVE = { kind: 'leave', room: 'chess' } as const;

/** The orders of a node with members in the room, whose broker has no other nodes. */
function ordersOf(deliver: LocalNode['deliver']) {
  const local = { id: 'a', size: () => 1, deliver } as unknown as LocalNode;
  const post = { nextId: () => 1, order: () => ({}), send: () => Promise.resolve() } as unknown as Post;
  const lines = { unanswered: () => undefined } as unknown as ClusterLog;
  return new Orders(
    local,
    post,
    { isOn: () => false } as unknown as Interest,
    { askTimeout: ASK_TIMEOUT, maxOrders: 10 },
    lines,
  );
}

describe('an order that this node gives', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => {
    jest.restoreAllMocks();
    jest.useRealTimers();
  });

  it('is not waited for longer than askTimeout while its room is repaired here', async () => {
    const given = jest.fn();
    void ordersOf(() => new Promise(() => undefined))
      .give(ROOM, LEAVE, [], [])
      .then(given);
    await jest.advanceTimersByTimeAsync(ASK_TIMEOUT * 1000 - 10);
    expect(given).not.toHaveBeenCalled();
    await jest.advanceTimersByTimeAsync(20);
    expect(given).toHaveBeenCalledWith({ missing: [] });
  });

  it('sets no timer of its own where the members obey at once', async () => {
    const after = jest.spyOn(systemClock, 'after');
    await ordersOf(() => undefined).give(ROOM, LEAVE, [], []);
    expect(after.mock.calls.filter(([ms]) => ms === ASK_TIMEOUT * 1000)).toEqual([]);
  });
});
