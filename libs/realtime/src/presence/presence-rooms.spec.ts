/**
 * Some hundred seeded schedules of the model in test/support; `npm run model:presence` runs as many thousands as
 * `SCHEDULES` says. Each rule that is taken away makes some schedule fail.
 */
import { DeployRun } from '../../../../test/support/fakes/presence-deploys.js';
import { PresenceRun } from '../../../../test/support/fakes/presence-model.js';
import type { PresenceClass } from '../../../../test/support/fakes/presence-node.js';
import { mutant } from '../../../../test/support/mutants.js';
import { PresenceRooms } from './presence-rooms.js';

/** The files that have no rules of their own, or one. */
const SMALL = ['own-parts', 'answer', 'changed-rooms', 'held-parts', 'patience', 'user-order'];

const SCHEDULES = Number(process.env['SCHEDULES'] ?? 40);
const FIRST = Number(process.env['FIRST_SCHEDULE'] ?? 1);

/** Runs schedules until one fails. @returns what failed in it */
async function faultsOf(of: PresenceClass, run: typeof PresenceRun, count: number, first = FIRST): Promise<string[]> {
  for (let seed = first; seed < first + count; seed++) {
    const faults = await new run(seed, of).run();
    if (faults.length > 0) return faults;
  }
  return [];
}

describe('schedules of users, lost messages, killed, stopped and separated nodes', () => {
  it('end with the truth on every node, and each member is told each change once', async () => {
    expect(await faultsOf(PresenceRooms, PresenceRun, SCHEDULES)).toEqual([]);
  });

  it('tell nobody anything while all nodes are replaced and every client comes back in time', async () => {
    expect(await faultsOf(PresenceRooms, DeployRun, SCHEDULES)).toEqual([]);
  });

  /** A rule, the text without it, and the schedule to begin with, where the first ones do not notice. */
  type Rule = [rule: string, file: string, from: string, to: string, first?: number];

  const ROOMS = 'presence/presence-rooms.ts';
  const ROOM = 'presence/presence-room.ts';
  const NODES = 'presence/other-nodes.ts';
  const SOURCE = 'presence/part-source.ts';
  const OWN = 'presence/own-part.ts';
  const OTHER = 'presence/other-part.ts';
  const SLOT = 'presence/slot.ts';
  it.each<Rule>([
    ['a version that is known is not applied again', OTHER, 'if (delta.v <= this.v) return NOTHING;', '', 84],
    ['a hole is asked about', OTHER, 'if (delta.v !== this.v + 1) return undefined;', '', 18],
    [
      'who is missing in a whole part has gone',
      OTHER,
      'if (!this.users.has(user)) touched.set',
      'if (false) touched.set',
    ],
    ['a part that was empty begins above all versions', OWN, 'this.v = Math.max(this.v, top);', 'this.v = 0;'],
    ['what was announced and is not known is asked about', NODES, 'if (behind.length === 0) return;', 'return;'],
    ['a node that has come is asked', NODES, 'this.wantAll(source);\n    if (this.isUp)', 'if (this.isUp)'],
    ['after an outage all nodes are asked', NODES, 'this.wantAll(source);\n      source.up();', 'source.up();', 62],
    ['the part of a node that has gone is forgotten', NODES, 'this.forget(node, graceMs);', ''],
    [
      'the part of another node is forgotten in the end',
      NODES,
      'room.forget(node);\n      this.rooms.touch(room);\n    });',
      '});',
    ],
    ['a question without an answer is repeated', SOURCE, 'this.giveUp();\n      this.isPaused = true;', 'return;'],
    ['the first member asks', ROOMS, 'this.others.want(name);\n      room.isHeard', 'room.isHeard', 23],
    ['a member gets the list once', ROOM, 'this.unlisted.clear();', ''],
    ['what was told is not told again', ROOM, 'if (isKnown && state === former) return undefined;', ''],
    ['the last change of a state wins on all nodes', SLOT, 'a.change === b.change && a.node > b.node', 'false', 24],
    ['changes are numbered above all that are known', ROOM, 'this.merged(user)?.change ?? 0,', '0,'],
    ['a user leaves when the grace time is over', ROOMS, 'end();\n      this.touch(room);', ''],
    ['a room without users and members is forgotten', ROOMS, 'if (!room.isInUse) this.close(room);', ''],
  ])('fail without the rule: %s', async (...[, file, from, to, first]: Rule) => {
    expect(await faultsOf(await without(file, from, to), PresenceRun, 150, first)).not.toEqual([]);
  });

  it.each<Rule>([
    ['a user who is lost stays for the grace time', ROOMS, 'const holdMs = this.graceMs(name) +', 'const holdMs ='],
    ['on a node that stops they stay longer', ROOMS, '(this.isStopping ? this.options.spreadMs : 0)', '0', 10],
    ['the part of a node that has stopped stays longer', ROOMS, 'went(node, this.options.spreadMs)', 'went(node, 0)'],
    ['the part of a lost node stays for the grace time', NODES, 'clock, graceMs + extraMs,', 'clock, extraMs,'],
    ['a node that stops leaves its part with the others', 'presence/own-parts.ts', 'rooms.length > 0', 'false', 19],
    ['who is found is no news', ROOM, 'this.view.set(user, this.merged(user)!.state);', ';'],
  ])('tell something without the rule: %s', async (...[, file, from, to, first]: Rule) => {
    expect(await faultsOf(await without(file, from, to), DeployRun, 400, first)).not.toEqual([]);
  });

  async function without(file: string, from: string, to: string): Promise<PresenceClass> {
    const others = [ROOM, NODES, SOURCE, OWN, OTHER, SLOT, ...SMALL.map((name) => `presence/${name}.ts`)];
    return (await mutant<{ PresenceRooms: PresenceClass }>([ROOMS, ...others], { file, from, to })).PresenceRooms;
  }
});
