import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { jest } from '@jest/globals';
import { Unfinished, whenGone } from './unfinished.js';

const late = (refuse: (error: Error) => void) => refuse(new Error('late'));

let unfinished: Unfinished<string>;

beforeEach(() => {
  jest.useFakeTimers();
  unfinished = new Unfinished<string>();
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

/** Nothing is under way, and no timer runs. */
const expectRest = () => expect([unfinished.size, jest.getTimerCount()]).toEqual([0, 0]);

describe('work with a deadline', () => {
  it('gives what it gives', async () => {
    const { run, resolve } = task();
    const running = unfinished.run(run, 1000, late);
    expect(unfinished.size).toBe(1);
    resolve('done');
    expect(await running).toBe('done');
    expectRest();
  });

  it('fails as it fails', async () => {
    const { run, reject } = task();
    const running = unfinished.run(run, 1000, late);
    reject(new Error('broken'));
    await expect(running).rejects.toThrow('broken');
    expectRest();
  });

  it('fails also when it throws before it gives a promise', async () => {
    const throwing = () => {
      throw new Error('at once');
    };
    await expect(unfinished.run(throwing, 1000, late)).rejects.toThrow('at once');
    expectRest();
  });

  it.each(['resolve', 'reject'] as const)(
    'is refused at the deadline, and what it does later is ignored: %s',
    async (end) => {
      const work = task();
      const running = unfinished.run(work.run, 1000, late);
      jest.advanceTimersByTime(1000);
      await expect(running).rejects.toThrow('late');
      expectRest();
      if (end === 'resolve') work.resolve('too late');
      else work.reject(new Error('too late'));
      await Promise.resolve();
      expectRest();
    },
  );

  it('is not refused before', async () => {
    const { run, resolve } = task();
    const running = unfinished.run(run, 1000, late);
    jest.advanceTimersByTime(999);
    resolve('just in time');
    expect(await running).toBe('just in time');
  });
});

it('what is late may go on, and is refused later', async () => {
  let refuse!: (error: Error) => void;
  const hanging = unfinished.run(task().run, 1000, (given) => (refuse = given));
  const { run, resolve } = task();
  const slow = unfinished.run(run, 1000, () => {});
  jest.advanceTimersByTime(60_000);
  expect(unfinished.size).toBe(2);
  resolve('at last');
  expect(await slow).toBe('at last');
  refuse(new Error('enough'));
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
  const running = [1, 2, 3].map(() => unfinished.run(task().run, 1000, late));
  const ends = Promise.allSettled(running);
  unfinished.refuseAll(new Error('the end'));
  expect((await ends).map((end) => (end as PromiseRejectedResult).reason.message)).toEqual(Array(3).fill('the end'));
  expectRest();
});
