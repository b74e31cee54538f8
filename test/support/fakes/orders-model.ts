/** Nodes, a lossy broker and orders at random: one schedule, and every rule that it breaks. */
import type { Order } from '../../../libs/realtime/src/cluster/messages.js';
import { seeded } from '../process-guard.js';
import { LossyBus } from './lossy-bus.js';
import { ManualClock } from './manual-clock.js';
import { OrderRecords } from './order-records.js';
import { OrdersNode, TIMES, type Message, type OrderClasses } from './orders-node.js';

/** Members, troubles and orders come and go until then; afterwards everything must come to rest. */
const CHURN_MS = 8000;
/** Until then, messages are lost. */
const LOSS_MS = 12_000;
const ROOMS = ['r:0', 'r:1', 'r:2'];
const ACTIONS: readonly Order['action'][] = [
  { kind: 'join', room: 'r' },
  { kind: 'leave', room: 'r' },
  { kind: 'disconnect', code: 4500, reason: '' },
];

/** A tab that has returned, and its pair. */
interface Returned {
  readonly node: OrdersNode;
  readonly tab: string;
  readonly id: number;
}

export class OrdersRun {
  readonly records: OrderRecords;
  private readonly time = new ManualClock();
  private readonly random: () => number;
  private readonly bus: LossyBus<Message>;
  private readonly nodes: OrdersNode[] = [];
  private readonly maxKept: number;
  private readonly returned = new Map<string, Returned[]>();

  constructor(
    readonly seed: number,
    classes: OrderClasses,
  ) {
    this.random = seeded(seed * 7919);
    this.bus = new LossyBus(this.time, this.random);
    this.bus.lossRate = seed % 3 === 0 ? 0 : 0.25;
    this.bus.repeatRate = 0.15;
    this.maxKept = seed % 10 === 1 ? 5 : 10_000;
    this.records = new OrderRecords(seed, this.random, this.time, this.maxKept);
    const count = 3 + Math.floor(this.random() * 3);
    for (let index = 0; index < count; index++) this.build(`n${index}`, classes);
  }

  /** @returns the broken rules; none when everything held */
  async run(): Promise<string[]> {
    await this.play().catch((error: Error) => this.records.fault(error.message));
    return [...this.records.faults];
  }

  private async play(): Promise<void> {
    for (const node of this.nodes) {
      for (const peer of this.nodes) if (peer !== node) node.peers.set(peer.name, 0);
    }
    this.beat();
    this.churn();
    this.trouble();
    await this.time.pass(CHURN_MS);
    if (this.records.faults.size > 0) return;
    await this.time.pass(LOSS_MS - CHURN_MS);
    this.bus.lossRate = 0;
    await this.time.pass(TIMES.keepMs + TIMES.rememberMs + 1000);
    this.checkRest();
  }

  /** In every second schedule the nodes differ about the time of day; in the others they have none. */
  private build(name: string, classes: OrderClasses): void {
    const aheadMs = Math.floor(this.random() * 5000);
    const timeOfDay = () => (this.seed % 2 === 0 ? this.time.now() + aheadMs : 0);
    const options = { maxKept: this.maxKept, timeOfDay };
    this.nodes.push(new OrdersNode(name, classes, this.time, this.bus, this.records, options));
  }

  private pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.random() * items.length)]!;
  }

  private later(maxMs: number, task: () => void): void {
    this.time.after(1 + Math.floor(this.random() * maxMs), task);
  }

  private get usable(): OrdersNode[] {
    return this.nodes.filter(({ isUsable }) => isUsable);
  }

  /** Announcements, and the search for silent nodes; not beyond the time for which orders are kept. */
  private beat(): void {
    if (this.time.now() > CHURN_MS + TIMES.keepMs) return;
    for (const node of this.usable) {
      if (this.time.now() % 2000 === 0) node.announce();
      node.sweep();
    }
    this.time.after(500, () => this.beat());
  }

  private churn(): void {
    if (this.time.now() > CHURN_MS) return;
    const node = this.usable.length > 0 ? this.pick(this.usable) : undefined;
    const dice = this.random();
    if (node && dice < 0.5) this.order(node);
    else if (node && dice < 0.85) this.toggle(node, this.pick(ROOMS));
    else this.return(this.pick(['u:0', 'u:1']));
    this.later(this.random() < 0.3 ? 10 : 300, () => this.churn());
  }

  private order(node: OrdersNode): void {
    const other = this.pick(this.nodes);
    const isToOne = this.random() < 0.15 && node.peers.has(other.name);
    const order = node.nextOrder(isToOne ? `c:${other.name}` : this.pick(ROOMS), this.pick(ACTIONS));
    this.records.give(node, order, this.nodes);
  }

  /** Members come, and their subscription is confirmed a while later; or they go, and it ends a while later. */
  private toggle(node: OrdersNode, channel: string): void {
    if (!node.members.has(channel)) {
      node.members.set(channel, this.time.now());
      this.later(100, () => this.subscribe(node, channel));
    } else {
      node.members.delete(channel);
      this.records.membersLeft(node, channel);
      this.later(1500, () => this.unsubscribe(node, channel));
    }
  }

  private subscribe(node: OrdersNode, channel: string): void {
    if (!node.hasMembers(channel) || node.isGone) return;
    if (!node.link.isUp) return this.later(500, () => this.subscribe(node, channel));
    node.link.channels.add(channel);
    node.on.add(channel);
  }

  private unsubscribe(node: OrdersNode, channel: string): void {
    if (node.hasMembers(channel)) return;
    node.link.channels.delete(channel);
    node.on.delete(channel);
  }

  /** Two or three tabs of a user return at nearly the same time. */
  private return(user: string): void {
    const count = 2 + Math.floor(this.random() * 2);
    for (let tab = 0; tab < count; tab++) {
      this.later(this.random() < 0.5 ? 5 : 60, () => {
        if (this.usable.length === 0) return;
        const node = this.pick(this.usable);
        this.arrive(node, user, `${node.name}.${this.random()}`);
        if (this.random() < 0.4) this.later(40, () => this.stall(node));
      });
    }
  }

  /** The handshake has subscribed to the user's channel, unless the broker is away: then that is made up for. */
  private arrive(node: OrdersNode, user: string, tab: string): void {
    const order = node.returns(user, tab);
    this.subscribe(node, user);
    this.returned.set(user, [...(this.returned.get(user) ?? []), { node, tab, id: order.id }]);
    this.records.give(node, order, this.nodes);
  }

  private trouble(): void {
    if (this.time.now() > CHURN_MS) return;
    const node = this.pick(this.nodes);
    const dice = this.random();
    if (dice < 0.3) this.stall(node);
    else if (this.seed % 5 === 0) this.bus.maxDelayMs = this.pick([5, 60, 100]);
    else if (dice < 0.7) for (const each of dice < 0.4 ? this.nodes : [node]) this.outage(each);
    else if (dice < 0.8 && node.isUsable && this.usable.length > 2) this.leave(node, dice < 0.75);
    this.later(1500, () => this.trouble());
  }

  private stall(node: OrdersNode): void {
    if (!node.isUsable) return;
    node.process.stall();
    const left = CHURN_MS - this.time.now();
    this.later(this.random() < 0.5 ? 600 : left, () => node.process.resume());
  }

  /** What is published until the node notices is lost; so is what was on its way. */
  private outage(node: OrdersNode): void {
    if (!node.link.isUp || node.isGone) return;
    node.link.cut();
    this.later(300, () => node.process.receive(() => (node.isGone ? undefined : node.down())));
    this.time.after(301 + Math.floor(this.random() * (CHURN_MS - this.time.now())), () => {
      if (!node.isGone) node.link.isUp = true;
      node.process.receive(() => (node.isGone ? undefined : node.up()));
    });
  }

  private leave(node: OrdersNode, isKilled: boolean): void {
    if (isKilled) node.kill();
    else node.leave();
    this.records.gone(node, isKilled);
  }

  private checkRest(): void {
    const alive = this.nodes.filter(({ isGone }) => !isGone);
    for (const node of alive)
      this.records.checkRest(
        node,
        alive.map(({ name }) => name),
      );
    for (const [user, returned] of this.returned) this.checkTabs(user, returned);
  }

  /** The tab with the greatest pair stays, and no other one. The tabs of a node that is gone are gone with it. */
  private checkTabs(user: string, returned: readonly Returned[]): void {
    const sorted = [...returned].sort((one, other) => one.id - other.id || (one.tab < other.tab ? -1 : 1));
    const last = sorted.findLast(({ node }) => !node.isGone);
    const open = this.nodes.flatMap(({ isGone, tabs }) => (isGone ? [] : [...(tabs.get(user) ?? [])]));
    if (last && last === sorted.at(-1) && !open.includes(last.tab))
      this.records.fault(open.length === 0 ? 'no tab stays' : 'another tab than the last stays');
    // An order that was given up, because there were too many, has closed nothing
    if (this.maxKept > 5 && open.some((tab) => tab !== last?.tab)) this.records.fault('two tabs stay');
  }
}
