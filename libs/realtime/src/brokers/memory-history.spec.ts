/** What is special about a history in memory: its bounds and its time. test/contracts/ has the rest. */
import { FakeClock } from '../../../../test/support/fakes/fake-clock.js';
import { type Entry, DAY_MS } from '../history.js';
import { MemoryHistory, type MemoryHistoryBounds } from './memory-history.js';

let clock: FakeClock;
let delivered: Entry[];
let history: MemoryHistory;

const make = (bounds: Partial<MemoryHistoryBounds> = {}) =>
  (history = new MemoryHistory((_channel, entry) => delivered.push(entry), clock, bounds));
const messageOf = (bytes: number) => ({ size: bytes, bytes: () => Buffer.alloc(bytes) });
const append = (channel: string, { size = 100, age = 60, key = undefined as string | undefined, bytes = 10 } = {}) =>
  history.append(channel, messageOf(bytes), { size, age, ...(key && { key }) });
const read = (channel: string) => history.read(channel, undefined, 300);

beforeEach(() => {
  clock = new FakeClock();
  delivered = [];
  make();
});

it('delivers an entry before append returns, as the same message', () => {
  const message = messageOf(3);
  void history.append('r:a', message, { size: 1, age: 1 });
  expect(delivered.map((entry) => entry.message)).toEqual([message]);
});

it('forgets the entries after their age without an append, and the position a day later', async () => {
  const { position } = await append('r:a');
  await clock.pass(59_999);
  await append('r:a');
  await clock.pass(59_999);
  expect((await read('r:a')).entries).toHaveLength(2);
  await clock.pass(1);
  expect(await read('r:a')).toMatchObject({ top: { n: 2 }, base: { n: 2 }, entries: [] });
  await clock.pass(DAY_MS - 1);
  expect((await history.top(['r:a']))[0]?.n).toBe(2);
  await clock.pass(1);
  expect([await history.top(['r:a']), history.size, history.bytes]).toEqual([[undefined], 0, 0]);
  expect((await read('r:a')).top.tag).not.toBe(position.tag);
});

it('finds rooms whose time is over without being asked, and stops looking when there are none', async () => {
  await append('r:a');
  await append('r:b', { age: 3600 });
  await clock.pass(120_000);
  expect([history.size, history.bytes]).toEqual([2, 2 * (512 + 3) + 256 + 10]);
  await clock.pass(DAY_MS + 3_600_000);
  expect([history.size, history.bytes]).toEqual([0, 0]);
});

it('keeps a position for a day more when it is renewed', async () => {
  await append('r:a');
  await clock.pass(DAY_MS);
  await history.top(['r:a'], true);
  await clock.pass(DAY_MS - 1);
  expect((await history.top(['r:a']))[0]?.n).toBe(1);
});

it('takes the oldest entries of the rooms without an append for longest when all together are too big', async () => {
  make({ maxBytes: 10_000 });
  for (const channel of ['r:a', 'r:b', 'r:a', 'r:b', 'r:c']) await append(channel, { bytes: 1000 });
  expect(history.bytes).toBeLessThan(10_000);
  for (let i = 0; i < 3; i++) await append('r:c', { bytes: 1000 });
  expect(history.bytes).toBeLessThanOrEqual(10_000);
  const lengths = await Promise.all(['r:a', 'r:b', 'r:c'].map(async (each) => (await read(each)).entries.length));
  expect(lengths).toEqual([0, 2, 4]);
  expect([history.evicted.entries, (await read('r:a')).base]).toEqual([2, (await read('r:a')).top]);
});

it('holds its bound with any number of rooms, entries and reads', async () => {
  make({ maxBytes: 50_000 });
  for (let i = 0; i < 500; i++) {
    await append(`r:${i % 90}`, { bytes: (i * 37) % 3000, size: 1 + (i % 4) });
    await read(`r:read ${i}`);
    expect(history.bytes).toBeLessThanOrEqual(50_000);
  }
  expect(history.evicted.rooms).toBeGreaterThan(400);
  history.clear();
  expect([history.size, history.bytes]).toEqual([0, 0]);
});

it('keeps nothing of an entry that is bigger than the bound, and goes on counting', async () => {
  make({ maxBytes: 10_000 });
  await append('r:a', { bytes: 20_000 });
  expect([delivered.length, (await read('r:a')).entries.length]).toEqual([1, 0]);
  expect((await append('r:a')).position.n).toBe(2);
});

it('knows a key for five minutes, and at most so many keys', async () => {
  make({ maxKeys: 2 });
  const first = await append('r:a', { key: '1', age: 3600 });
  await clock.pass(299_999);
  expect((await append('r:a', { key: '1' })).position).toEqual(first.position);
  await clock.pass(1);
  expect((await append('r:a', { key: '1' })).repeated).toBe(false);
  for (const key of ['2', '3']) await append('r:a', { key });
  expect([(await append('r:a', { key: '3' })).repeated, history.forgottenKeys]).toEqual([true, 1]);
  expect((await append('r:a', { key: '1' })).repeated).toBe(false);
});
