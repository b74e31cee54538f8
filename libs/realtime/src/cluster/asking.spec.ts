import { jest } from '@jest/globals';
import { Asking } from './asking.js';

let sent: { id: number; question: string; to: readonly string[] }[];
let overflows: number[];
let refuse: (() => void) | undefined;
let asking: Asking<string, number>;
let last: number;

/** An answer in parts: complete from 10 on. */
class Sum {
  private sum = 0;

  add(part: number): number | undefined {
    this.sum += part;
    return this.sum >= 10 ? this.sum : undefined;
  }
}

beforeEach(() => {
  jest.useFakeTimers();
  sent = [];
  last = 0;
  overflows = [];
  refuse = undefined;
  asking = new Asking<string, number>(
    { deadlineMs: 1000, maxQuestions: 2 },
    () => ++last,
    (question) => (question === 'in parts?' ? new Sum() : { add: (answer) => answer }),
    (id, question, to) => {
      refuse?.();
      sent.push({ id, question, to });
    },
    (waiting) => overflows.push(waiting),
  );
});

afterEach(() => {
  jest.useRealTimers();
});

const seen = async (asked: ReturnType<typeof asking.ask>) => {
  const { answers, missing } = await asked;
  return [Object.fromEntries(answers), missing];
};

it('resolves when all nodes have answered, before the deadline', async () => {
  const asked = asking.ask('how many?', ['a', 'b']);
  asking.answered('a', sent[0]!.id, 1);
  asking.answered('b', sent[0]!.id, 2);
  expect(await seen(asked)).toEqual([{ a: 1, b: 2 }, []]);
  expect(asking.size).toBe(0);
});

it('resolves at the deadline with the answers in time and the names of the others', async () => {
  const asked = asking.ask('how many?', ['a', 'b', 'c']);
  asking.answered('b', sent[0]!.id, 2);
  jest.advanceTimersByTime(1000);
  asking.answered('a', sent[0]!.id, 1);
  expect(await seen(asked)).toEqual([{ b: 2 }, ['a', 'c']]);
});

it('resolves at once for nobody', async () => {
  expect(await seen(asking.ask('how many?', []))).toEqual([{}, []]);
  expect(sent).toEqual([]);
});

it('does not wait for a node that is lost, and names it', async () => {
  const asked = asking.ask('how many?', ['a', 'b']);
  asking.lost('a');
  asking.answered('a', sent[0]!.id, 9);
  asking.answered('b', sent[0]!.id, 2);
  expect(await seen(asked)).toEqual([{ b: 2 }, ['a']]);
  const alone = asking.ask('how many?', ['b']);
  asking.lost('b');
  expect(await seen(alone)).toEqual([{}, ['b']]);
});

it('ignores answers from nodes that were not asked, repeated ones, and those to no question', async () => {
  const asked = asking.ask('how many?', ['a', 'b']);
  const { id } = sent[0]!;
  asking.answered('z', id, 9);
  asking.answered('a', id, 1);
  asking.answered('a', id, 9);
  asking.answered('b', id + 1, 9);
  asking.answered('b', id, 2);
  expect(await seen(asked)).toEqual([{ a: 1, b: 2 }, []]);
});

it('names all nodes as missing when the question cannot be sent', async () => {
  refuse = () => {
    throw new Error('The broker is away');
  };
  expect(await seen(asking.ask('how many?', ['a', 'b']))).toEqual([{}, ['a', 'b']]);
});

it('bounds the questions that wait, and says so', async () => {
  const waiting = [asking.ask('1', ['a']), asking.ask('2', ['a'])];
  expect(await seen(asking.ask('3', ['a']))).toEqual([{}, ['a']]);
  expect([overflows, sent.length]).toEqual([[2], 2]);
  jest.advanceTimersByTime(1000);
  await Promise.all(waiting);
});

it('settles everything when it stops, and leaves no timer', async () => {
  const asked = asking.ask('how many?', ['a', 'b']);
  asking.answered('a', sent[0]!.id, 1);
  asking.stop();
  expect(await seen(asked)).toEqual([{ a: 1 }, ['b']]);
  expect(jest.getTimerCount()).toBe(0);
});

it('puts the parts of each answer together, and names a node that sent only some of them', async () => {
  const asked = asking.ask('in parts?', ['a', 'b']);
  for (const [from, part] of [
    ['a', 4],
    ['b', 7],
    ['a', 6],
    ['a', 9],
  ] as const)
    asking.answered(from, sent[0]!.id, part);
  jest.advanceTimersByTime(1000);
  expect(await seen(asked)).toEqual([{ a: 10 }, ['b']]);
});
