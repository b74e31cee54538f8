import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { jest } from '@jest/globals';
import { Attempts, whenGone } from './attempts.js';

type Refuse = (error: Error) => void;

let attempts: Attempts<string, string>;
/** The subjects of tasks that were late. */
let lateOnes: string[];

beforeEach(() => {
  jest.useFakeTimers();
  lateOnes = [];
  attempts = new Attempts(1000, (subject, refuse) => {
    lateOnes.push(subject);
    refuse(new Error('late'));
  });
});

afterEach(() => {
  jest.useRealTimers();
});

/** A task that the test settles. */
function task() {
  let resolve!: (value: string) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<string>((yes, no) => ([resolve, reject] = [yes, no]));
  return { run: () => promise, resolve, reject };
}

/** No task is in progress, none becomes late, and in the end no timer runs. */
function expectRest(): void {
  const known = [...lateOnes];
  expect(attempts.size).toBe(0);
  jest.advanceTimersByTime(1000);
  expect([lateOnes, jest.getTimerCount()]).toEqual([known, 0]);
}

describe('a task with a deadline', () => {
  it('resolves with the result of the task', async () => {
    const { run, resolve } = task();
    const running = attempts.run('a client', run);
    expect(attempts.size).toBe(1);
    resolve('done');
    expect(await running).toBe('done');
    expectRest();
  });

  it('rejects with the error of the task', async () => {
    const { run, reject } = task();
    const running = attempts.run('a client', run);
    reject(new Error('broken'));
    await expect(running).rejects.toThrow('broken');
    expectRest();
  });

  it('throws what the task throws before it returns a promise', () => {
    const throwing = () => {
      throw new Error('at once');
    };
    expect(() => attempts.run('a client', throwing)).toThrow('at once');
    expectRest();
  });

  it('returns the result of a task that waits for nothing, without a deadline', () => {
    expect(attempts.run('a client', () => 'done')).toBe('done');
    expectRest();
  });

  it.each(['resolve', 'reject'] as const)(
    'refuses a task at its deadline, and ignores that it later calls %s',
    async (end) => {
      const work = task();
      const running = attempts.run('a client', work.run);
      jest.advanceTimersByTime(1000);
      await expect(running).rejects.toThrow('late');
      expect(lateOnes).toEqual(['a client']);
      expectRest();
      if (end === 'resolve') work.resolve('too late');
      else work.reject(new Error('too late'));
      await Promise.resolve();
      expectRest();
    },
  );

  it('does not refuse a task before its deadline', async () => {
    const { run, resolve } = task();
    const running = attempts.run('a client', run);
    jest.advanceTimersByTime(999);
    resolve('just in time');
    expect(await running).toBe('just in time');
  });
});

it('lets a late task go on until it is refused', async () => {
  const refusals = new Map<string, Refuse>();
  attempts = new Attempts(1000, (subject, refuse) => refusals.set(subject, refuse));
  const hanging = attempts.run('hanging', task().run);
  const { run, resolve } = task();
  const slow = attempts.run('slow', run);
  jest.advanceTimersByTime(60_000);
  expect(attempts.size).toBe(2);
  resolve('at last');
  expect(await slow).toBe('at last');
  refusals.get('hanging')!(new Error('enough'));
  await expect(hanging).rejects.toThrow('enough');
  expectRest();
});

it.each(['end', 'close'])('reports that a client has gone at the event %s', (event) => {
  const socket = Object.assign(new EventEmitter(), { destroyed: false, readableEnded: false });
  const gone = jest.fn();
  whenGone(socket as unknown as Socket, gone);
  expect(gone).not.toHaveBeenCalled();
  socket.emit(event);
  expect(gone).toHaveBeenCalledTimes(1);
});

it.each(['destroyed', 'readableEnded'])('reports at once that a client has gone whose socket is already %s', (fact) => {
  const gone = jest.fn();
  whenGone({ [fact]: true } as unknown as Socket, gone);
  expect(gone).toHaveBeenCalledTimes(1);
});

it('refuses all tasks in progress at once', async () => {
  const running = [1, 2, 3].map(async () => attempts.run('a client', task().run));
  const ends = Promise.allSettled(running);
  attempts.refuseAll(new Error('the end'));
  expect((await ends).map((end) => (end as PromiseRejectedResult).reason.message)).toEqual(Array(3).fill('the end'));
  expectRest();
});
