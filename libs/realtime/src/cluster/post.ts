/** Road OUT, step 7: the frames that this node publishes, each with the next number. */
import type { Channel } from '../command.js';
import type { Frame } from '../frame.js';
import type { PresenceMessage } from '../presence.js';
import { ALL_NODES, type NodeId, nodeChannel } from './format.js';
import type { Link } from './link.js';
import type { Announcement, Answer, Ask, Order, WireMessage } from './messages.js';
import { OrderIds } from './order-ids.js';
import type { Wire } from './wire.js';

/** A frame that is ready to be published. */
export interface Letter {
  readonly counter: number;
  readonly channel: Channel;
  readonly bytes: Buffer;
}

/** One node, or all. */
export type Addressee = NodeId | typeof EVERY_NODE;

/** Not the id of a node. */
export const EVERY_NODE = '*';

const channelTo = (to: Addressee): Channel => (to === EVERY_NODE ? ALL_NODES : nodeChannel(to));

/** The methods that make a frame throw RealtimeError for what cannot be carried; those that send reject with LinkError. */
export class Post {
  /** How many frames were given to the broker while it was there. */
  published = 0;
  private counter = 0;
  private readonly ids = new OrderIds();

  constructor(
    private readonly node: NodeId,
    private readonly link: Link,
    private readonly wire: Wire,
  ) {}

  /** @returns a number that no other order or question of this node has, greater than every id that it `saw` */
  nextId(): number {
    return this.ids.next();
  }

  /** An order with this id has come. MUST be called before it is obeyed. */
  saw(id: number): void {
    this.ids.saw(id);
  }

  push(channel: Channel, except: readonly Channel[], frame: Frame, isVolatile: boolean): Letter {
    return this.letter(channel, { kind: 'push', frame, isVolatile }, except);
  }

  /** A push was given to the history, which publishes it. */
  kept(): void {
    if (this.link.isUp) this.published++;
  }

  /** An order to the members of its channel, or a copy of it for one node. */
  order(order: Order, except: readonly Channel[], channel = order.to): Letter {
    return this.letter(channel, { kind: 'order', order }, except);
  }

  ask(ask: Ask, to: Addressee): Letter {
    return this.letter(channelTo(to), { kind: 'ask', ask });
  }

  answer(answer: Answer, to: NodeId): Letter {
    return this.letter(nodeChannel(to), { kind: 'answer', answer });
  }

  announcement(announcement: Announcement, to: Addressee): Letter {
    return this.letter(channelTo(to), { kind: 'announce', announcement });
  }

  leave(): Letter {
    return this.letter(ALL_NODES, { kind: 'leave' });
  }

  /** Publishes something about presence, on the channel of a room or of nodes. Resolves also when it failed. */
  async share(channel: Channel, presence: PresenceMessage): Promise<void> {
    try {
      await this.send(this.letter(channel, { kind: 'presence', presence }));
    } catch {
      // What comes next makes it known to the others
    }
  }

  /** Anything for one node. */
  mail(message: WireMessage, to: NodeId): Letter {
    return this.letter(nodeChannel(to), message);
  }

  /** @returns how many nodes have heard it, this one included, as far as the broker knows */
  send({ channel, bytes }: Letter): Promise<number> {
    this.kept();
    const { history } = this.link;
    if (history?.isWaiting) history.flush(channel);
    return this.link.publish(channel, bytes);
  }

  private letter(channel: Channel, message: WireMessage, except: readonly Channel[] = []): Letter {
    const counter = ++this.counter;
    return { counter, channel, bytes: this.wire.encode({ from: this.node, counter, channel, except, message }) };
  }
}
