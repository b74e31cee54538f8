/** Schedules of pushes, faults and clients over the streams of one room on three nodes. */
import { STREAM_BOUNDS } from '../../../libs/realtime/src/history/stream-options.js';
import { seeded } from '../process-guard.js';
import { FakeClock } from './fake-clock.js';
import { SimClient } from './history-client.js';
import { SimConnection } from './history-connection.js';
import { Dice, SimEngine } from './history-engine.js';
import { SimNode } from './history-node.js';
import type { HistoryClasses } from './history-node-options.js';

/** Faults happen until then; afterwards every client must come to rest at the top of the room. */
const CHURN_MS = 60_000;
/** What a slow store still has to answer takes up to 60 s, and a quiet room is asked about after 45 s at the latest. */
const REST_MS = 120_000;

export class HistoryRun {
  readonly faults = new Set<string>();
  readonly clients: SimClient[];
  readonly nodes: SimNode[];
  pushes = 0;
  private readonly clock = new FakeClock();
  private readonly dice: Dice;
  private readonly engine: SimEngine;

  constructor(
    readonly seed: number,
    classes: HistoryClasses,
  ) {
    this.dice = new Dice(seeded(seed * 2_654_435_761));
    const { dice } = this;
    this.engine = new SimEngine(this.clock, dice, dice.pick([4, 12, 40]));
    const isSmall = dice.chance(0.3);
    const faults = dice.pick([0, 0, 0.01]);
    this.nodes = this.makeNodes(classes, isSmall, faults);
    this.clients = this.makeClients(classes, { order: !isSmall && faults === 0 });
  }

  private makeNodes(classes: HistoryClasses, isSmall: boolean, faults: number): SimNode[] {
    const { dice } = this;
    const options = {
      classes,
      bounds: { ...STREAM_BOUNDS, ...(isSmall && { maxItems: 4 }), maxEntries: dice.pick([6, 300]) },
      tailBytes: 228 * dice.pick([3, 8, 40]),
      lagMs: 15,
      roundTripMs: dice.pick([6, 6, 120]),
      faults,
      fault: (what: string) => this.fault(what),
    };
    return [1, 2, 3].map(() => new SimNode(this.engine, options));
  }

  private makeClients(classes: HistoryClasses, checks: { readonly order: boolean }): SimClient[] {
    const { dice, engine } = this;
    const dropsOldest = dice.chance(0.5);
    const world = {
      engine,
      checks,
      fault: (what: string) => this.fault(what),
      choose: () => dice.pick(this.nodes),
      connect: (id: string, client: SimClient, node: SimNode) =>
        new SimConnection(id, client, node, classes.RoomMember, dropsOldest),
    };
    return [1, 2, 3, 4, 5].map((no) => new SimClient(`c${no}`, world));
  }

  /** @returns the broken rules; none when everything held */
  async run(): Promise<string[]> {
    for (const client of this.clients) this.clock.after(this.dice.upTo(1000), () => client.connect());
    this.push();
    this.clock.after(2000, () => this.harm());
    await this.clock.until(CHURN_MS);
    this.mend();
    await this.clock.pass(REST_MS);
    this.checkRest();
    return [...this.faults];
  }

  private fault(what: string): void {
    this.faults.add(`${what} (schedule ${this.seed})`);
  }

  private push(): void {
    if (this.clock.now() > CHURN_MS) return;
    const { dice } = this;
    const node = dice.pick(this.nodes);
    if (!node.isStopped) {
      this.pushes++;
      const { connection } = dice.pick(this.clients);
      const except = connection && dice.chance(0.15) ? [connection.id] : [];
      node.push(except, (after) => {
        if (dice.chance(0.2)) node.publish({ kind: dice.chance(0.3) ? 'kick' : 'volatile', size: 100, after });
      });
    }
    this.clock.after(dice.chance(0.2) ? dice.upTo(6000) : dice.upTo(300), () => this.push());
  }

  private harm(): void {
    if (this.clock.now() > CHURN_MS) return;
    const node = this.dice.pick(this.nodes);
    const [, act] = FAULTS.find(([share]) => this.dice.chance(share)) ?? FAULTS.at(-1)!;
    act(this, node);
    this.clock.after(this.dice.upTo(2000), () => this.harm());
  }

  /** Ends everything that is wrong, and lets clients catch up. */
  private mend(): void {
    this.engine.isUp = true;
    this.engine.isSlow = this.engine.isRefusing = false;
    for (const node of this.nodes) node.isSlow = false;
    for (const { connection } of this.clients) connection?.unblock();
  }

  private checkRest(): void {
    const { top } = this.engine;
    for (const { connection, position } of this.clients) {
      if (!connection?.hasJoined) this.fault('a client that never joined');
      else if (!position) this.fault('a client without a position in the end');
      else if (position.n !== top?.n || position.tag !== top.tag) this.fault('a loss that is never repaired');
    }
  }

  /** For the faults. */
  get parts() {
    const { engine, clock, dice, clients, nodes } = this;
    return { engine, clock, dice, clients, nodes };
  }
}

type Fault = readonly [share: number, act: (run: HistoryRun, node: SimNode) => void];

/** The chance of each, if none before it has come. */
const FAULTS: readonly Fault[] = [
  [
    0.06,
    ({ parts: { dice, clients } }) => {
      const { connection } = dice.pick(clients);
      if (connection) connection.node.act(() => connection.isOpen && connection.leave());
    },
  ],
  [0.26, ({ parts: { dice, clients } }) => dice.pick(clients).connection?.lost()],
  [0.18, ({ parts: { dice, clients } }) => dice.pick(clients).connection?.block(dice.upTo(4000))],
  [0.16, (_run, node) => node.cut()],
  [0.1, (_run, node) => node.cutCommands()],
  [0.14, (_run, node) => node.wedge()],
  [0.12, (_run, node) => node.gap()],
  [
    0.14,
    ({ parts: { clock } }, node) => {
      node.isSlow = true;
      clock.after(3000, () => (node.isSlow = false));
    },
  ],
  [0.2, (_run, node) => node.kill()],
  [0.15, ({ parts: { dice } }, node) => node.stop(dice.upTo(8000))],
  [
    0.2,
    ({ parts: { engine, clock, dice, nodes } }) => {
      engine.isUp = false;
      for (const node of nodes) node.cut();
      clock.after(dice.upTo(9000), () => (engine.isUp = true));
    },
  ],
  [
    0.2,
    ({ parts: { engine, clock, dice } }) => {
      engine.isSlow = true;
      clock.after(dice.upTo(5000), () => (engine.isSlow = false));
    },
  ],
  [
    0.2,
    ({ parts: { engine, clock, dice } }) => {
      engine.isRefusing = true;
      clock.after(dice.upTo(3000), () => (engine.isRefusing = false));
    },
  ],
  [0.2, ({ parts: { engine } }) => engine.evict()],
  [0.4, ({ parts: { engine } }) => engine.save()],
  [
    0.7,
    ({ parts: { engine, dice, nodes }, seed }) => {
      if (seed % 2 === 0) return;
      engine.rollBack();
      for (const node of nodes) if (dice.chance(0.7)) node.cut();
    },
  ],
  [1, ({ parts: { engine }, seed }) => seed % 2 === 1 && engine.flush()],
];
