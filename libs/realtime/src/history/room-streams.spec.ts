import { FakeClock } from '../../../../test/support/fakes/fake-clock.js';
import type { Command } from '../command.js';
import { Frame } from '../frame.js';
import type { HistoryWindow, KeptPush, PushHistory } from '../history.js';
import { RealtimeSettings } from '../settings/settings.js';
import type { MemberOutput } from './room-member.js';
import { RoomStreams } from './room-streams.js';

const CHANNEL = 'r:chat';
const EMPTY = { n: 0, tag: 'aaaaaa' };

const order: Command = { channel: CHANNEL, except: [], action: { kind: 'leave', room: 'chat' } };
const push: Command = { channel: CHANNEL, except: [], action: { kind: 'push', frame: new Frame('x') } };

describe('RoomStreams', () => {
  /** A room whose first read has been answered, and whose later reads wait. */
  const joined = async () => {
    const clock = new FakeClock();
    const obeyed: string[] = [];
    const reads: ((window: HistoryWindow<KeptPush>) => void)[] = [];
    const answer = (read: (window: HistoryWindow<KeptPush>) => void) => read({ top: EMPTY, base: EMPTY, entries: [] });
    const history: Partial<PushHistory> = {
      isOn: () => true,
      read: () => new Promise((resolve) => reads.push(resolve)),
    };
    const streams = new RoomStreams<object>({
      settings: RealtimeSettings.from({ envFile: false }, {}),
      history: () => history as PushHistory,
      deliver: ({ action }) => obeyed.push(action.kind),
      clock,
    });
    const output: MemberOutput = {
      ...{ entry: () => true, at: () => {}, gap: () => {}, joined: () => {}, isExcepted: () => false },
    };
    const member = {};
    const entered = streams.enter(CHANNEL, member, output, {});
    await clock.pass(0);
    answer(reads.shift()!);
    await clock.pass(0);
    await entered;
    const state = { isSettled: false };
    const gives = (command: Command, hasPlace: boolean) => {
      const passed = streams.other(command, hasPlace);
      if (passed instanceof Promise) void passed.then(() => (state.isSettled = true));
      return passed;
    };
    return { streams, member, clock, obeyed, gives, state, answers: () => answer(reads.shift()!) };
  };

  it.each([
    ['an order', order],
    ['a push', push],
  ])('settles %s that waits for a read only when it was delivered', async (_name, command) => {
    const { streams, clock, obeyed, gives, state, answers } = await joined();
    streams.missed('all');
    await clock.pass(0);
    expect(gives(command, true)).toBeInstanceOf(Promise);
    await clock.pass(1000);
    expect([obeyed, state.isSettled]).toEqual([[], false]);
    answers();
    await clock.pass(0);
    expect([obeyed, state.isSettled]).toEqual([[command.action.kind], true]);
  });

  it('delivers at once what has no place among the pushes, whatever is read', async () => {
    const { streams, clock, obeyed, gives } = await joined();
    streams.missed('all');
    await clock.pass(0);
    expect([gives(order, false), obeyed]).toEqual([true, ['leave']]);
  });

  it('delivers at once while the room is live, and takes nothing for other channels', async () => {
    const { gives, obeyed } = await joined();
    expect([gives(order, true), gives({ ...order, channel: 'r:other' }, true), obeyed]).toEqual([
      true,
      false,
      ['leave'],
    ]);
  });

  it('settles an order that waits when the last member leaves', async () => {
    const { streams, member, clock, gives, state } = await joined();
    streams.missed('all');
    await clock.pass(0);
    void gives(order, true);
    streams.exit(CHANNEL, member);
    await clock.pass(0);
    expect(state.isSettled).toBe(true);
  });
});
