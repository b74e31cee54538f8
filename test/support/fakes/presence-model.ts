/** Nodes, a lossy broker, and users who come, go and return at random: one schedule, and every rule that it breaks. */
import type { RoomChange } from '../../../libs/realtime/src/presence/presence-room.js';
import { seeded } from '../process-guard.js';
import { LossyBus } from './lossy-bus.js';
import { ManualClock } from './manual-clock.js';
import { type Client, restFaults, ROOMS } from './presence-truth.js';
import { GRACE_MS, LOST_MS, type Message, type PresenceClass, PresenceNode, Tab, TIMES } from './presence-node.js';

/** Users and troubles come and go until then; afterwards everything must come to rest. */
const CHURN_MS = 40_000;
/** Nodes that stood still may take so long to come back. */
const STOPPED_MS = 20_000;
/** What docs/presence.md states, and the time for questions that were lost. */
export const REST_MS = STOPPED_MS + LOST_MS + GRACE_MS + TIMES.spreadMs + 8 * TIMES.askMs + 4 * TIMES.announceMs;
/** Within this time clients of a node that stops come back: a little less than they may take. */
const LATE_MS = TIMES.spreadMs + GRACE_MS - 200;

export class PresenceRun {
  readonly faults = new Set<string>();
  /** What members and hooks were told, and where. */
  readonly events: (RoomChange & { readonly node: string; readonly room: string; readonly at: number })[] = [];
  readonly nodes: PresenceNode[] = [];
  protected readonly time = new ManualClock();
  protected readonly random: () => number;
  protected readonly bus: LossyBus<Message>;
  readonly clients: Client[] = [];
  private boots = 0;
  private states = 0;

  constructor(
    readonly seed: number,
    private readonly of: PresenceClass,
  ) {
    this.random = seeded(seed * 7919);
    this.bus = new LossyBus(this.time, this.random);
  }

  /** @returns the broken rules; none when everything held */
  async run(): Promise<string[]> {
    await this.play().catch((error: Error) => this.fault(String(error.stack)));
    return [...this.faults];
  }

  fault(what: string): void {
    this.faults.add(`${what} (schedule ${this.seed})`);
  }

  event(node: PresenceNode, room: string, change: RoomChange): void {
    this.events.push({ ...change, node: node.name, room, at: this.time.now() });
  }

  protected async play(): Promise<void> {
    this.bus.lossRate = this.seed % 3 === 0 ? 0.2 : 0;
    this.bus.repeatRate = this.seed % 2 === 0 ? 0.1 : 0;
    this.bus.maxDelayMs = this.pick([5, 60, 400]);
    const count = 2 + Math.floor(this.random() * 4);
    for (let index = 0; index < count; index++) this.boot();
    for (let index = 0; index < 6; index++) {
      this.clients.push({ user: `u${index % 4}`, room: this.pick(ROOMS) });
    }
    this.churn();
    this.trouble();
    await this.time.pass(CHURN_MS);
    this.bus.lossRate = 0;
    this.bus.isSplit = () => false;
    await this.time.pass(REST_MS);
    this.checkRest();
    const last = this.clients.filter(({ tab }) => tab !== undefined);
    for (const client of last) {
      this.present(client, 'last');
      await this.time.pass(3000);
      this.checkState(client);
    }
  }

  protected boot(): PresenceNode {
    const name = `n${++this.boots}`;
    const node = new PresenceNode(name, this.of, this.time, this.bus, this.random, this);
    this.nodes.push(node);
    return node;
  }

  protected pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.random() * items.length)]!;
  }

  protected later(maxMs: number, task: () => void): void {
    this.time.after(1 + Math.floor(this.random() * maxMs), task);
  }

  protected get usable(): PresenceNode[] {
    return this.nodes.filter(({ isUsable }) => isUsable);
  }

  protected connect(client: Client): void {
    const { usable } = this;
    if (client.tab || usable.length === 0) return;
    client.node = this.pick(usable);
    client.tab = new Tab(client.user, client.room);
    client.node.open(client.tab);
    if (client.state !== undefined) client.node.present(client.tab, client.state);
  }

  /** The client loses its connection, and mostly comes back. */
  protected drop(client: Client, backMs: number): void {
    const { node, tab } = client;
    client.tab = client.node = undefined;
    if (tab) node?.lose(tab);
    if (backMs > 0) this.later(backMs, () => this.connect(client));
  }

  private churn(): void {
    if (this.time.now() > CHURN_MS) return;
    const client = this.pick(this.clients);
    const dice = this.random();
    const { node, tab } = client;
    if (!tab || !node) this.connect(client);
    else if (node.isUsable && dice < 0.3) this.present(client);
    else if (node.isUsable && dice < 0.4) this.leave(client);
    else this.drop(client, this.pick([0, 100, 3000, 9000]));
    this.later(this.random() < 0.3 ? 10 : 1500, () => this.churn());
  }

  private present(client: Client, of = String(++this.states % 3)): void {
    client.state = JSON.stringify({ of, at: of === 'last' ? this.time.now() : 0 });
    client.node!.present(client.tab!, client.state);
  }

  private leave(client: Client): void {
    client.node!.leaveRoom(client.tab!);
    client.tab = client.node = undefined;
  }

  // --- troubles ---

  private trouble(): void {
    if (this.time.now() > CHURN_MS) return;
    this.later(6000, () => this.trouble());
    if (this.nodes.length === 0) return;
    const node = this.pick(this.nodes);
    const dice = this.random();
    if (dice < 0.2) this.kill(node);
    else if (dice < 0.25) for (const each of [node, this.pick(this.nodes)]) this.kill(each);
    else if (dice < 0.4) this.stop(node);
    else if (dice < 0.55) this.outage(node, this.pick([500, 3000, 15_000]));
    else if (dice < 0.65) for (const each of this.nodes) this.outage(each, this.pick([500, 3000, 15_000]));
    else if (dice < 0.8) this.split(this.pick([500, 4000, 15_000]));
    else this.drain(node);
  }

  /** Its clients see the end of their connections, and come back. */
  protected kill(node: PresenceNode, backMs = 3000): void {
    if (node.process.isDead) return;
    node.kill();
    this.sendAway(node, backMs);
    this.nodes.splice(this.nodes.indexOf(node), 1);
    this.later(2000, () => this.boot());
  }

  protected sendAway(node: PresenceNode, backMs: number): void {
    for (const client of this.clients) if (client.node === node) this.drop(client, backMs);
  }

  /** Its clients wait, or their heartbeat finds it silent and they go elsewhere. */
  private stop(node: PresenceNode): void {
    if (!node.isUsable || this.usable.length < 2) return;
    node.process.stall();
    if (this.random() < 0.5) this.later(4000, () => this.sendAway(node, 2000));
    this.time.after(this.pick([1500, 8000, STOPPED_MS]), () => node.process.resume());
  }

  /** What is published until the node notices is lost; so is what was on its way. */
  private outage(node: PresenceNode, ms: number): void {
    if (!node.link.isUp) return;
    node.link.cut();
    this.time.after(200, () => node.process.receive(() => node.down()));
    this.time.after(201 + Math.floor(this.random() * ms), () => {
      if (node.process.isDead) return;
      node.link.isUp = true;
      node.process.receive(() => node.up());
    });
  }

  private split(ms: number): void {
    const sides = new Map(this.nodes.map(({ name }) => [name, this.random() < 0.5]));
    this.bus.isSplit = (from, to) => (sides.get(from) ?? false) !== (sides.get(to) ?? false);
    this.later(ms, () => (this.bus.isSplit = () => false));
  }

  /** Closes its connections a few at a time, says that it leaves, and another one starts. */
  protected drain(node: PresenceNode): void {
    if (!node.isUsable || this.usable.length < 2) return;
    node.isDraining = true;
    node.presence.drain();
    const ms = this.pick([3000, 8000]);
    for (const client of this.clients) {
      if (client.node === node)
        this.later(ms - 1000, () => (client.node === node ? this.drop(client, LATE_MS) : undefined));
    }
    this.time.after(ms, () => {
      if (node.process.isDead) return;
      this.sendAway(node, LATE_MS);
      void node.leave();
      this.nodes.splice(this.nodes.indexOf(node), 1);
    });
    this.boot();
  }

  protected checkRest(): void {
    for (const what of restFaults(this.nodes, this.clients)) this.fault(what);
  }

  /** The last change wins on all nodes. */
  private checkState({ user, room, state }: Client): void {
    for (const { presence } of this.nodes) {
      const found = presence.all.get(room)?.merged(user);
      if (found && found.state !== state) this.fault('an older state wins');
    }
  }
}
