import { lastValueFrom, of, toArray } from 'rxjs';
import { asObservable, isDeferred, isStreamLike } from './replies.js';

async function* numbers(onEnd: () => void = () => {}) {
  try {
    yield 1;
    yield 2;
  } finally {
    onEnd();
  }
}

const itemsOf = (value: unknown) => lastValueFrom(asObservable(value)!.pipe(toArray()));

it('reads an Observable and an async generator as their items', async () => {
  expect(await itemsOf(of(1, 2))).toEqual([1, 2]);
  expect(await itemsOf(numbers())).toEqual([1, 2]);
});

it('flattens an Observable of Observables and generators in order', async () => {
  expect(await itemsOf(of(of(1, 2), numbers(), 3))).toEqual([1, 2, 1, 2, 3]);
});

it.each([1, 'text', null, undefined, [1], { then: 1 }, Promise.resolve(1)])('takes %p as a single reply', (value) => {
  expect(asObservable(value)).toBeUndefined();
});

it('passes on the error of a generator', async () => {
  const failing = async function* () {
    yield 1;
    throw new Error('no');
  };
  await expect(itemsOf(failing())).rejects.toThrow('no');
});

it('runs the finally of a generator as soon as nobody is subscribed', async () => {
  const ended = new Promise<void>((resolve) => {
    const subscription = asObservable(numbers(resolve))!.subscribe(() => subscription.unsubscribe());
  });
  await ended;
});

it('takes a promise, an Observable and an async iterable as deferred', () => {
  expect([Promise.resolve(), of(1), numbers(), { then: () => {} }].map(isDeferred)).toEqual([true, true, true, true]);
  expect([undefined, null, 1, 'then', {}, [1]].map(isDeferred)).toEqual([false, false, false, false, false, false]);
});

it('takes an Observable and an async iterable as a stream, and a promise not', () => {
  expect([of(1), numbers(), Promise.resolve(), [1]].map(isStreamLike)).toEqual([true, true, false, false]);
});
