import { jest } from '@jest/globals';
import { FakeNode } from '../../../../test/support/fakes/fake-node.js';
import type { Message } from '../message.js';
import type { RealtimeOptions } from '../settings/options.js';

let node: FakeNode;

async function start(options: RealtimeOptions) {
  node = await new FakeNode(options).start();
  const requestId = (message: Message) => /"id":(\d+)/.exec(message.text())?.[1];
  Object.assign(node.gateway, { requestId });
  const { socket, connection } = await node.opened();
  const send = (count: number, text = 'x') => {
    for (let sent = 0; sent < count; sent++) socket.sends(text);
  };
  const handled = () => node.gateway.of('onMessage').length;
  const told = () => socket.sent.map((data) => JSON.parse(data.toString()).data.code as string);
  const frames = () => socket.sent.map((data) => JSON.parse(data.toString()));
  const before = jest.getTimerCount();
  /** Timers that were set since the start and have not fired. */
  const timers = () => jest.getTimerCount() - before;
  return { socket, connection, send, handled, told, frames, timers };
}

beforeEach(() => {
  jest.useFakeTimers();
});

afterEach(() => {
  jest.useRealTimers();
});

describe('a client that sends too many messages', () => {
  it('drops messages above the rate and warns the client once a second', async () => {
    const { send, handled, told } = await start({ maxMessageRate: 50 });
    for (let tenths = 0; tenths < 30; tenths++) {
      send(20);
      jest.advanceTimersByTime(100);
    }
    // 50 at once, then 50 per second
    expect(handled()).toBeGreaterThanOrEqual(50 + 2.9 * 50 - 1);
    expect(handled()).toBeLessThanOrEqual(50 + 3 * 50);
    expect(told()).toEqual(['rate_limit', 'rate_limit', 'rate_limit']);
    expect(node.engine.node.limits.counts.messageRate).toBe(600 - handled());
    expect(node.log.with('limit=messageRate').length).toBeLessThanOrEqual(4);
  });

  it('tells the client the number of messages that were dropped, also of those after the first warning', async () => {
    const { send, frames, timers } = await start({ maxMessageRate: 5 });
    send(15);
    jest.advanceTimersByTime(999);
    expect(frames()).toEqual([
      { event: 'exception', data: expect.objectContaining({ code: 'rate_limit', dropped: 1 }) },
    ]);
    jest.advanceTimersByTime(1);
    expect(frames().map(({ data }) => data.dropped)).toEqual([1, 9]);
    jest.advanceTimersByTime(60_000);
    expect([frames().length, timers()]).toEqual([2, 0]);
  });

  it('answers each dropped message that has an id with that id', async () => {
    const { send, frames } = await start({ maxMessageRate: 5 });
    send(7, '{"id":1}');
    const data = expect.objectContaining({ code: 'rate_limit', dropped: 1 });
    expect(frames()).toEqual([7, 7].map(() => ({ event: 'exception', data, id: '1' })));
  });

  it('counts the messages that got no answer in the next answer to one with an id', async () => {
    const { send, frames } = await start({ maxMessageRate: 5 });
    send(8);
    send(1, '{"id":7}');
    expect(frames().map(({ data, id }) => [data.dropped, id])).toEqual([
      [1, undefined],
      [3, '7'],
    ]);
  });

  it('reads the ids of dropped messages only as fast as messages may be sent, and counts the others', async () => {
    const { send, frames } = await start({ maxMessageRate: 1, maxByteRate: 2000, maxMessageBytes: 1000 });
    const text = JSON.stringify({ fill: 'x'.repeat(900), id: 1 }).replace(/"id":1/, '"id":7');
    send(6, text);
    jest.advanceTimersByTime(1000);
    expect(frames().map(({ data, id }) => [data.dropped, id])).toEqual([
      [1, '7'],
      [1, '7'],
      [1, undefined],
      [2, undefined],
    ]);
  });

  it('tells nothing to a client that has gone', async () => {
    const { socket, send, frames, timers } = await start({ maxMessageRate: 5 });
    send(15);
    socket.closes();
    jest.advanceTimersByTime(1000);
    expect([frames().length, timers()]).toEqual([1, 0]);
  });

  it('drops no messages of other clients', async () => {
    const { send } = await start({ maxMessageRate: 5 });
    const other = await node.opened();
    send(100);
    other.socket.sends('hello');
    expect(node.gateway.of('onMessage').filter(({ connection }) => connection === other.connection)).toHaveLength(1);
  });

  it('closes a client that is too fast with 4002 under the policy "close", and handles no more of its messages', async () => {
    const { socket, send, handled } = await start({ maxMessageRate: 5, rateLimit: 'close' });
    send(100);
    expect(socket.closeFrame).toEqual({ code: 4002, reason: 'rate limit' });
    expect([handled(), node.engine.node.limits.counts.messageRate]).toEqual([5, 1]);
  });

  it('counts messages above the rate in report-only mode, and handles them', async () => {
    const { send, handled, told } = await start({ maxMessageRate: 5, limits: 'report' });
    send(100);
    expect([handled(), told(), node.engine.node.limits.counts.messageRate]).toEqual([100, [], 95]);
  });

  it('handles any number of messages without a rate', async () => {
    const { send, handled } = await start({ maxMessageRate: 0, maxByteRate: 0 });
    send(5000);
    expect(handled()).toBe(5000);
  });
});

describe('a client that sends too many bytes', () => {
  it('drops messages above the rate of bytes', async () => {
    const { send, handled } = await start({ maxByteRate: 1000, maxMessageBytes: 1000 });
    send(5, 'x'.repeat(400));
    expect([handled(), node.engine.node.limits.counts.byteRate]).toEqual([2, 3]);
    jest.advanceTimersByTime(600);
    send(1, 'x'.repeat(400));
    expect(handled()).toBe(3);
  });

  it('handles one message of the greatest allowed length at any rate of bytes', async () => {
    const { send, handled } = await start({ maxByteRate: 10, maxMessageBytes: 1000 });
    send(1, 'x'.repeat(1000));
    expect(handled()).toBe(1);
  });
});
