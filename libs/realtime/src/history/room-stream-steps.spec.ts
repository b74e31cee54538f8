/** Rules that the model does not need to find a loss, step by step. Each scenario differs when its rule is taken away. */
import { FakeClock } from '../../../../test/support/fakes/fake-clock.js';
import { mutants } from '../../../../test/support/mutants.js';
import type { Entry, HistoryWindow } from '../history.js';
import { before, placeOf, type Position } from '../position.js';
import { type MemberOutput, RoomMember } from './room-member.js';
import { RoomStream } from './room-stream.js';
import { STREAM_BOUNDS } from './stream-options.js';
import { Tails } from './tail.js';

interface Classes {
  readonly RoomStream: typeof RoomStream;
  readonly RoomMember: typeof RoomMember;
}

interface Other {
  readonly size: number;
  readonly text: string;
}

/** Entry n of a timeline: its tag is the letter and n. */
function entryOf(n: number, line = 'a', previousLine = line): Entry {
  const tag = (of: string, count: number) => of.repeat(3) + String(count).padStart(3, '0');
  const message = { size: 100, bytes: () => Buffer.alloc(100) };
  return { position: { n, tag: tag(line, n), previous: tag(previousLine, n - 1) }, message };
}

const at = (n: number, line = 'a'): Position => placeOf(entryOf(n, line).position);

function window(from: number, to: number, line = 'a'): HistoryWindow {
  const entries = Array.from({ length: to - from + 1 }, (_, index) => entryOf(from + index, line));
  return { top: at(to, line), base: entries[0] ? before(entries[0].position) : at(to, line), entries };
}

/** One room whose reads the scenario answers. */
class Room {
  readonly clock = new FakeClock();
  readonly log: string[] = [];
  readonly reads: { resolve: (window: HistoryWindow) => void; reject: () => void }[] = [];
  readonly tails = new Tails({ maxBytes: 300_000, maxTotalBytes: 300_000 });
  readonly stream: RoomStream<Other>;
  private readonly members: RoomMember[] = [];

  constructor(
    private readonly classes: Classes,
    bounds = STREAM_BOUNDS,
  ) {
    this.stream = new classes.RoomStream<Other>({
      read: () =>
        new Promise((resolve, reject) => this.reads.push({ resolve, reject: () => reject(new Error('away')) })),
      deliver: ({ text }, hears) => this.log.push(`${text} to ${this.members.filter(hears).length}`),
      clock: this.clock,
      tails: this.tails,
      bounds,
    });
  }

  /** @param takes whether an entry is taken. Default: all */
  member(name: string, takes: (n: number) => boolean = () => true): RoomMember {
    const say = (text: string) => this.log.push(`${name}: ${text}`);
    const output: MemberOutput = {
      entry: ({ position: { n, tag } }) => (takes(n) ? say(`${n}${tag[0]}`) > 0 : say(`${n} lost`) < 0),
      at: ({ n }) => say(`at ${n}`),
      gap: ({ reason, since, position }) => say(`${reason} ${since?.n ?? '?'} to ${position?.n ?? '?'}`),
      joined: ({ position, recovered, reason }) =>
        say(`joined ${position?.n ?? '?'} ${recovered ?? '-'} ${reason ?? '-'}`),
      isExcepted: () => false,
    };
    const member = new this.classes.RoomMember(output);
    this.members.push(member);
    return member;
  }

  async answer(read: HistoryWindow, index = this.reads.length - 1): Promise<void> {
    this.reads[index]!.resolve(read);
    await this.clock.pass(0);
  }

  /** Up, with one member, at 10, having kept 6 to 10. */
  async begin(): Promise<RoomMember> {
    this.stream.up();
    const member = this.member('m');
    void this.stream.join(member);
    await this.answer(window(6, 10));
    this.log.length = 0;
    return member;
  }
}

type Scenario = (room: Room) => Promise<unknown>;

const SMALL = { ...STREAM_BOUNDS, maxItems: 4, maxEntries: 8, maxReplayBytes: 750 };

const FILES = [
  'room-stream',
  'room-member',
  'members',
  'feed',
  'verdict',
  'backlog',
  'awaited-copies',
  'entry-ring',
  'stream-options',
  'tail',
]
  .map((name) => `history/${name}.ts`)
  .concat('position.ts');
const [STREAM, MEMBER, MEMBERS, FEED, VERDICT, BACKLOG, COPIES] = FILES as [string, ...string[]];

/** The rule, what happens, what is expected, and the rule taken away. */
const SCENARIOS: readonly (readonly [string, Scenario, unknown, readonly [file: string, from: string, to: string]])[] =
  [
    [
      '1: a hole is read at once, and what stood behind it waits',
      async (room) => {
        await room.begin();
        room.stream.entry(entryOf(12));
        room.stream.entry(entryOf(13));
        const reads = room.reads.length;
        await room.answer(window(8, 12));
        return [reads, room.log];
      },
      [2, ['m: 11a', 'm: 12a', 'm: 13a']],
      [STREAM, "if (this.state === 'live') this.repair();", ''],
    ],
    [
      '1: a copy of what is known stops nothing',
      async (room) => {
        await room.begin();
        room.stream.entry(entryOf(8));
        return [room.reads.length, room.stream.isLive, room.log];
      },
      [1, true, []],
      [FEED, 'return tail.knows(entry.position);', 'return false;'],
    ],
    [
      '2: an append that was answered during a read is awaited',
      async (room) => {
        await room.begin();
        room.stream.up();
        room.stream.appended(at(11));
        await room.clock.pass(1500);
        await room.answer(window(6, 10));
        await room.clock.pass(1000);
        return room.reads.length;
      },
      3,
      [COPIES, '!isOver || this.highest > n', 'this.highest > n'],
    ],
    [
      '2: an append whose copy has come costs no read',
      async (room) => {
        await room.begin();
        room.stream.appended(at(11));
        room.stream.entry(entryOf(11));
        await room.clock.pass(5000);
        return [room.reads.length, room.log];
      },
      [1, ['m: 11a']],
      [COPIES, '!this.isMissing(n) || this.late()', 'this.late()'],
    ],
    [
      '3: what has no position is delivered before the first entry that stood behind it on the wire',
      async (room) => {
        await room.begin();
        room.stream.up();
        room.stream.entry(entryOf(11));
        room.stream.other({ size: 1, text: 'x' });
        room.stream.entry(entryOf(12));
        room.stream.other({ size: 1, text: 'y' });
        await room.answer(window(8, 13));
        return room.log;
      },
      ['m: 11a', 'x to 1', 'm: 12a', 'm: 13a', 'y to 1'],
      [BACKLOG, '.find(({ entry }) => entry)', '.find(() => false)'],
    ],
    [
      '3: after a reset, what has no position is delivered after what was read',
      async (room) => {
        await room.begin();
        room.stream.up();
        room.stream.other({ size: 1, text: 'x' });
        room.stream.entry(entryOf(9, 'b', 'a'));
        const read = window(6, 10, 'b');
        const entries = [entryOf(7), entryOf(8), entryOf(9, 'b', 'a'), entryOf(10, 'b')];
        await room.answer({ top: read.top, base: before(entries[0]!.position), entries });
        return room.log;
      },
      ['m: reset 10 to 8', 'm: 9b', 'm: 10b', 'x to 1'],
      [FEED, "reason === 'reset' ? [] : items", 'items'],
    ],
    [
      '3: an older store goes on from the last entry that both have',
      async (room) => {
        await room.begin();
        room.stream.up();
        await room.answer({ top: at(10, 'b'), base: at(8), entries: [entryOf(9, 'b', 'a'), entryOf(10, 'b')] });
        return room.log;
      },
      ['m: reset 10 to 8', 'm: 9b', 'm: 10b'],
      [FEED, '|| tail.knows(base)', ''],
    ],
    [
      '3: an entry of a time that is gone is dropped without another read',
      async (room) => {
        await room.begin();
        room.stream.entry(entryOf(13));
        await room.answer(window(5, 9, 'b'));
        return [room.reads.length, room.stream.isLive];
      },
      [2, true],
      [STREAM, ' && readsBefore >= no)', ')'],
    ],
    [
      '3: entries that the full buffer has dropped are read again',
      async (room) => {
        await room.begin();
        room.stream.entry(entryOf(12));
        for (const n of [13, 14, 15, 16]) room.stream.entry(entryOf(n));
        await room.answer(window(9, 16));
        return room.reads.length;
      },
      3,
      [STREAM, 'if (hasDropped || this', 'if (this'],
    ],
    [
      '3: orders pass a full buffer rather than being lost',
      async (room) => {
        await room.begin();
        room.stream.up();
        for (const text of ['1', '2', '3', '4', '5']) room.stream.other({ size: 1, text });
        room.stream.entry(entryOf(12));
        await room.answer(window(7, 11));
        return [room.log, room.reads.length];
      },
      [['5 to 1', 'm: 11a', '1 to 1', '2 to 1', '3 to 1', '4 to 1'], 3],
      [BACKLOG, 'this.hasDropped ||= item.entry !== undefined;', ''],
    ],
    [
      '4: an invented position pauses nobody',
      async (room) => {
        await room.begin();
        void room.stream.join(room.member('liar'), at(7, 'z'));
        room.stream.entry(entryOf(11));
        const meanwhile = [...room.log];
        await room.answer(window(7, 11));
        return [meanwhile, room.log.at(-1), room.reads.length];
      },
      [['m: 11a'], 'liar: joined 11 false reset', 2],
      [STREAM, 'else if (this.isLive) this.look();', 'else if (this.isLive) this.repair();'],
    ],
    [
      '4: what came since the read is replayed too, without another read',
      async (room) => {
        await room.begin();
        void room.stream.join(room.member('n'), at(4));
        room.stream.entry(entryOf(11));
        await room.answer(window(4, 10));
        return [room.log.filter((text) => text.startsWith('n')).at(-2), room.reads.length];
      },
      ['n: 11a', 2],
      [VERDICT, ', ...(tail.after(top) ?? [])', ''],
    ],
    [
      '4: a read that began before a client came cannot convict it',
      async (room) => {
        await room.begin();
        void room.stream.join(room.member('n'), at(4));
        void room.stream.join(room.member('ahead'), at(12));
        await room.answer(window(4, 10));
        const first = [...room.log];
        await room.answer(window(6, 12));
        await room.answer(window(6, 12));
        return [first.filter((text) => text.startsWith('ahead')), room.log.at(-1)];
      },
      [[], 'ahead: joined 12 true -'],
      [MEMBERS, "typeof verdict === 'string' && no <= waiter.readsBefore", 'false'],
    ],
    [
      '4: a client gets no more than the bound at once',
      async (room) => {
        await room.begin();
        for (const n of [11, 12, 13]) room.stream.entry(entryOf(n));
        void room.stream.join(room.member('n'), at(6));
        void room.stream.join(room.member('o'), at(5));
        return [room.log.filter((text) => text.startsWith('n')).length, room.log.at(-1)];
      },
      [8, 'o: joined 13 false limit'],
      [MEMBERS, 'return bytes > this.bounds.maxReplayBytes;', 'return false;'],
    ],
    [
      '5: reads of a store that is away become rare',
      async (room) => {
        await room.begin();
        room.stream.up();
        for (let i = 0; i < 20; i++) {
          room.reads.at(-1)!.reject();
          await room.clock.pass(1000);
        }
        return room.reads.length;
      },
      10,
      [STREAM, 'pauseMsAfter(this.failures++)', 'pauseMsAfter(0)'],
    ],
    [
      '3: the answer of an abandoned read is ignored',
      async (room) => {
        await room.begin();
        room.stream.up();
        room.stream.up();
        await room.answer(window(6, 9, 'b'), 1);
        return [room.log, room.stream.position];
      },
      [[], at(10)],
      [STREAM, '(window) => no === this.reading && this.loaded(window, no)', '(window) => this.loaded(window, no)'],
    ],
    [
      '4: the room is repaired up to a client that is ahead of it',
      async (room) => {
        await room.begin();
        void room.stream.join(room.member('ahead'), at(12));
        await room.answer(window(6, 12));
        await room.answer(window(6, 12));
        return room.log;
      },
      ['m: 11a', 'm: 12a', 'ahead: joined 12 true -'],
      [STREAM, 'if (isBehind) this.repair();', ''],
    ],
    [
      '6: a top below where the room stood when it was asked is read',
      async (room) => {
        await room.begin();
        room.stream.checked(at(9), at(10));
        return [room.reads.length, room.log];
      },
      [2, []],
      [STREAM, 'top && top.n >= begun.n && ', 'top && '],
    ],
    [
      '6: a top with an unknown tag is read, and one that was passed meanwhile is not',
      async (room) => {
        await room.begin();
        room.stream.entry(entryOf(11));
        room.stream.checked(at(10), at(10));
        const reads = room.reads.length;
        room.stream.checked(at(11, 'b'), at(10));
        return [reads, room.reads.length];
      },
      [1, 2],
      [STREAM, 'top.n >= begun.n && this.feed.tail?.knows(top)', 'top.n >= begun.n'],
    ],
    [
      '4: who joins first, without a position, gets what comes while the room is read for it',
      async (room) => {
        room.stream.up();
        void room.stream.join(room.member('m'));
        room.stream.entry(entryOf(11));
        room.stream.other({ size: 1, text: 'x' });
        await room.answer(window(6, 10));
        room.stream.entry(entryOf(12));
        return room.log;
      },
      ['x to 1', 'm: 11a', 'm: joined 11 - -', 'm: 12a'],
      [FEED, 'if (this.isBefore(entry.position.n)) this.members.arrived(entry);', ''],
    ],
    [
      '4: it also gets what the read has found of that',
      async (room) => {
        room.stream.up();
        void room.stream.join(room.member('m'));
        room.stream.entry(entryOf(10));
        room.stream.entry(entryOf(11));
        void room.stream.join(room.member('late'));
        await room.answer(window(6, 11));
        return room.log;
      },
      ['m: 10a', 'm: 11a', 'm: joined 11 - -', 'late: joined 11 - -'],
      [MEMBERS, 'waiter.first ??= before(position)', 'waiter.first = before(position)'],
    ],
    [
      '4: it gets the last entries from before that as well',
      async (room) => {
        room.stream.up();
        void room.stream.join(room.member('m'), undefined, 2);
        for (const n of [10, 11, 12]) room.stream.entry(entryOf(n));
        await room.answer(window(6, 11));
        return room.log;
      },
      ['m: 8a', 'm: 9a', 'm: 10a', 'm: 11a', 'm: 12a', 'm: joined 12 - -'],
      [MEMBERS, 'this.newest(ring, last, from)', 'this.newest(ring, last, top)'],
    ],
    [
      '4: of a history that is shorter than what comes meanwhile, it gets what is kept',
      async (room) => {
        room.stream.up();
        void room.stream.join(room.member('m'));
        for (const n of [9, 10, 11]) room.stream.entry(entryOf(n));
        await room.answer(window(11, 11));
        return room.log;
      },
      ['m: 11a', 'm: joined 11 - -'],
      [MEMBERS, '?? ring.slice(0, ring.length)', '?? []'],
    ],
    [
      '4: what has no position waits for nobody who has joined, and reaches who is joining',
      async (room) => {
        room.stream.up();
        void room.stream.join(room.member('m'));
        void room.stream.join(room.member('back'), at(8));
        room.stream.other({ size: 1, text: 'x' }, false);
        await room.answer(window(6, 10));
        return room.log;
      },
      ['x to 1', 'm: joined 10 - -', 'back: 9a', 'back: 10a', 'back: joined 10 true -'],
      [MEMBERS, 'waiter !== undefined && !waiter.since', 'waiter !== undefined && false'],
    ],
    [
      '8: after the first loss of a replay nothing more is sent, and the client stands before it',
      async (room) => {
        await room.begin();
        let isSlow = true;
        const slow = room.member('s', (n) => n !== 9 || !isSlow);
        void room.stream.join(slow, at(7));
        room.stream.entry(entryOf(11));
        room.stream.other({ size: 1, text: 'x' });
        isSlow = false;
        room.stream.drained(slow);
        return room.log;
      },
      ['s: 8a', 's: 9 lost', 's: joined 8 true -', 'm: 11a', 'x to 1', 's: 9a', 's: 10a', 's: 11a'],
      [MEMBER, 'if (this.isBehind) return;', ''],
    ],
  ];

describe('the stream of a room', () => {
  it.each(SCENARIOS)('keeps rule %s', async (_rule, scenario, expected) => {
    expect(await scenario(new Room({ RoomStream, RoomMember }, SMALL))).toEqual(expected);
  });

  it.each(SCENARIOS)('does otherwise without rule %s', async (_rule, scenario, expected, [file, from, to]) => {
    const files = [STREAM, MEMBER!, ...FILES.filter((other) => other !== STREAM && other !== MEMBER)];
    type Exports = [Pick<Classes, 'RoomStream'>, Pick<Classes, 'RoomMember'>];
    const [{ RoomStream }, { RoomMember }] = await mutants<Exports>(files, { file, from, to }, 2);
    const classes = { RoomStream, RoomMember };
    expect(await scenario(new Room(classes, SMALL)).catch(String)).not.toEqual(expected);
  });

  it('frees the bytes of its tail when nobody needs the room any more', async () => {
    const room = new Room({ RoomStream, RoomMember });
    const member = await room.begin();
    expect(room.tails.bytes).toBe(5 * 228);
    room.stream.end();
    expect([room.tails.bytes, room.tails.size, member.whenJoined, room.stream.position]).toEqual([
      0,
      0,
      undefined,
      undefined,
    ]);
  });
});
