/**
 * Two hundred seeded schedules of the model in test/support; `npm run model:orders` runs as many thousands as
 * `SCHEDULES` says. Each rule that is taken away makes some schedule fail.
 */
import { OrdersRun } from '../../../../test/support/fakes/orders-model.js';
import type { OrderClasses } from '../../../../test/support/fakes/orders-node.js';
import { mutant } from '../../../../test/support/mutants.js';
import { GivenOrders } from './given-orders.js';
import { ObeyedOrders } from './obeyed-orders.js';
import { OrderIds } from './order-ids.js';
import { Replaces } from './replaces.js';

const SCHEDULES = Number(process.env['SCHEDULES'] ?? 100);
const FIRST = Number(process.env['FIRST_SCHEDULE'] ?? 1);
const CLASSES: OrderClasses = { GivenOrders, ObeyedOrders, Replaces, OrderIds };

type Rule = [rule: string, file: string, from: string, to: string, first?: number];

/** Runs schedules until one fails. @returns what failed in it, and the command that repeats it */
async function faultsOf(classes: OrderClasses, count: number, first = FIRST): Promise<string[]> {
  for (let seed = first; seed < first + count; seed++) {
    const faults = await new OrdersRun(seed, classes).run();
    if (faults.length > 0) return [...faults, `SCHEDULES=1 FIRST_SCHEDULE=${seed} npm run model:orders`];
  }
  return [];
}

describe('schedules of orders over a broker that loses, repeats and delays', () => {
  it('break no rule', async () => {
    expect(await faultsOf(CLASSES, SCHEDULES)).toEqual([]);
  });

  const GIVEN = 'cluster/given-orders.ts';
  const LOST = 'cluster/lost-nodes.ts';
  const OBEYED = 'cluster/obeyed-orders.ts';
  const REPLACES = 'cluster/replaces.ts';
  const IDS = 'cluster/order-ids.ts';

  // The number is of a schedule near which the rule is first missed
  it.each<Rule>([
    [
      'a copy to each node',
      GIVEN,
      'for (const node of [...kept.waitsFor]) this.copy(kept, node);\n      this.settleIf',
      'this.settleIf',
    ],
    [
      'repeated until it is acknowledged',
      GIVEN,
      'this.lostNodes.has(node)) this.copy(kept, node);',
      'true) this.copy(kept, node);',
    ],
    ['settles in a second', GIVEN, 'givenAt + settleMs <= now)) this.settle(kept);', 'false)) this.settle(kept);'],
    ['settles in a second, not sooner', GIVEN, 'givenAt + settleMs <= now)', 'givenAt <= now)'],
    ['the timer serves the first that is due', GIVEN, 'Math.min(settleAt, ', 'Math.min('],
    ['the timer is never too late for what is given next', GIVEN, 'Math.min(repeatMs, settleMs, keepMs, ', 'Math.max('],
    [
      'does not wait for lost nodes',
      GIVEN,
      '!this.isUp || this.lostNodes.hasAll(kept.waitsFor)) this.settle',
      '!this.isUp) this.settle',
    ],
    ['does not wait while the broker is away', GIVEN, 'for (const kept of [...this.open]) this.settle(kept);', ''],
    [
      'nothing waits that is given while the broker is away',
      GIVEN,
      '!this.isUp || this.lostNodes.hasAll(kept.waitsFor)) this.settle',
      'this.lostNodes.hasAll(kept.waitsFor)) this.settle',
    ],
    [
      'kept for lost nodes',
      GIVEN,
      'this.lostNodes.add(node);',
      'this.lostNodes.add(node); this.left(node); this.lostNodes.add(node);',
    ],
    ['given to lost nodes too', GIVEN, 'return this.lostNodes.ids;', 'return [];', 95],
    [
      'sent when a node comes back',
      GIVEN,
      'for (const kept of this.waitingFor(node)) {',
      'for (const kept of [] as Kept[]) {',
    ],
    [
      'a node that is back is waited for',
      GIVEN,
      'came(node: NodeId): void {\n    this.lostNodes.delete(node);',
      'came(node: NodeId): void {',
      25,
    ],
    ['repeated to a node that is back', GIVEN, 'if (!this.repeats.has(kept)) this.repeatLater(kept);', '', 25],
    [
      'sent and repeated when the broker is back',
      GIVEN,
      'for (const kept of [...this.kept.values()]) {',
      'for (const kept of [] as Kept[]) {',
    ],
    [
      'repeated when the broker is back',
      GIVEN,
      'this.copy(kept, node);\n      this.repeatLater(kept);\n    }\n    this.watch();\n  }\n\n  /** Gives up',
      'this.copy(kept, node);\n    }\n    this.watch();\n  }\n\n  /** Gives up',
    ],
    [
      'nothing is kept for a node that has stopped',
      GIVEN,
      'for (const kept of this.waitingFor(node)) this.delivered(kept, node);',
      '',
    ],
    ['given up when it is too old', GIVEN, 'for (const kept of old) this.remove(kept);', ''],
    ['counted when it is too old', GIVEN, 'if (old.length > 0) this.dropped(old.length);', ''],
    ['counted when there are too many', GIVEN, 'this.dropped(1);', ''],
    ['a failed copy is sent again', GIVEN, '// Repeated in repeatMs', 'this.kept.clear();'],
    [
      'obeyed once',
      OBEYED,
      'const seen = this.find(copy) ?? this.remember(copy);',
      'const seen = this.remember(copy);',
    ],
    ['not again while it is being obeyed', OBEYED, "seen.state = 'obeying';", "seen.state = 'passed';"],
    [
      'waits for its place on the channel',
      OBEYED,
      'if (this.obedience.isOn(copy.order.to)) this.wait',
      'if (false) this.wait',
    ],
    ['does not wait for ever', OBEYED, 'this.clock.soon(() => expire(before));', ''],
    [
      'reads what has come before it gives up the place',
      OBEYED,
      'this.clock.soon(() => expire(before));',
      'expire(before);',
    ],
    [
      'acknowledged when it is obeyed',
      OBEYED,
      'await this.obedience.obey(copy.order, copy.except, copy.from, copy.hasPlace === true);',
      'void Promise.resolve(this.obedience.obey(copy.order, copy.except, copy.from, true)).catch(() => {});',
    ],
    ['a failure counts as obeyed', OBEYED, '// It counts as obeyed', 'return;'],
    [
      'acknowledged without members',
      OBEYED,
      "const seen = this.find(copy) ?? this.begin(copy);\n    if (seen.state === 'passed' || seen.state === 'obeyed') this.acknowledge(copy);",
      "const seen = this.find(copy) ?? this.begin(copy);\n    if (seen.state === 'obeyed') this.acknowledge(copy);",
    ],
    [
      'a repetition that was passed is not obeyed',
      OBEYED,
      'if (!this.obedience.hasMembers(copy.order.to)) return seen;',
      'if (!this.obedience.hasMembers(copy.order.to)) this.seen.delete(keyOf(copy));\n    if (!this.obedience.hasMembers(copy.order.to)) return seen;',
    ],
    [
      'acknowledged again',
      OBEYED,
      "const seen = this.find(copy) ?? this.begin(copy);\n    if (seen.state === 'passed' || seen.state === 'obeyed') this.acknowledge(copy);",
      "if (this.find(copy)) return;\n    const seen = this.begin(copy);\n    if (seen.state === 'passed') this.acknowledge(copy);",
    ],
    [
      'its own is not acknowledged',
      OBEYED,
      'if (this.isStopped || from === this.options.self) return;\n    try',
      'if (this.isStopped) return;\n    try',
    ],
    [
      'its own is obeyed',
      OBEYED,
      "const seen = this.find(copy) ?? this.begin(copy);\n    if (seen.state === 'passed' || seen.state === 'obeyed') return Promise",
      "const seen = this.remember(copy);\n    if (seen.state === 'passed' || seen.state === 'obeyed') return Promise",
    ],
    [
      'its own resolves when it is obeyed',
      OBEYED,
      'return new Promise((resolve) => (seen',
      'return Promise.resolve() ?? new Promise((resolve) => (seen',
    ],
    [
      'forgotten in the end',
      OBEYED,
      '({ at }) => at <= before)) this.forgetOldest();',
      '() => false)) this.forgetOldest();',
    ],
    ['of several nodes apart', OBEYED, '`${from} ${order.id}`', '`${order.id}`'],
    ['a smaller pair closes nobody', REPLACES, 'isGreater(own, id, by) ?', 'false ?'],
    ['a greater pair closes', REPLACES, 'isGreater(own, id, by) ?', 'true ?'],
    ['ids are compared', REPLACES, 'own.id === id ? own.connectionId > by : own.id > id', 'own.connectionId > by'],
    ['connections are compared where ids are equal', REPLACES, 'own.id === id ? own.connectionId > by : ', ''],
    ['a pair is remembered', REPLACES, 'if (at > before && this.last.size <= maxRemembered) return;', ''],
    [
      'the last pair counts',
      REPLACES,
      'begin(userId: string, connectionId: string, id: number): void {',
      'begin(userId: string, connectionId: string, id: number): void {\n    if (this.last.has(userId)) return;',
    ],
    ['an id is greater than those seen', IDS, 'this.last = Math.max(this.last, id)', 'void id'],
  ])('fail without the rule: %s', async (_rule, file, from, to, first = FIRST) => {
    const change = { file, from, to };
    const classes = {
      ...CLASSES,
      ...(file === GIVEN && (await mutant<OrderClasses>([GIVEN, LOST, 'cluster/sets.ts'], change))),
      ...(file === OBEYED && (await mutant<OrderClasses>([OBEYED, 'cluster/sets.ts'], change))),
      ...(file === REPLACES && (await mutant<OrderClasses>([REPLACES, OBEYED, 'cluster/sets.ts'], change))),
      ...(file === IDS && (await mutant<OrderClasses>([IDS], change))),
    };
    expect(await faultsOf(classes, 100, first)).not.toEqual([]);
  });
});
