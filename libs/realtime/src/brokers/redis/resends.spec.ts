import { jest } from '@jest/globals';
import { LinkError } from '../../cluster/link.js';
import { Resends } from './resends.js';

const MOVED = new LinkError('refused', 'Redis refused: MOVED 1 127.0.0.1:7000');
let log: string[];
let isMoving: boolean;
let resends: Resends<string>;

/** A publish that arrives, or is refused after a while, in the order of the calls. */
const publish = (text: string) => async () => {
  const refused = isMoving;
  await Promise.resolve();
  if (refused) throw MOVED;
  return log.push(text);
};
const run = (text: string) => resends.run('partition', publish(text), () => log.push('moving'));

beforeEach(() => {
  jest.useFakeTimers();
  log = [];
  isMoving = true;
  resends = new Resends(2000);
});
afterEach(() => jest.useRealTimers());

it('repeats what was refused because a slot moves, in the order in which it was published', async () => {
  const early = [run('1'), run('2')];
  await jest.advanceTimersByTimeAsync(10);
  const late = run('3');
  isMoving = false;
  await jest.advanceTimersByTimeAsync(25);
  await Promise.all([...early, late]);
  expect(log).toEqual(['moving', 'moving', '1', '2', '3']);
});

it('puts what was under way before what has waited from the start', async () => {
  let refuse!: () => void;
  const slow = () =>
    isMoving ? new Promise<number>((_resolve, reject) => (refuse = () => reject(MOVED))) : publish('2')();
  const calls = [run('1'), resends.run('partition', slow, () => {})];
  await jest.advanceTimersByTimeAsync(1);
  calls.push(run('3'));
  refuse();
  isMoving = false;
  await jest.advanceTimersByTimeAsync(25);
  await Promise.all(calls);
  expect(log).toEqual(['moving', '1', '2', '3']);
});

it('gives up when the deadline has passed, and never when something else was the fault', async () => {
  const call = run('1').catch((error: unknown) => error);
  await jest.advanceTimersByTimeAsync(2100);
  expect(await call).toBe(MOVED);
  const other = new LinkError('refused', 'Redis refused: NOPERM');
  await expect(
    resends.run(
      'x',
      () => Promise.reject(other),
      () => {},
    ),
  ).rejects.toBe(other);
});

it('refuses more than 10,000 waiting messages', async () => {
  const calls = Array.from({ length: 10_001 }, (_, index) =>
    run(String(index)).catch((error: LinkError) => error.code),
  );
  await jest.advanceTimersByTimeAsync(10);
  isMoving = false;
  await jest.advanceTimersByTimeAsync(25);
  const ends = await Promise.all(calls);
  expect([typeof ends[9999], ends[10_000]]).toEqual(['number', 'unavailable']);
});

it('repeats a script that the server has forgotten, and looks for no other server', async () => {
  let attempts = 0;
  const script = async () => {
    if (attempts++ < 2) throw new LinkError('refused', 'Redis refused: NOSCRIPT No matching script.');
    return 'answer';
  };
  expect(await resends.run('partition', script, () => log.push('moving'))).toBe('answer');
  expect([attempts, log]).toEqual([3, []]);
});

it('looks for the server again when the slot has moved while a call waits', async () => {
  const moving = () => {
    log.push('moving');
    isMoving = log.length < 3;
  };
  await resends.run('partition', publish('1'), moving);
  expect(log).toEqual(['moving', 'moving', 'moving', '1']);
});
