/**
 * Random schedules of workers that come, go, die, subscribe and publish. Each has a seed, which its failure names.
 * SCHEDULES=2000 runs more of them: npm run model:workers
 */
import { setImmediate as turn } from 'node:timers/promises';
import { MeshNode } from '../support/fakes/mesh-node.js';
import { seeded, until } from '../support/process-guard.js';
import { seed } from '../support/random.js';
import { WorkersFolder } from '../support/workers.js';

const SCHEDULES = Number(process.env['SCHEDULES'] ?? 60);
const STEPS = 60;
const CHANNELS = ['a', 'b', 'c'];

interface Sent {
  readonly number: number;
  readonly from: MeshNode;
  readonly channel: string;
  /** Who had subscribed when it was published. */
  readonly to: readonly MeshNode[];
  readonly receivers: Promise<number | undefined>;
}

class Schedule {
  readonly nodes: MeshNode[] = [];
  readonly sent: Sent[] = [];
  private readonly tasks: Promise<unknown>[] = [];
  private readonly random: () => number;

  constructor(
    seed: number,
    private readonly folder: WorkersFolder,
    private readonly canDie: boolean,
  ) {
    this.random = seeded(seed);
  }

  async run(): Promise<void> {
    await Promise.all([this.join(), this.join()]);
    for (let step = 0; step < STEPS; step++) {
      this.step();
      if (this.random() < 0.4) await turn();
    }
    await Promise.all(this.tasks);
    await Promise.all(this.sent.map(({ receivers }) => receivers));
  }

  private get ready(): MeshNode[] {
    return this.nodes.filter(({ isAlive, states }) => isAlive && states.at(-1) !== 'down' && states.length > 0);
  }

  private pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.random() * items.length)]!;
  }

  private step(): void {
    const chance = this.random();
    const { ready } = this;
    if (chance < 0.04 && this.nodes.filter(({ isAlive }) => isAlive).length < 6) this.tasks.push(this.join());
    else if (chance < 0.07 && ready.length > 1) this.tasks.push(this.leave(this.pick(ready)));
    else if (chance < 0.09 && ready.length > 1 && this.canDie) this.pick(ready).die();
    else if (chance < 0.25 && ready.length > 0) this.tasks.push(this.subscribe(this.pick(ready)));
    else if (ready.length > 0) this.publish(this.pick(ready));
  }

  private async join(): Promise<void> {
    const node = new MeshNode(`n${this.nodes.length}`, this.folder);
    this.nodes.push(node);
    await node.start();
  }

  /** It is not told to publish any more, and what it has published has come back: as a node that shuts down. */
  private async leave(node: MeshNode): Promise<void> {
    node.channels.clear();
    node.states.push('down');
    await Promise.all(this.sent.filter(({ from }) => from === node).map(({ receivers }) => receivers));
    await node.stop();
  }

  private async subscribe(node: MeshNode): Promise<void> {
    const channel = this.pick(CHANNELS);
    await node.subscribe(channel).then(
      () => node.isAlive && !node.channels.has(channel) && node.channels.set(channel, this.sent.length),
      () => {},
    );
  }

  private publish(from: MeshNode): void {
    const channel = this.pick(CHANNELS);
    const to = this.nodes.filter(({ isAlive, channels }) => isAlive && channels.has(channel));
    const number = this.sent.length;
    const receivers = from.publish(channel, `${from.id} ${number}`);
    this.sent.push({ number, from, channel, to, receivers });
  }
}

const textOf = ({ channel, from, number }: Sent) => `${channel} ${from.id} ${number}`;

async function check({ nodes, sent }: Schedule, canDie: boolean): Promise<void> {
  for (const node of nodes) {
    expect(new Set(node.heard).size).toBe(node.heard.length);
    for (const from of nodes) expectRising(node.heard.filter((text) => text.split(' ')[1] === from.id));
  }
  for (const one of sent) {
    const receivers = await one.receivers;
    const staying = one.to.filter(({ isAlive, hasMissed }) => isAlive && !hasMissed);
    if (receivers === undefined) continue;
    for (const node of staying)
      await until(
        `${textOf(one)} at ${node.id}`,
        () => node.heard,
        (all) => all.includes(textOf(one)),
      );
  }
  if (!canDie) for (const one of nodes) for (const other of nodes) expectSameOrder(one.heard, other.heard);
}

function expectRising(texts: readonly string[]): void {
  const numbers = texts.map((text) => Number(text.split(' ')[2]));
  expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
}

/** What both have heard, they have heard in one order. */
function expectSameOrder(one: readonly string[], other: readonly string[]): void {
  const [mine, theirs] = [new Set(one), new Set(other)];
  expect(one.filter((text) => theirs.has(text))).toEqual(other.filter((text) => mine.has(text)));
}

describe.each([
  ['that come and go, every message comes once, and in one order', false],
  ['that also die, no message comes twice, and none is lost without a gap', true],
])('among workers %s', (_name, canDie) => {
  it(
    `in ${SCHEDULES} random schedules`,
    async () => {
      for (let index = 0; index < SCHEDULES; index++) {
        const own = (seed + index) | 0;
        const folder = new WorkersFolder();
        const schedule = new Schedule(own, folder, canDie);
        try {
          await schedule.run();
          await check(schedule, canDie);
        } catch (error) {
          throw new Error(`Schedule ${index} fails. To repeat it: SCHEDULES=1 FUZZ_SEED=${own}`, { cause: error });
        } finally {
          await Promise.all(schedule.nodes.filter(({ isAlive }) => isAlive).map((node) => node.stop()));
          await folder.stop();
        }
      }
    },
    60_000 + SCHEDULES * 1000,
  );
});
