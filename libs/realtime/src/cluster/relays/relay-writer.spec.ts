import { RelayWriter } from './relay-writer.js';

let sent: string[];
let ends: number;
let tasks: (() => void)[];
const turn = () => tasks.splice(0).forEach((task) => task());
const writer = (credit: number) => {
  const sink = { send: (bytes: Buffer) => void sent.push(bytes.toString()), end: () => void ends++ };
  return new RelayWriter(sink, credit, (task) => void tasks.push(task));
};

beforeEach(() => {
  [sent, tasks, ends] = [[], [], 0];
});

it('sends what was written in one turn as one part', () => {
  const stream = writer(100);
  stream.write('a');
  stream.write('b');
  expect(sent).toEqual([]);
  turn();
  stream.write('c');
  turn();
  expect(sent).toEqual(['ab', 'c']);
});

it('sends no more than it has credit for, and the rest when it gets more', () => {
  const stream = writer(3);
  const done: string[] = [];
  stream.write('ab', () => done.push('ab'));
  stream.write('cdef', () => done.push('cdef'));
  stream.write('gh', () => done.push('gh'));
  turn();
  expect(sent).toEqual(['abc']);
  expect(stream.writableLength).toBe(6);
  stream.grant(2);
  turn();
  stream.grant(10);
  turn();
  turn();
  expect(sent.join('')).toBe('abcdefgh');
  expect(stream.writableLength).toBe(0);
});

it('asks its writer to wait, and drains with more credit', async () => {
  const stream = writer(1000);
  const drained = new Promise((resolve) => stream.once('drain', resolve));
  expect(stream.write('x'.repeat(20_000))).toBe(false);
  expect(stream.writableNeedDrain).toBe(true);
  stream.grant(19_000);
  await drained;
  expect(stream.writableNeedDrain).toBe(false);
});

it('calls back for a write only when all of it has credit', async () => {
  const stream = writer(2);
  let isDone = false;
  const done = new Promise<void>((resolve) =>
    stream.write('abc', () => {
      isDone = true;
      resolve();
    }),
  );
  await Promise.resolve();
  expect(isDone).toBe(false);
  stream.grant(1);
  await done;
});

it('ends after everything has been sent', async () => {
  const stream = writer(2);
  stream.end('abc');
  turn();
  expect([sent, ends]).toEqual([['ab'], 0]);
  stream.grant(1);
  await new Promise((resolve) => stream.once('finish', resolve));
  expect([sent, ends]).toEqual([['ab', 'c'], 1]);
  turn();
  expect(sent).toEqual(['ab', 'c']);
});

it('sends nothing after it was destroyed', () => {
  const stream = writer(10);
  stream.write('abc');
  stream.destroy();
  turn();
  stream.grant(10);
  expect([sent, ends]).toEqual([[], 0]);
});
