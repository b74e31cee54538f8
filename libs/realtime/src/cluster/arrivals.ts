/** Road OUT, step 8 between nodes: frames that have arrived. They are hostile until the wire has checked them. */
import type { LocalNode } from '../broker.js';
import type { Channel } from '../command.js';
import { keptPush } from './cluster-history.js';
import type { ClusterLog } from './cluster-log.js';
import type { PresenceMessage } from '../presence.js';
import type { Answer, WireFrame } from './messages.js';
import type { Orders } from './orders.js';
import type { OwnPushes } from './own-pushes.js';
import type { Peers } from './peers.js';
import type { Questions } from './questions.js';
import type { ClusterRelays } from './relays/cluster-relays.js';
import type { Wire } from './wire.js';

/** Who takes what. */
interface Recipients {
  readonly wire: Wire;
  readonly pushes: OwnPushes;
  readonly orders: Orders;
  readonly questions: Questions;
  readonly peers: Peers;
  readonly relays: ClusterRelays;
}

export class Arrivals {
  constructor(
    private readonly local: LocalNode,
    private readonly to: Recipients,
    private readonly lines: ClusterLog,
  ) {}

  /** Gives a frame to whom it concerns. Never throws. */
  received(channel: Channel, bytes: Buffer): void {
    const { wire, pushes } = this.to;
    this.lines.counts.received++;
    const own = wire.ownPush(this.local.id, bytes);
    if (own !== undefined) return pushes.returned(own);
    const received = wire.read(wire.names.of(channel), bytes);
    if (!received) return this.lines.dropped(channel, wire.drops);
    if (received.isForeign) void this.local.deliver(received.command);
    else this.handle(received.frame, bytes.length);
  }

  private handle(frame: WireFrame, size: number): void {
    const { from, counter, channel, except, message, position } = frame;
    const { pushes, orders, questions, peers, relays } = this.to;
    if (message.kind === 'presence') return this.presence(from, message.presence);
    switch (message.kind) {
      case 'push':
        if (position && this.local.history) {
          return this.local.history.entry(channel, { position, message: keptPush(message.frame, except, size) });
        }
        if (from === this.local.id && !position) return pushes.returned(counter);
        message.frame.isShared = true;
        return void this.local.deliver({ channel, except, action: { kind: 'push', frame: message.frame } });
      case 'order':
        return orders.received(from, channel, message.order, except);
      case 'ask':
        return void questions.asked(from, message.ask);
      case 'answer':
        return this.answered(from, message.answer);
      case 'announce':
        return peers.announced(from, message.announcement);
      case 'leave':
        return peers.left(from);
      case 'forward':
      case 'done':
      case 'relay':
      case 'relayData':
        return relays.received(from, message);
      case 'probe':
    }
  }

  private answered(from: string, answer: Answer): void {
    const { orders, questions } = this.to;
    if (answer.kind === 'obeyed') orders.given.obeyed(from, answer.id);
    else questions.answered(from, answer);
  }

  /** What this node publishes about its own rooms comes back to it. */
  private presence(from: string, message: PresenceMessage): void {
    if (from !== this.local.id) this.local.presence?.received(from, message);
  }
}
