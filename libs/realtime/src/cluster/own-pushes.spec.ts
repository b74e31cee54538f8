import { jest } from '@jest/globals';
import type { Command } from '../command.js';
import { Frame } from '../frame.js';
import type { Reached } from '../question.js';
import { OwnPushes } from './own-pushes.js';

const ROOM = 'r:a';

let delivered: string[];
let members: number;
let isOn: boolean;
let answers: { resolve: (receivers: number) => void; reject: (error: Error) => void }[];
let failures: string[];
let pushes: OwnPushes;

beforeEach(() => {
  jest.useFakeTimers();
  delivered = [];
  members = 1;
  isOn = true;
  answers = [];
  failures = [];
  pushes = make(1000);
});
afterEach(() => jest.useRealTimers());

function make(maxInFlightBytes: number): OwnPushes {
  let counter = 0;
  return new OwnPushes(
    {
      deliver: ({ action }) => void delivered.push(action.kind === 'push' ? action.frame.text : action.kind),
      size: () => members,
    },
    {
      push: (channel, _except, frame) => ({ counter: ++counter, channel, bytes: Buffer.alloc(100 + frame.size) }),
      send: () => new Promise((resolve, reject) => answers.push({ resolve, reject })),
    },
    { isOn: () => isOn },
    { brokerTimeout: 2, maxInFlightBytes },
    { notPublished: (channel) => void failures.push(channel) },
  );
}

function push(text: string, channel = ROOM): { result: Promise<Reached>; end: () => Reached | 'pending' } {
  const frame = new Frame(text);
  const command: Command = { channel, except: [], action: { kind: 'push', frame } };
  const result = pushes.publish(command, frame);
  let end: Reached | 'pending' = 'pending';
  void result.then((reached) => (end = reached));
  return { result, end: () => end };
}

const turn = () => jest.advanceTimersByTimeAsync(0);

it('delivers a push when its copy comes back, and resolves when the broker has it too', async () => {
  const { end } = push('x');
  expect(delivered).toEqual([]);
  pushes.returned(1);
  await turn();
  expect([delivered, end()]).toEqual([['x'], 'pending']);
  answers[0]!.resolve(1);
  await turn();
  expect([end(), pushes.size, pushes.localOnly]).toEqual([{ missing: [] }, 0, 0]);
});

it('does not resolve before the members here have it', async () => {
  const { end } = push('x');
  answers[0]!.resolve(1);
  await turn();
  expect(end()).toBe('pending');
  pushes.returned(1);
  await turn();
  expect(end()).toEqual({ missing: [] });
});

it('delivers a push at the deadline without its copy, and drops the copy that comes later', async () => {
  const { end } = push('x');
  answers[0]!.resolve(1);
  await jest.advanceTimersByTimeAsync(2001);
  expect([delivered, end(), pushes.localOnly]).toEqual([['x'], { missing: [] }, 1]);
  pushes.returned(1);
  expect([delivered, pushes.late]).toEqual([['x'], 1]);
});

it('keeps the order of the broker when this process stood still for longer than brokerTimeout', async () => {
  const sent = [push('one'), push('two')];
  // The timers are late, and run before the copies are read, in the same turn
  jest.setSystemTime(Date.now() + 5000);
  jest.advanceTimersToNextTimer();
  for (const counter of [2, 1]) pushes.returned(counter);
  await jest.advanceTimersByTimeAsync(5000);
  expect(delivered).toEqual(['two', 'one']);
  expect([pushes.localOnly, pushes.late, pushes.size]).toEqual([0, 0, 0]);
  expect(sent.map(({ end }) => end())).toEqual(['pending', 'pending']);
});

it('delivers a push that the broker has not taken, reports it, and says that others miss it', async () => {
  const { result } = push('x');
  answers[0]!.reject(new Error('no network'));
  expect(await result).toEqual({ missing: ['*'] });
  expect([delivered, failures, pushes.size]).toEqual([['x'], [ROOM], 0]);
});

it('delivers a push once when the broker refuses it after its copy has come', async () => {
  const { result } = push('x');
  pushes.returned(1);
  answers[0]!.reject(new Error('no answer'));
  expect(await result).toEqual({ missing: ['*'] });
  expect([delivered, pushes.localOnly]).toEqual([['x'], 0]);
});

it('delivers everything in its order when the broker goes away', () => {
  for (const text of ['1', '2', '3']) push(text);
  pushes.returned(1);
  pushes.down();
  expect([delivered, pushes.size, pushes.localOnly]).toEqual([['1', '2', '3'], 0, 2]);
});

it('delivers at once where the subscription is not confirmed, if members are here', async () => {
  isOn = false;
  const { end } = push('x');
  answers[0]!.resolve(0);
  await turn();
  expect([delivered, end()]).toEqual([['x'], { missing: [] }]);
  members = 0;
  push('y');
  expect([delivered, pushes.localOnly]).toEqual([['x'], 1]);
});

it('delivers the oldest without their copies when too many bytes are on their way, so that the order stays', () => {
  pushes = make(250);
  for (const text of ['1', '2', '3']) push(text);
  expect([delivered, pushes.size]).toEqual([['1'], 2]);
  for (const counter of [1, 2, 3]) pushes.returned(counter);
  expect([delivered, pushes.late]).toEqual([['1', '2', '3'], 1]);
  push('x'.repeat(200));
  push('4');
  expect([delivered.length, pushes.size]).toEqual([4, 1]);
});

it('delivers one that was not published after those that were pushed to its channel before it', async () => {
  push('1');
  push('other', 'r:b');
  const { result } = push('2');
  answers[2]!.reject(new Error('no network'));
  expect(await result).toEqual({ missing: ['*'] });
  expect([delivered, pushes.size]).toEqual([['1', '2'], 1]);
  pushes.returned(1);
  expect([delivered, pushes.late, pushes.localOnly]).toEqual([['1', '2'], 1, 2]);
});

it('keeps no timer for pushes whose copies have come', async () => {
  push('x');
  pushes.returned(1);
  await jest.advanceTimersByTimeAsync(2000);
  expect(jest.getTimerCount()).toBe(0);
});
