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

/** In every fourth schedule users return at the same time with several tabs, and the user's channel loses nothing. */
export class OrdersRun {
  readonly records: OrderRecords;
  private readonly time = new ManualClock();
  private readonly random: () => number;
  private readonly bus: LossyBus<Message>;
  private readonly nodes: OrdersNode[] = [];
  private readonly isReplacing: boolean;
  /** The connection whose replace came last to each user's channel. */
  private readonly lastReplace = new Map<string, string>();

  constructor(
    readonly seed: number,
    classes: OrderClasses,
  ) {
    this.random = seeded(seed * 7919);
    this.isReplacing = seed % 4 === 0;
    this.bus = new LossyBus(this.time, this.random);
    this.bus.lossRate = seed % 3 === 0 ? 0 : 0.25;
    this.bus.repeatRate = 0.15;
    this.bus.isReliable = (channel) => channel.startsWith('u:');
    this.bus.took = (channel, message) => this.took(channel, message);
    const maxKept = seed % 10 === 1 ? 5 : 10_000;
    this.records = new OrderRecords(seed, this.random, this.time, maxKept);
    const count = 3 + Math.floor(this.random() * 3);
    for (let index = 0; index < count; index++) this.build(`n${index}`, classes, maxKept);
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

  private build(name: string, classes: OrderClasses, maxKept: number): void {
    const node = new OrdersNode(name, classes, this.time, this.bus, this.records, maxKept);
    this.nodes.push(node);
    for (const user of ['u:0', 'u:1']) {
      if (this.isReplacing) node.link.channels.add(user);
      if (this.isReplacing) node.on.add(user);
    }
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
    else if (this.isReplacing) this.return(this.pick(['u:0', 'u:1']));
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
    if (!node.members.has(channel) || node.isGone) return;
    if (!node.link.isUp) return this.later(500, () => this.subscribe(node, channel));
    node.link.channels.add(channel);
    node.on.add(channel);
  }

  private unsubscribe(node: OrdersNode, channel: string): void {
    if (node.members.has(channel)) return;
    node.link.channels.delete(channel);
    node.on.delete(channel);
  }

  /** Two or three tabs of a user return at nearly the same time. */
  private return(user: string): void {
    const count = 2 + Math.floor(this.random() * 2);
    if (this.random() < 0.5) this.later(60, () => this.stall(this.pick(this.nodes)));
    for (let tab = 0; tab < count; tab++) {
      this.later(this.random() < 0.5 ? 5 : 60, () => {
        if (this.usable.length === 0) return;
        const node = this.pick(this.usable);
        this.records.give(node, node.returns(user, `${node.name}.${this.random()}`), this.nodes);
      });
    }
  }

  private took(channel: string, message: Message): void {
    if (message.kind !== 'order' || message.order.action.kind !== 'replace') return;
    if (channel.startsWith('u:')) this.lastReplace.set(channel, message.order.action.by);
  }

  private trouble(): void {
    if (this.time.now() > CHURN_MS) return;
    const node = this.pick(this.nodes);
    const dice = this.random();
    if (dice < 0.3) this.stall(node);
    else if (this.isReplacing || this.seed % 5 === 0) this.bus.maxDelayMs = this.pick([5, 60, 100]);
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
    if (!this.isReplacing) return;
    for (const [user, last] of this.lastReplace) {
      const tabs = this.nodes.flatMap(({ tabs }) => [...(tabs.get(user) ?? [])]);
      if (tabs.length !== 1) this.records.fault(`${tabs.length === 0 ? 'no tab stays' : 'two tabs stay'}`);
      else if (tabs[0] !== last) this.records.fault('another tab than the last stays');
    }
  }
}
