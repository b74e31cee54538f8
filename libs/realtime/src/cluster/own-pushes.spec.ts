import type { Command } from '../command.js';
import { Frame } from '../frame.js';
import { OwnPushes } from './own-pushes.js';
import type { Letter } from './post.js';

/** Pushes of a node with members in every room; the test decides what becomes of each. */
function pushes({ maxInFlightBytes = 1000 } = {}) {
  const delivered: string[] = [];
  const sent: { reject: (error: Error) => void }[] = [];
  let counter = 0;
  const own = new OwnPushes(
    { size: () => 1, deliver: ({ action }) => delivered.push(String((action as { frame: Frame }).frame.data)) },
    {
      push: (channel, _except, { data }): Letter => ({ counter: ++counter, channel, bytes: Buffer.from(data) }),
      send: () => new Promise((_resolve, reject) => sent.push({ reject })),
    },
    { isOn: () => true },
    { brokerTimeout: 3600, maxInFlightBytes },
    { notPublished: () => {} },
  );
  const push = (room: string, text: string) => {
    const frame = Frame.of(text);
    const command: Command = { channel: `r:${room}`, except: [], action: { kind: 'push', frame } };
    return own.publish(command, frame);
  };
  return { own, delivered, push, fail: (number: number) => sent[number - 1]!.reject(new Error('away')) };
}

describe('OwnPushes', () => {
  it('delivers a push when its copy has come back, and once', () => {
    const { own, delivered, push } = pushes();
    for (const text of ['1', '2']) void push('a', text);
    expect(delivered).toEqual([]);
    for (const counter of [1, 1, 2]) own.returned(counter);
    expect([delivered, own.size, own.late, own.localOnly]).toEqual([['1', '2'], 0, 1, 0]);
  });

  it('delivers one that was not published after those that were pushed to its channel before, which may still come', async () => {
    const { own, delivered, push, fail } = pushes();
    void push('a', '1');
    void push('b', 'other');
    const failed = push('a', '2');
    fail(3);
    expect(await failed).toEqual({ missing: ['*'] });
    expect([delivered, own.size]).toEqual([['1', '2'], 1]);
    own.returned(1);
    expect([delivered, own.late, own.localOnly]).toEqual([['1', '2'], 1, 2]);
  });

  it('delivers the oldest without their copies when too many bytes are on their way, so that the order stays', () => {
    const { own, delivered, push } = pushes({ maxInFlightBytes: 6 });
    for (const text of ['11', '22', '33', '4444']) void push('a', text);
    expect([delivered, own.size]).toEqual([['11', '22'], 2]);
    for (const counter of [1, 2, 3, 4]) own.returned(counter);
    expect([delivered, own.late]).toEqual([['11', '22', '33', '4444'], 2]);
    void push('a', 'too long for all');
    void push('a', '6');
    expect([delivered.slice(4), own.size]).toEqual([['too long for all'], 1]);
  });
});
