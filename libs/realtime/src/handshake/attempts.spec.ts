import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { jest } from '@jest/globals';
import { Attempts, whenGone } from './attempts.js';

type Refuse = (error: Error) => void;

let unfinished: Attempts<string, string>;
/** What the late ones were done for. */
let lateOnes: string[];

beforeEach(() => {
  jest.useFakeTimers();
  lateOnes = [];
  unfinished = new Attempts(1000, (subject, refuse) => {
    lateOnes.push(subject);
    refuse(new Error('late'));
  });
});

afterEach(() => {
  jest.useRealTimers();
});

/** A task that the test ends. */
function task() {
  let resolve!: (value: string) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<string>((yes, no) => ([resolve, reject] = [yes, no]));
  return { run: () => promise, resolve, reject };
}

/** Nothing is under way, nothing more comes late, and in the end no timer runs. */
function expectRest(): void {
  const known = [...lateOnes];
  expect(unfinished.size).toBe(0);
  jest.advanceTimersByTime(1000);
  expect([lateOnes, jest.getTimerCount()]).toEqual([known, 0]);
}

describe('work with a deadline', () => {
  it('gives what it gives', async () => {
    const { run, resolve } = task();
    const running = unfinished.run('a client', run);
    expect(unfinished.size).toBe(1);
    resolve('done');
    expect(await running).toBe('done');
    expectRest();
  });

  it('fails as it fails', async () => {
    const { run, reject } = task();
    const running = unfinished.run('a client', run);
    reject(new Error('broken'));
    await expect(running).rejects.toThrow('broken');
    expectRest();
  });

  it('fails also when it throws before it gives a promise', async () => {
    const throwing = () => {
      throw new Error('at once');
    };
    await expect(unfinished.run('a client', throwing)).rejects.toThrow('at once');
    expectRest();
  });

  it.each(['resolve', 'reject'] as const)(
    'is refused at the deadline, and what it does later is ignored: %s',
    async (end) => {
      const work = task();
      const running = unfinished.run('a client', work.run);
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

  it('is not refused before', async () => {
    const { run, resolve } = task();
    const running = unfinished.run('a client', run);
    jest.advanceTimersByTime(999);
    resolve('just in time');
    expect(await running).toBe('just in time');
  });
});

it('what is late may go on, and is refused later', async () => {
  const refusals = new Map<string, Refuse>();
  unfinished = new Attempts(1000, (subject, refuse) => refusals.set(subject, refuse));
  const hanging = unfinished.run('hanging', task().run);
  const { run, resolve } = task();
  const slow = unfinished.run('slow', run);
  jest.advanceTimersByTime(60_000);
  expect(unfinished.size).toBe(2);
  resolve('at last');
  expect(await slow).toBe('at last');
  refusals.get('hanging')!(new Error('enough'));
  await expect(hanging).rejects.toThrow('enough');
  expectRest();
});

it.each(['end', 'close'])('a client has gone with the first of its events: %s', (event) => {
  const socket = Object.assign(new EventEmitter(), { destroyed: false, readableEnded: false });
  const gone = jest.fn();
  whenGone(socket as unknown as Socket, gone);
  expect(gone).not.toHaveBeenCalled();
  socket.emit(event);
  expect(gone).toHaveBeenCalledTimes(1);
});

it.each(['destroyed', 'readableEnded'])('a client may have gone already: %s', (fact) => {
  const gone = jest.fn();
  whenGone({ [fact]: true } as unknown as Socket, gone);
  expect(gone).toHaveBeenCalledTimes(1);
});

it('all that is under way can be refused at once', async () => {
  const running = [1, 2, 3].map(() => unfinished.run('a client', task().run));
  const ends = Promise.allSettled(running);
  unfinished.refuseAll(new Error('the end'));
  expect((await ends).map((end) => (end as PromiseRejectedResult).reason.message)).toEqual(Array(3).fill('the end'));
  expectRest();
});
