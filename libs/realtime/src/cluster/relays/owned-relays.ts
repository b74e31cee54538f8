/**
 * Streams and polls of this node's connections that other nodes serve. Each behaves as a client of this node: it is gone
 * when the node that serves it says so, is lost, or may have missed something. Road OUT, step 10.
 */
import type { RelayOwner } from '../../relay.js';
import type { NodeId } from '../format.js';
import { OwnedAnswer } from './owned-answer.js';
import type { OpenRelay, RelayControl, RelayData, RelayId } from './relay-messages.js';

export interface OwnedRelaysOptions {
  /** How many relays of this node's connections other nodes may serve at once. */
  readonly maxRelays: number;
}

/** The way to the other nodes. Its methods MUST NOT throw; what cannot be sent ends the era. */
export interface RelayLines {
  control(to: NodeId, control: RelayControl): void;
  data(to: NodeId, data: RelayData): void;
  /** Calls a task at the end of this turn of the event loop. */
  soon(task: () => void): void;
  /** The era of this node. */
  era(): number;
  /** More relays were asked for than there may be. */
  full(count: number): void;
}

interface Owned {
  readonly from: NodeId;
  /** The era of the node that serves it, when it asked. */
  readonly era: number;
  readonly answer: OwnedAnswer;
}

const keyOf = (from: NodeId, id: RelayId) => `${from} ${id}`;

export class OwnedRelays {
  private readonly owned = new Map<string, Owned>();

  constructor(
    private readonly options: OwnedRelaysOptions,
    private readonly lines: RelayLines,
    private readonly owner: () => RelayOwner | undefined,
  ) {}

  get size(): number {
    return this.owned.size;
  }

  /** Another node asks for a stream or a poll. One that is asked for twice is opened once. */
  open(from: NodeId, { type: _type, id, era, credit, ...request }: OpenRelay): void {
    const key = keyOf(from, id);
    if (this.owned.has(key)) return;
    const owner = this.owner();
    if (!owner || this.owned.size >= this.options.maxRelays) {
      if (owner) this.lines.full(this.owned.size);
      const busy = { status: 503, message: 'The node of this connection is busy', retryAfter: 1 };
      return this.lines.control(from, { ...busy, type: 'end', id, seq: 0 });
    }
    const answer = this.answer(from, id, credit);
    this.owned.set(key, { from, era, answer });
    const outcome = owner.open(request, answer);
    if (outcome) {
      answer.end(outcome);
      this.close(key);
    } else answer.opened();
  }

  /** More credit for a response. */
  credit(from: NodeId, id: RelayId, bytes: number): void {
    const relay = this.owned.get(keyOf(from, id));
    if (relay) relay.answer.grant(bytes);
    else this.lines.control(from, { type: 'gone', id });
  }

  /** The client has had all of its response, or has left. */
  left(from: NodeId, id: RelayId): void {
    this.close(keyOf(from, id));
  }

  /** A node has told its era: the clients of an earlier one are gone. */
  isIn(node: NodeId, era: number): void {
    this.drop(({ from, era: earlier }) => from === node && era !== earlier);
  }

  /** A node is gone, and its clients with it. */
  lost(node: NodeId): void {
    this.drop(({ from }) => from === node);
  }

  /** Frames may have been lost: no client can be sure to have had everything. */
  reset(): void {
    this.drop(() => true);
  }

  /** The node that serves it may live: it is told. */
  private drop(which: (relay: Owned) => boolean): void {
    for (const relay of [...this.owned.values()]) if (which(relay)) relay.answer.cut();
  }

  private close(key: string): void {
    const relay = this.owned.get(key);
    this.owned.delete(key);
    relay?.answer.closed();
  }

  private answer(from: NodeId, id: RelayId, credit: number): OwnedAnswer {
    const { lines } = this;
    const line = {
      control: (control: RelayControl) => lines.control(from, control),
      data: (seq: number, bytes: Buffer) => lines.data(from, { id, seq, bytes }),
      soon: (task: () => void) => lines.soon(task),
      era: () => lines.era(),
      over: () => this.owned.delete(keyOf(from, id)),
    };
    return new OwnedAnswer(id, line, credit);
  }
}
