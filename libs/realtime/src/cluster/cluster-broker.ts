/**
 * Road OUT, step 7: the broker of several nodes, over a link that carries bytes. Pushes go through the link first and come
 * back to this node's own members; orders are acknowledged; questions have a deadline. What arrives is for arrivals.ts.
 */
import { Broker, type LocalNode, type OtherNode } from '../broker.js';
import { type Action, type Channel, channelOf, type Command, connectionIdOf, nodeOf } from '../command.js';
import type { Log } from '../log.js';
import {
  type Answer,
  type Asked,
  EVERYWHERE,
  ONLY_HERE,
  type Question,
  type QuestionKind,
  type Reached,
} from '../question.js';
import type { PresenceMessage } from '../presence.js';
import type { RealtimeSettings } from '../settings/settings.js';
import { type BrokerStats, brokerStats } from '../stats.js';
import { Arrivals } from './arrivals.js';
import { ClusterHistory } from './cluster-history.js';
import { ClusterLog } from './cluster-log.js';
import { ALL_NODES, type NodeId, nodeChannel } from './format.js';
import { Interest, INTEREST_TIMES } from './interest.js';
import { type Link, requiredBroker } from './link.js';
import type { OrderedAction } from './messages.js';
import { Orders } from './orders.js';
import { OwnPushes } from './own-pushes.js';
import { Peers } from './peers.js';
import { Post } from './post.js';
import { prepare } from './prepare.js';
import { Questions } from './questions.js';
import { ClusterRelays } from './relays/cluster-relays.js';
import { systemClock } from './clock.js';
import { Wire } from './wire.js';

/** Makes the link of a node. @throws OptionsError when it cannot work as it is set */
export type Connect = (node: NodeId) => Promise<Link>;

export class ClusterBroker extends Broker {
  readonly isShared = true;
  override readonly relays: ClusterRelays;
  override history?: ClusterHistory = undefined;
  private readonly lines: ClusterLog;
  private downReason = '';
  private local!: LocalNode;
  private link?: Link;
  private post!: Post;
  private interest!: Interest;
  private pushes!: OwnPushes;
  private orders!: Orders;
  private questions!: Questions;
  private peers!: Peers;
  private arrivals!: Arrivals;

  /** @param engine what carries the bytes, for the boot table while it is not connected: `redis` */
  constructor(
    private readonly engine: string,
    private readonly settings: RealtimeSettings,
    log: Log,
    private readonly connect: Connect,
  ) {
    super();
    this.lines = new ClusterLog(log);
    this.relays = new ClusterRelays(settings, this.lines);
  }

  get name(): string {
    return `${this.link?.name ?? this.engine}, app ${this.settings.app}`;
  }

  get isDegraded(): boolean {
    return !this.isUp || this.interest.isDegraded;
  }

  async start(local: LocalNode): Promise<void> {
    const link = await this.connect(local.id);
    this.assemble(local, link);
    await link.start({
      message: (channel, bytes) => this.arrivals.received(channel, bytes),
      up: () => this.up(),
      down: (reason) => this.down(reason),
      gap: (channels) => this.gap(channels),
      cut: (node, reason) => this.relays.cut(node, reason),
      gone: (node) => this.ended(node),
    });
    try {
      if (!this.isUp && this.settings.brokerRequired) throw requiredBroker(this.name, this.downReason);
      await this.peers.start();
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    if (!this.link) return;
    for (const part of [this.orders, this.questions, this.relays]) part.stop();
    await this.peers.stop(this.isUp);
    this.pushes.down();
    await this.link.stop();
    this.link = undefined;
  }

  // --- subscriptions ---

  hold(channel: Channel): Promise<unknown> | undefined {
    return this.interest.hold(channel);
  }

  release(channel: Channel): void {
    this.interest.release(channel);
  }

  prepare(channels: readonly Channel[]): Promise<unknown> | undefined {
    return prepare(this.interest, channels);
  }

  // --- out ---

  publish(command: Command): Reached | Promise<Reached> {
    const { channel, except, action } = command;
    const id = connectionIdOf(channel);
    if (id !== undefined) return this.toOwner(id, command);
    if (action.kind === 'push') return this.push(command, action);
    return this.link ? this.order(channel, action, except) : ONLY_HERE;
  }

  async ask<K extends QuestionKind>(question: Question<K>, to?: NodeId): Promise<Asked<Answer<K>>> {
    if (this.isUp) await this.peers.introduced;
    if (!this.isUp) return { answers: new Map(), missing: to === undefined ? ONLY_HERE.missing : [to] };
    const known = to === undefined || this.peers.has(to);
    // A node that is not known has no connections, unless it was lost a moment ago
    if (!known) return { answers: new Map(), missing: this.orders.given.lostIds.includes(to) ? [to] : [] };
    return this.questions.ask(question, to === undefined ? this.peers.ids : [to]);
  }

  async share(channel: Channel, message: PresenceMessage): Promise<void> {
    if (this.isUp) await this.post.share(channel, message);
  }

  nodes(): readonly OtherNode[] {
    return this.link ? this.peers.all() : [];
  }

  stats(): BrokerStats {
    if (!this.link) return brokerStats(this.name, { isDegraded: true });
    const { isDegraded, link, interest, post, pushes, lines, relays, peers } = this;
    const lagMs = Math.round((link.lagMs ?? 0) * 10) / 10;
    const own = { isDegraded, nodes: peers.ids.length, channels: interest.size, lagMs, published: post.published };
    const counted = { localOnly: pushes.localOnly, late: pushes.late, relays: relays.size, ...lines.counts };
    return brokerStats(this.name, { ...own, ...counted });
  }

  private get isUp(): boolean {
    return this.link?.isUp ?? false;
  }

  private assemble(local: LocalNode, link: Link): void {
    const { settings, lines } = this;
    const { app, maxBrokerFrameBytes: maxFrameBytes, maxNameLength, foreignPublishers, clusterKeys } = settings;
    const keys = clusterKeys.length > 0 ? clusterKeys : undefined;
    this.local = local;
    this.link = link;
    const wire = new Wire({ app, isSharded: link.isSharded, maxFrameBytes, maxNameLength, foreignPublishers, keys });
    this.post = new Post(local.id, link, wire);
    const times = { ...INTEREST_TIMES, deadlineMs: settings.brokerTimeout * 1000 };
    const late = (isLate: boolean) => lines.lateness(isLate);
    const confirmed = (channel: Channel) => local.history?.subscribed(channel);
    this.interest = new Interest(lines.watched(link), systemClock, times, late, confirmed);
    if (link.history) this.history = new ClusterHistory(link.history, this.post, wire, this.interest, lines);
    this.pushes = new OwnPushes(local, this.post, this.interest, settings, lines);
    this.questions = new Questions(local, this.post, settings, lines);
    this.orders = new Orders(local, this.post, this.interest, settings, lines);
    this.peers = new Peers(local, this.post, settings, lines, {
      came: (id) => [this.orders.given, local.presence].forEach((each) => each?.came(id)),
      hasChanged: (id, versions) => local.presence?.announced(id, versions),
      went: (id, how) => this.gone(id, how),
      isIn: (id, era) => this.relays.isIn(id, era),
      era: () => this.relays.era,
    });
    this.relays.start(this.post, link, this.peers);
    const { pushes, orders, questions, peers, relays } = this;
    this.arrivals = new Arrivals(local, { wire, pushes, orders, questions, peers, relays }, lines);
    for (const channel of this.base) void this.interest.hold(channel);
  }

  /** What every node hears, whether it has members or not. */
  private get base(): Channel[] {
    return [channelOf.everyone, ALL_NODES, nodeChannel(this.local.id)];
  }

  private push(command: Command, { frame, isVolatile }: Extract<Action, { kind: 'push' }>): Reached | Promise<Reached> {
    if (!this.isUp) {
      if (this.link) this.pushes.deliverHere(command);
      return ONLY_HERE;
    }
    return this.pushes.publish(command, frame, isVolatile);
  }

  private async order(channel: Channel, action: OrderedAction, except: readonly Channel[]): Promise<Reached> {
    const wasUp = this.isUp;
    const reached = await this.orders.give(channel, action, except, this.peers.ids);
    return wasUp ? reached : ONLY_HERE;
  }

  private async toOwner(id: string, command: Command): Promise<Reached> {
    const { action, except } = command;
    const owner = nodeOf(id);
    if (owner !== this.local?.id) return this.ask({ kind: 'order', id, action, except }, owner);
    await this.local.deliver(command);
    return EVERYWHERE;
  }

  private up(): void {
    for (const part of [this.lines, this.relays, this.interest, this.orders.given]) part.up();
    this.peers.introduce(this.prepare(this.base));
    this.local.history?.missed('all');
    this.local.presence?.up();
  }

  private down(reason: string): void {
    this.downReason = reason;
    this.relays.down();
    this.lines.down(reason);
    for (const part of [this.interest, this.orders.given, this.pushes]) part.down();
    this.local.history?.down();
    this.local.presence?.down();
  }

  private gap(channels: readonly Channel[] | 'all'): void {
    this.lines.gap(channels);
    this.local.history?.missed(channels);
    this.local.presence?.gap(channels);
    if (channels === 'all' || channels.includes(nodeChannel(this.local.id))) this.relays.endEra();
  }

  /** It does not come back, so no order is kept for it. */
  private ended(node: NodeId): void {
    this.peers.lost(node);
    this.orders.given.left(node);
  }

  private gone(node: NodeId, how: 'lost' | 'left'): void {
    this.local.presence?.[how](node);
    this.orders.given[how](node);
    this.questions.lost(node);
    this.relays.lost(node);
  }
}
