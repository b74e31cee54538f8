/** What the model of orders expects of each order, and the rules that it finds broken. */
import type { Order } from '../../../libs/realtime/src/cluster/messages.js';
import type { ManualClock } from './manual-clock.js';
import { TIMES, type OrdersNode, type Watcher } from './orders-node.js';

interface Record {
  readonly by: OrdersNode;
  readonly order: Order;
  readonly givenAt: number;
  readonly to: readonly string[];
  /** Those who have acknowledged it, or have stopped. */
  readonly done: Set<string>;
  /** Nodes that have had members since it was given: each must obey it. */
  readonly obliged: Set<string>;
  /** When there was nobody left to wait for. */
  overAt?: number;
  isSettled: boolean;
}

/** What a node has seen of an order. */
interface Seen {
  obeyed: number;
  isObeying: boolean;
  isAcknowledged: boolean;
  /** When its first copy came, if the copy on the channel was to be waited for. */
  waitsSince?: number;
  isOutOfPlace: boolean;
}

export class OrderRecords implements Watcher {
  readonly faults = new Set<string>();
  /** How many orders were given, and how often one was obeyed. */
  readonly counts = { given: 0, obeyed: 0, missing: 0 };
  private readonly records = new Map<string, Record>();
  private readonly seen = new Map<string, Seen>();

  constructor(
    private readonly seed: number,
    private readonly random: () => number,
    private readonly time: ManualClock,
    private readonly maxKept: number,
  ) {}

  fault(what: string): void {
    this.faults.add(`${what} (schedule ${this.seed})`);
  }

  give(by: OrdersNode, order: Order, nodes: readonly OrdersNode[]): void {
    this.counts.given++;
    const self = this.seenBy(by, by.name, order.id);
    if (by.hasMembers(order.to) && by.isOn(order.to)) self.waitsSince = this.time.now();
    const before = by.copies;
    const { to, missing, own } = by.give(order);
    if (!by.isDown && by.copies - before !== to.length) this.fault('does not send a copy to each node at once');
    const members = nodes.filter((node) => !node.isGone && node.hasMembers(order.to));
    const heard = order.to.startsWith('c:') ? to : [by.name, ...by.peers.keys(), ...by.lost];
    const obliged = members.map(({ name }) => name).filter((name) => heard.includes(name));
    const record: Record = {
      by,
      order,
      givenAt: this.time.now(),
      to,
      done: new Set(),
      obliged: new Set(self.obeyed > 0 ? obliged.filter((name) => name !== by.name) : obliged),
      isSettled: false,
    };
    this.records.set(`${by.name} ${order.id}`, record);
    this.note(record);
    void missing.then((names) => this.settled(record, names));
    void own.then(() => {
      if (self.isObeying && !by.isGone) this.fault('resolves before its own order is obeyed');
    });
  }

  membersLeft(node: OrdersNode, channel: string): void {
    for (const { order, obliged } of this.records.values()) if (order.to === channel) obliged.delete(node.name);
  }

  /** A node has stopped, or was killed: what it has given is repeated by nobody. */
  gone(node: OrdersNode, isKilled: boolean): void {
    for (const record of this.records.values()) {
      record.obliged.delete(node.name);
      if (record.by !== node) continue;
      record.obliged.clear();
      if (isKilled) record.isSettled = true;
      else record.overAt ??= this.time.now();
    }
  }

  copied(node: OrdersNode, from: string, order: Order, road: 'channel' | 'direct'): void {
    const seen = this.seenBy(node, from, order.id);
    const now = this.time.now();
    if (road === 'channel') {
      const isInTime = seen.waitsSince !== undefined && now - seen.waitsSince < TIMES.waitMs;
      if (seen.isOutOfPlace && isInTime) this.fault('obeys an order before its place on the channel');
    } else if (seen.obeyed === 0 && !seen.isAcknowledged && node.hasMembers(order.to) && node.isOn(order.to)) {
      seen.waitsSince ??= now;
    }
  }

  obeys(node: OrdersNode, from: string, order: Order): Promise<void> | void {
    const seen = this.seenBy(node, from, order.id);
    this.counts.obeyed++;
    if (seen.obeyed++ > 0) this.fault('obeys an order twice');
    if (seen.isAcknowledged && node.road !== 'channel') this.fault('obeys a repetition that it has passed');
    seen.isOutOfPlace = node.road !== 'channel';
    this.records.get(`${from} ${order.id}`)?.obliged.delete(node.name);
    if (order.action.kind === 'disconnect') this.membersLeft(node, order.to);
    return this.answer(node, seen);
  }

  acknowledges(node: OrdersNode, to: string, id: number): void {
    const seen = this.seenBy(node, to, id);
    seen.isAcknowledged = true;
    if (to === node.name) this.fault('acknowledges its own order');
    if (seen.isObeying) this.fault('acknowledges an order that is not obeyed yet');
    if (this.records.get(`${to} ${id}`)?.obliged.has(node.name)) this.fault('acknowledges what it does not obey');
  }

  knows(node: OrdersNode, from?: string, id?: number): void {
    const record = this.records.get(`${node.name} ${id}`);
    if (from && record?.to.includes(from)) record.done.add(from);
    for (const each of this.records.values()) if (each.by === node && !each.isSettled) this.note(each);
  }

  left(node: OrdersNode, from: string): void {
    for (const record of this.records.values()) if (record.by === node) record.done.add(from);
  }

  /** @param alive the nodes that have neither stopped nor been killed */
  checkRest(node: OrdersNode, alive: readonly string[]): void {
    const own = [...this.records.values()].filter(({ by }) => by === node);
    const unfinished = own.filter(({ to, done }) => to.some((name) => !done.has(name))).length;
    if (node.given.size > 0) this.fault('keeps orders in the end');
    if (node.obeyed.size > 0) this.fault('remembers orders in the end');
    if (node.process.pending > 0) this.fault('leaves timers');
    if (node.dropped < unfinished) this.fault('does not count what it gives up');
    if (this.maxKept > 5 && node.dropped > unfinished) this.fault('gives up what was obeyed');
    if (own.some(({ isSettled }) => !isSettled)) this.fault('never settles');
    const hasAll = ({ to, done }: Record) => to.every((name) => done.has(name) || !alive.includes(name));
    if (this.maxKept > 5 && !own.every(hasAll)) this.fault('is not acknowledged in the end');
    if (this.maxKept > 5 && own.some(({ obliged }) => obliged.size > 0)) this.fault('misses an order');
  }

  private seenBy(node: OrdersNode, from: string, id: number): Seen {
    const key = `${node.name} ${from} ${id}`;
    const seen = this.seen.get(key) ?? { obeyed: 0, isObeying: false, isAcknowledged: false, isOutOfPlace: false };
    this.seen.set(key, seen);
    return seen;
  }

  /** Obeys at once, or when subscriptions are confirmed; or fails. */
  private answer(node: OrdersNode, seen: Seen): Promise<void> | void {
    const dice = this.random();
    if (dice < 0.5) return;
    if (dice < 0.55) throw new Error('A member fails');
    if (dice < 0.6) return Promise.reject(new Error('A member fails'));
    seen.isObeying = true;
    return new Promise((resolve) =>
      node.process.after(Math.floor(this.random() * 1500), () => {
        seen.isObeying = false;
        resolve();
      }),
    );
  }

  /** Notes when there is nobody left to wait for. */
  private note(record: Record): void {
    const { by, to, done } = record;
    const isOver = by.isDown || to.every((name) => done.has(name) || by.lost.has(name));
    if (isOver) record.overAt ??= this.time.now();
  }

  private settled(record: Record, names: readonly string[]): void {
    const { by, givenAt, to, done, overAt } = record;
    record.isSettled = true;
    this.counts.missing += names.length;
    if (this.maxKept <= 5) return;
    const missing = to.filter((name) => !done.has(name));
    if ([...names].sort().join() !== missing.sort().join()) this.fault('names other nodes than those that are missing');
    const now = this.time.now();
    const dueAt = Math.min(overAt ?? Infinity, givenAt + TIMES.settleMs);
    if (now < dueAt) this.fault('settles too early');
    if (now > Math.max(dueAt, by.process.resumedAt)) this.fault('settles too late');
  }
}
