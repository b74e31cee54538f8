/** The behaviour of a history that does not depend on where it is kept. */
import type { History, HistoryMessage, HistoryRules } from '../../libs/realtime/src/history.js';
import { type Position, positionText } from '../../libs/realtime/src/position.js';

/** What was published: `<channel> <position> <tag before> <text>`. */
export type Delivered = readonly string[];

export interface HistoryCase {
  readonly name: string;
  /** Called once for all tests. */
  readonly start: () => Promise<HistoryBench>;
}

export interface HistoryBench {
  readonly history: History;
  /** Subscribes channels; those of a history in memory always are. */
  subscribe(channels: readonly string[]): Promise<void>;
  /** Waits for so many messages in all since the last call of `clear`. */
  delivered(count: number): Promise<Delivered>;
  /** Resolves when everything that was appended to the channel before has arrived. */
  arrived(channel: string): Promise<void>;
  clear(): void;
  /** Forgets everything, as a store does that was flushed. */
  flush(): Promise<void>;
  stop(): Promise<unknown>;
}

export const RULES: HistoryRules = { size: 3, age: 60 };

export function messageOf(text: string | Buffer): HistoryMessage {
  const bytes = Buffer.from(text as string);
  return { size: bytes.length, bytes: () => bytes };
}

/** `<n>` of a position, and the letter that stands for its tag: the same letter is the same tag. */
const shown = (position: Position | undefined) => (position ? positionText(position) : 'none');

export function historyContract({ name, start }: HistoryCase): void {
  describe(`a history in ${name}`, () => {
    let bench: HistoryBench;
    let history: History;
    let room = 0;
    let channel: string;

    const append = (text: string | Buffer, rules: Partial<HistoryRules> = {}) =>
      history.append(channel, messageOf(text), { ...RULES, ...rules });
    const textsOf = async (after?: number, limit = 300) => {
      const { entries } = await history.read(channel, after, limit);
      return entries.map(({ message }) => message.bytes().toString());
    };

    beforeAll(async () => {
      bench = await start();
      ({ history } = bench);
    });
    beforeEach(async () => {
      channel = `r:room {${++room}} ü:`;
      await bench.subscribe([channel]);
      bench.clear();
    });
    afterAll(() => bench.stop());

    it('publishes each entry with its position and the tag before, in the order in which it is kept', async () => {
      const made = await Promise.all(['a', 'b', 'c'].map((text) => append(text)));
      expect(made.map(({ position }) => position.n)).toEqual([1, 2, 3]);
      expect(made.slice(1).map(({ previous }) => previous)).toEqual(made.slice(0, 2).map(({ position }) => position));
      expect(await bench.delivered(3)).toEqual(
        ['a', 'b', 'c'].map((text, index) => {
          const { position, previous } = made[index]!;
          return `${channel} ${positionText(position)} ${previous.tag} ${text}`;
        }),
      );
      const { top, base, entries } = await history.read(channel, undefined, 300);
      expect([top, base]).toEqual([made[2]!.position, made[0]!.previous]);
      expect(entries.map(({ position: { n, tag } }) => ({ n, tag }))).toEqual(made.map(({ position }) => position));
    });

    it('says when everything has arrived that was appended by then, though answers are faster', async () => {
      const megabyte = Buffer.alloc(1_000_000, 'x');
      for (const count of [4, 8]) {
        await Promise.all(Array.from({ length: 4 }, () => append(megabyte)));
        await Promise.all([bench.arrived(channel), bench.arrived(channel)]);
        expect((await bench.delivered(0)).length).toBe(count);
      }
    });

    it('keeps any bytes as they are, none and a megabyte included', async () => {
      const messages = [Buffer.from([0, 255, 13, 10, 0x7b, 32]), Buffer.alloc(0), Buffer.alloc(1_000_000, 'x')];
      for (const bytes of messages) await append(bytes);
      const { entries } = await history.read(channel, undefined, 300);
      expect(entries.map(({ message }, index) => message.bytes().equals(messages[index]!))).toEqual([true, true, true]);
      expect(entries.map(({ message }) => message.size)).toEqual([6, 0, 1_000_000]);
    });

    it('keeps the last entries of a room, and the tag before the oldest of them', async () => {
      const made = [];
      for (const text of ['a', 'b', 'c', 'd', 'e']) made.push(await append(text));
      const { base, entries } = await history.read(channel, undefined, 300);
      expect([await textsOf(), base]).toEqual([['c', 'd', 'e'], made[1]!.position]);
      expect(entries.map(({ message }) => message.size)).toEqual([1, 1, 1]);
      await append('f', { size: 1 });
      expect(await textsOf()).toEqual(['f']);
    });

    it('reads the newest entries, or the first ones after a number', async () => {
      for (const text of ['a', 'b', 'c', 'd', 'e']) await append(text, { size: 4 });
      expect(await textsOf(undefined, 2)).toEqual(['d', 'e']);
      expect([await textsOf(2, 2), await textsOf(0, 1), await textsOf(4)]).toEqual([['c', 'd'], ['b'], ['e']]);
      const above = await history.read(channel, 5, 300);
      expect([above.entries, above.base, await textsOf(999_999_999_999_999)]).toEqual([[], above.top, []]);
    });

    it('reads no more than 4 MiB at once, and one entry at least', async () => {
      const big = Buffer.alloc(1_900_000, 'x');
      for (let i = 0; i < 3; i++) await append(big);
      const { top, entries } = await history.read(channel, undefined, 300);
      expect(entries.map(({ position }) => position.n)).toEqual([top.n - 1, top.n]);
      expect((await history.read(channel, 0, 300)).entries.map(({ position }) => position.n)).toEqual([1, 2]);
      await append(Buffer.alloc(5_000_000), { size: 1 });
      expect((await history.read(channel, undefined, 300)).entries).toHaveLength(1);
    });

    it('creates a room when it is read, so that the position of an empty room holds', async () => {
      expect(await history.top([channel])).toEqual([undefined]);
      const { top, base, entries } = await history.read(channel, undefined, 300);
      expect([top, entries]).toEqual([{ n: 0, tag: expect.stringMatching(/^[\w-]{6}$/) }, []]);
      expect([base, (await history.read(channel, undefined, 300)).top]).toEqual([top, top]);
      expect((await append('a')).previous).toEqual(top);
    });

    it('never gives the same position twice, whatever it has forgotten', async () => {
      const seen = new Set<string>();
      for (let i = 0; i < 20; i++) {
        if (i % 2 === 0) seen.add(shown((await history.read(channel, undefined, 1)).top));
        const { position, previous } = await append('a');
        if (i % 2 === 1) seen.add(shown(previous));
        seen.add(shown(position));
        await bench.flush();
      }
      expect(seen.size).toBe(40);
      expect(await textsOf()).toEqual([]);
    });

    it('appends and publishes nothing for a key that is known, and reports the first entry', async () => {
      const first = await append('a', { key: 'k' });
      await append('b');
      expect(await append('c', { key: 'k' })).toEqual({ ...first, repeated: true });
      await append('d', { key: 'k2' });
      expect(await textsOf()).toEqual(['a', 'b', 'd']);
      expect((await bench.delivered(3)).map((text) => text.at(-1))).toEqual(['a', 'b', 'd']);
    });

    it('keeps the keys of rooms apart, whatever their names', async () => {
      const other = `${channel}x`;
      await append('a', { key: 'x:k' });
      expect(await history.append(other, messageOf('b'), { ...RULES, key: 'k' })).toMatchObject({ repeated: false });
      expect(await history.append(other, messageOf('c'), { ...RULES, key: 'x:k' })).toMatchObject({ repeated: false });
    });

    it('knows both of two appends with one key in the same turn', async () => {
      const [one, two] = await Promise.all([append('a', { key: 'k' }), append('b', { key: 'k' })]);
      expect([one.repeated, two.repeated, two.position]).toEqual([false, true, one.position]);
    });

    it('returns the newest positions of many rooms in the order of the question', async () => {
      const channels = Array.from({ length: 600 }, (_, index) => `${channel}${index}`);
      await Promise.all(channels.slice(0, 300).map((each) => history.append(each, messageOf('a'), RULES)));
      const tops = await history.top([...channels].reverse());
      expect(tops.map((top) => top?.n)).toEqual([...Array(300).fill(undefined), ...Array(300).fill(1)]);
      expect(await history.top([])).toEqual([]);
      expect(await history.top([channels[0]!], true)).toEqual([tops.at(-1)]);
    });

    it('appends 1,000 entries of one turn in order', async () => {
      const made = await Promise.all(Array.from({ length: 1000 }, (_, index) => append(String(index), { size: 1000 })));
      expect(made.map(({ position }) => position.n)).toEqual(made.map((_, index) => index + 1));
      expect((await bench.delivered(1000)).map((text) => text.split(' ').at(-1))).toEqual(
        made.map((_, index) => String(index)),
      );
      expect(await textsOf(undefined, 1000)).toHaveLength(1000);
    });
  });
}
