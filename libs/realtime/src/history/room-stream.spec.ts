/**
 * Some hundred seeded schedules of the model in test/support; `npm run model:history` runs as many thousands as
 * `SCHEDULES` says. Each rule that is taken away makes some schedule fail.
 */
import { HistoryRun } from '../../../../test/support/fakes/history-model.js';
import type { HistoryClasses } from '../../../../test/support/fakes/history-node-options.js';
import { type Mutation, mutants } from '../../../../test/support/mutants.js';
import { RoomMember } from './room-member.js';
import { RoomStream } from './room-stream.js';
import { Tails } from './tail.js';
import { TopCheck } from './top-check.js';

const SCHEDULES = Number(process.env['SCHEDULES'] ?? 200);
const FIRST = Number(process.env['FIRST_SCHEDULE'] ?? 1);
/** So many schedules may pass before one notices that a rule is gone. */
const MUTANT_SCHEDULES = 400;

const CLASSES: HistoryClasses = { RoomStream, RoomMember, Tails, TopCheck };
const FILES = [
  'room-stream',
  'room-member',
  'tail',
  'top-check',
  'members',
  'feed',
  'verdict',
  'backlog',
  'awaited-copies',
  'entry-ring',
  'stream-options',
]
  .map((name) => `history/${name}.ts`)
  .concat('position.ts');

/** Runs schedules until one fails. @returns what failed in it */
async function faultsOf(classes: HistoryClasses, count: number): Promise<string[]> {
  for (let seed = FIRST; seed < FIRST + count; seed++) {
    const faults = await new HistoryRun(seed, classes).run();
    if (faults.length > 0) return [...faults, `repeat: FIRST_SCHEDULE=${seed} SCHEDULES=1 npm run model:history`];
  }
  return [];
}

type Exports = [
  Pick<HistoryClasses, 'RoomStream'>,
  Pick<HistoryClasses, 'RoomMember'>,
  Pick<HistoryClasses, 'Tails'>,
  Pick<HistoryClasses, 'TopCheck'>,
];

/** The classes with one rule taken away. */
async function without(mutation: Mutation): Promise<HistoryClasses> {
  const [{ RoomStream }, { RoomMember }, { Tails }, { TopCheck }] = await mutants<Exports>(FILES, mutation, 4);
  return { RoomStream, RoomMember, Tails, TopCheck };
}

describe('schedules of pushes, outages, lost messages, rollbacks and slow clients', () => {
  it('break no rule', async () => {
    expect(await faultsOf(CLASSES, SCHEDULES)).toEqual([]);
  });

  const [STREAM, MEMBER, , CHECK, MEMBERS, FEED, VERDICT, , COPIES] = FILES as [string, ...string[]];
  it.each([
    ['1: a hole is seen', FEED, 'if (!tail.isNext(entry.position)) return tail.knows(entry.position);', ''],
    [
      '1: no position without a gap',
      FEED,
      "this.tail ?? this.goOnFrom('unavailable', before(entry.position))",
      '(this.tail ??= new Tail(this.options.tails, before(entry.position)))',
    ],
    ['2: up ends it', STREAM, "if (this.state !== 'cold') this.load();", ''],
    [
      '2: a gap is repaired at once',
      STREAM,
      "this.isUp = true;\n    if (this.state === 'live') this.state = 'repairing';",
      'this.isUp = true;',
    ],
    ['2: an own append that does not come', COPIES, '!this.isMissing(n) || this.late()', 'true'],
    ['2: later appends are awaited too', COPIES, '!isOver || this.highest > n', '!isOver'],
    ['3: what was missed is delivered', FEED, '.after(this.tail.top);', '.after(window.top);'],
    [
      '3: the place of what arrived meanwhile',
      FEED,
      'this.deliverAll(weave(missed, items));',
      'this.deliverAll(items);\n    this.deliverAll(weave(missed, items));',
    ],
    ['5: a volatile push does not wait while the broker is away', STREAM, 'hasPlace && this.isUp', 'hasPlace'],
    ['5: nor one that has waited for a read', STREAM, 'this.feed.others(this.backlog.takeOthers());', ''],
    ['3: what is on its way is waited for', FEED, 'await this.options.arrived?.();', 'await undefined;'],
    ['3: the whole window after an expiry', FEED, "|| reason !== 'reset' ||", '||'],
    ['3: the reset is told', FEED, 'this.members.gap(reason, position);', ''],
    ['3: a failed read is repeated', STREAM, "if (this.state === 'repairing' && !this.reading) this.load();", ''],
    ['4: the tail is replayed', MEMBERS, 'since ? tail.after(since) : this.lastOf(tail, last)', '[]'],
    ['4: ahead of the room', VERDICT, ": 'behind';", ': [];'],
    [
      '4: each is judged by itself',
      MEMBERS,
      'judge(waiter.since, window, tail, this.bounds.maxEntries)',
      '(tail.after(waiter.since) ?? [])',
    ],
    ['5: nobody waits while the store is away', STREAM, 'if (!this.isUp || (this.isLive', 'if ((this.isLive'],
    [
      '5: nobody waits for the first read while it is away',
      STREAM,
      "if (!this.isUp) return this.state === 'filling' ? this.goOn() : undefined;",
      'if (!this.isUp) return;',
    ],
    [
      '5: waits end when it goes',
      STREAM,
      'this.reading = this.looking = 0;\n    if',
      'this.reading = this.looking = 0;\n    return;\n    if',
    ],
    [
      '5: waits end when a read fails',
      STREAM,
      '  private retry(): void {\n    this.members.refuse(this.feed.tail);',
      '  private retry(): void {',
    ],
    [
      '5: a room nobody knows is read again',
      STREAM,
      'if (this.isLive && !this.feed.tail && this.isUp) this.look();',
      '',
    ],
    ['6: quiet rooms are checked', CHECK, 'watched.quiet >= QUIET_TICKS', 'false'],
    [
      '6: a read decides, not the check',
      STREAM,
      '&& this.feed.tail?.knows(top))) this.repair();',
      '&& this.feed.tail?.knows(top))) this.feed.catchUp({ top: top ?? begun, base: top ?? begun, entries: [] }, []);',
    ],
    [
      '8: a member without the feed gets nothing else',
      MEMBERS,
      'if (this.live.delete(member)) this.suspended.add(member);',
      'this.suspended.add(member);',
    ],
    [
      '8: a drop from the queue ends it too',
      STREAM,
      'return member.lost(entry);',
      'member.lost(entry);\n    member.isBehind = false;\n    return { reason: "slow" };',
    ],
    ['8: from its own position', STREAM, 'this.admit(member, member.position);', 'this.admit(member, undefined);'],
    ['8: when it has caught up', STREAM, 'if (this.members.isSuspended(member)) this.admit', 'if (false) this.admit'],
    ['8: or a gap', MEMBERS, 'else if (reason) member.gap(reason, position);', ''],
    ['9: a gap names where it begins', MEMBER, 'since: this.position, position }', 'position }'],
    [
      '9: a gap names where it ends',
      MEMBER,
      'since: this.position, position }',
      'since: this.position, position: this.position }',
    ],
    ['10: past what is not for it', MEMBER, 'if (isExcepted) this.output.at(this.position);', ''],
    ['10: except in a replay', MEMBERS, 'member.entry(entry, !isBack)', 'member.entry(entry, isBack)'],
    ['11: a second join shares the promise', STREAM, 'if (member.whenJoined) return member.whenJoined;', ''],
    ['11: a leave ends a join', MEMBERS, 'this.waiters.delete(member);', ''],
  ])('fail without the rule %s', async (_rule, file, from, to) => {
    expect(await faultsOf(await without({ file, from, to }), MUTANT_SCHEDULES)).not.toEqual([]);
  });
});
