/** Road OUT, step 7: orders to the members of a channel on all nodes: given, obeyed in their place, acknowledged. */
import type { LocalNode } from '../broker.js';
import { type Channel, channelOf } from '../command.js';
import type { Reached } from '../question.js';
import type { RealtimeSettings } from '../settings/settings.js';
import { hasMembers } from './channel-names.js';
import { systemClock } from './clock.js';
import type { ClusterLog } from './cluster-log.js';
import { type NodeId, nodeChannel } from './format.js';
import { GIVEN_ORDERS, GivenOrders } from './given-orders.js';
import type { Interest } from './interest.js';
import type { Order, OrderedAction } from './messages.js';
import { OBEYED_ORDERS, ObeyedOrders } from './obeyed-orders.js';
import type { Post } from './post.js';
import { prepare } from './prepare.js';
import { REPLACES, Replaces } from './replaces.js';

const USER = channelOf.user('');
const userOf = (channel: Channel) => channel.slice(USER.length);

export class Orders {
  readonly given: GivenOrders;
  private readonly obeyed: ObeyedOrders;
  /** How long the promise of an order waits, in milliseconds. */
  private readonly settleMs: number;
  private readonly replaces = new Replaces({ ...REPLACES, clock: systemClock });

  constructor(
    private readonly local: LocalNode,
    private readonly post: Post,
    private readonly interest: Interest,
    settings: Pick<RealtimeSettings, 'askTimeout' | 'maxOrders'>,
    private readonly lines: ClusterLog,
  ) {
    this.settleMs = settings.askTimeout * 1000;
    this.given = new GivenOrders(
      { ...GIVEN_ORDERS, clock: systemClock, settleMs: this.settleMs, maxKept: settings.maxOrders },
      ({ order, except }, to) => this.send(order, except, nodeChannel(to)),
      (count) => lines.ordersDropped(count),
    );
    this.obeyed = new ObeyedOrders(
      { ...OBEYED_ORDERS, clock: systemClock, self: local.id },
      {
        hasMembers: (channel) => local.size(channel) > 0,
        isOn: (channel) => interest.isOn(channel),
        obey: (order, except, from, hasPlace) => this.obey(order, except, from, hasPlace),
        acknowledge: (to, id) => this.acknowledge(to, id),
      },
    );
  }

  /**
   * Gives an order to the members of a channel.
   *
   * @param to the other nodes
   * @returns resolves when it was obeyed, or the time for that is over
   * @throws RealtimeError for what cannot be carried
   */
  async give(
    channel: Channel,
    action: OrderedAction,
    except: readonly Channel[],
    to: readonly NodeId[],
  ): Promise<Reached> {
    const order = { id: this.post.nextId(), to: channel, action };
    const letter = this.post.order(order, except);
    if (action.kind === 'replace') this.replaces.begin(userOf(channel), action.by, order.id);
    const given = this.given.give({ order, except }, [...new Set([...to, ...this.given.lostIds])]);
    this.post.send(letter).catch((error: unknown) => this.lines.notPublished(channel, error));
    await this.obeyed.own(order, except);
    const missing = await given;
    this.lines.unanswered(action.kind, missing);
    return { missing };
  }

  /** An order of a node has come, on the channel of its members or on this node's own. */
  received(from: NodeId, channel: Channel, order: Order, except: readonly Channel[]): void {
    this.post.saw(order.id);
    if (hasMembers(channel)) this.obeyed.onChannel(from, order, except);
    else this.obeyed.direct(from, order, except);
  }

  stop(): void {
    this.given.stop();
    this.obeyed.stop();
  }

  private async obey(
    { id, to, action }: Order,
    except: readonly Channel[],
    from: NodeId,
    hasPlace: boolean,
  ): Promise<void> {
    const spared = action.kind === 'replace' ? this.replaces.spared(userOf(to), id, action.by) : [];
    const command = { channel: to, except: [...except, ...spared.map(channelOf.connection)], action };
    const waits = this.local.deliver(command, hasPlace);
    if (waits) await (from === this.local.id ? this.atMost(waits) : waits);
    if (action.kind === 'join') await prepare(this.interest, [channelOf.room(action.room)]);
  }

  /** While the room of an order of this node is repaired, its promise does not wait for longer than `askTimeout`. */
  private atMost(waits: Promise<void>): Promise<void> {
    const over = new Promise<void>((resolve) => systemClock.after(this.settleMs, resolve));
    return Promise.race([waits, over]);
  }

  private acknowledge(to: NodeId, id: number): void {
    this.post
      .send(this.post.answer({ kind: 'obeyed', id }, to))
      .catch((error: unknown) => this.lines.notPublished(nodeChannel(to), error));
  }

  private send(order: Order, except: readonly Channel[], channel: Channel): void {
    this.post
      .send(this.post.order(order, except, channel))
      .catch((error: unknown) => this.lines.notPublished(channel, error));
  }
}
