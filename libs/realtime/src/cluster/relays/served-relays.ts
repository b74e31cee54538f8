/**
 * Streams and polls that this node serves for connections of other nodes. What the owner sends is numbered: a hole, or an
 * owner that is gone, cuts the client's response, and the client resumes as after any other cut. Road OUT, step 10.
 */
import { Deadlines } from '../../limits/deadlines.js';
import type { Outcome, RelayedRequest, ServedResponse } from '../../relay.js';
import type { NodeId } from '../format.js';
import type { RelayControl, RelayData, RelayId } from './relay-messages.js';

/** Sends to a node. It MUST NOT throw; what cannot be sent is reported by the end of the era. */
export type SendControl = (to: NodeId, control: RelayControl) => void;

export interface ServedRelaysOptions {
  /** How long the owner has for its first answer, in milliseconds. */
  readonly openMs: number;
  /** How many relays are served at once. */
  readonly maxRelays: number;
  /** How many bytes of one response may be here, or on their way here, before the network has taken them. */
  readonly windowBytes: number;
}

/** What is counted and logged. */
export interface ServedRelaysNotes {
  full(count: number): void;
  cut(reason: CutReason): void;
}

/** Why a response was cut although its owner had not ended it. */
export type CutReason = 'hole' | 'node' | 'broker';

/** What the owner says. */
export type ToServer = Extract<RelayControl, { type: 'opened' | 'head' | 'end' | 'gone' }>;

type Answer = Outcome | 'served' | undefined;

interface Served {
  readonly id: RelayId;
  readonly owner: NodeId;
  readonly response: ServedResponse;
  /** Ends the wait for the owner's first answer; called once at most. */
  settle?: (answer: Answer) => void;
  /** The era of the owner when it took the request. */
  era?: number;
  hasBegun: boolean;
  /** The owner has sent all of the response; the client may not have taken it yet. */
  hasEnded: boolean;
  /** The owner is gone after it has ended the response. */
  isOrphan: boolean;
  /** The number of the last part. */
  seq: number;
  /** Bytes that the network has taken, and that the owner has not been told. */
  taken: number;
}

export class ServedRelays {
  private readonly served = new Map<RelayId, Served>();
  private readonly deadlines: Deadlines<Served>;
  private ids = 0;

  constructor(
    private readonly options: ServedRelaysOptions,
    private readonly send: SendControl,
    /** The era of this node. */
    private readonly era: () => number,
    private readonly notes: ServedRelaysNotes,
  ) {
    const late = (relay: Served) => this.abandon(relay);
    this.deadlines = new Deadlines(options.openMs, late, (_error, relay) => late(relay));
  }

  get size(): number {
    return this.served.size;
  }

  /** @returns as `Relays.open` */
  open(owner: NodeId, request: RelayedRequest, response: ServedResponse): Promise<Answer> {
    if (this.served.size >= this.options.maxRelays) {
      this.notes.full(this.served.size);
      return Promise.resolve({ status: 503, message: 'This node serves as many relays as it may', retryAfter: 1 });
    }
    return new Promise((settle) => {
      const relay: Served = { ...{ id: (++this.ids).toString(36), owner, response, settle }, ...START };
      this.served.set(relay.id, relay);
      this.deadlines.add(relay);
      const { windowBytes: credit } = this.options;
      this.send(owner, { ...request, type: 'open', id: relay.id, credit, era: this.era() });
      response.onClose(() => this.closed(relay));
    });
  }

  /** The owner has sent something about a relay. */
  received(from: NodeId, control: ToServer): void {
    const relay = this.find(from, control.id);
    if (!relay) return this.disown(from, control);
    switch (control.type) {
      case 'opened':
        relay.era = control.era;
        return this.settle(relay, 'served');
      case 'head':
        return this.begin(relay, control.headers);
      case 'end':
        return this.ended(relay, control);
      case 'gone':
        return relay.hasEnded ? this.outlive(relay) : this.giveUp(relay);
    }
  }

  /** A part of a response has come. */
  data(from: NodeId, { id, seq, bytes }: RelayData): void {
    const relay = this.find(from, id);
    if (!relay) return this.send(from, { type: 'left', id });
    if (!relay.hasBegun || seq !== relay.seq + 1) return this.cut(relay, 'hole');
    relay.seq = seq;
    relay.response.write(bytes, () => this.taken(relay, bytes.length));
  }

  /** A node has told its era: what it had opened in another one has ended there. */
  isIn(node: NodeId, era: number): void {
    for (const relay of this.of(node)) if (relay.era !== undefined && relay.era !== era) this.miss(relay, 'broker');
  }

  /** A node is gone. */
  lost(node: NodeId): void {
    for (const relay of this.of(node)) this.miss(relay, 'node');
  }

  /** Frames may have been lost: all responses that have not ended are cut. */
  reset(): void {
    for (const relay of [...this.served.values()]) this.miss(relay, 'broker');
  }

  stop(): void {
    this.deadlines.clear();
    for (const relay of [...this.served.values()]) this.cut(relay, 'broker');
  }

  private of(node: NodeId): Served[] {
    return [...this.served.values()].filter(({ owner }) => owner === node);
  }

  private find(from: NodeId, id: RelayId): Served | undefined {
    const relay = this.served.get(id);
    return relay?.owner === from ? relay : undefined;
  }

  /** The owner opens, or goes on with, what nobody waits for any longer. */
  private disown(from: NodeId, { type, id }: ToServer): void {
    if (type !== 'gone') this.send(from, { type: 'left', id });
  }

  private begin(relay: Served, headers: Readonly<Record<string, string>>): void {
    if (relay.hasBegun || relay.settle) return this.cut(relay, 'hole');
    relay.hasBegun = true;
    relay.response.begin(headers);
  }

  private ended(relay: Served, { seq, status, message, retryAfter }: { readonly seq: number } & Outcome): void {
    if (relay.settle) {
      this.remove(relay);
      return this.settle(relay, { status, message, retryAfter });
    }
    if (seq !== relay.seq || !relay.hasBegun) return this.cut(relay, 'hole');
    // The owner waits for `left`: the client has to take the rest first
    relay.hasEnded = true;
    relay.response.end();
  }

  private taken(relay: Served, bytes: number): void {
    relay.taken += bytes;
    if (relay.taken * 2 < this.options.windowBytes || !this.served.has(relay.id)) return;
    this.send(relay.owner, { type: 'credit', id: relay.id, bytes: relay.taken });
    relay.taken = 0;
  }

  /** The response has ended, or its client is gone. */
  private closed(relay: Served): void {
    if (!this.remove(relay)) return;
    this.send(relay.owner, { type: 'left', id: relay.id });
    this.settle(relay, 'served');
  }

  /** Something from the owner may be missing. A response that has ended lacks nothing. */
  private miss(relay: Served, reason: CutReason): void {
    if (relay.hasEnded) this.outlive(relay);
    else this.cut(relay, reason);
  }

  /**
   * The owner is gone, and the last bytes of its response may still be on their way out: the client gets as long to take
   * them as an owner has for its first answer. Its time does not begin anew when the next sign comes that the owner is gone.
   */
  private outlive(relay: Served): void {
    if (relay.isOrphan) return;
    relay.isOrphan = true;
    this.deadlines.add(relay);
  }

  private cut(relay: Served, reason: CutReason): void {
    if (!this.served.has(relay.id)) return;
    this.notes.cut(reason);
    this.abandon(relay);
  }

  private abandon(relay: Served): void {
    this.send(relay.owner, { type: 'left', id: relay.id });
    this.giveUp(relay);
  }

  /** Whoever asked goes on without the owner if it has not taken the request; else the response is cut. */
  private giveUp(relay: Served): void {
    if (!this.remove(relay)) return;
    if (relay.settle) this.settle(relay, undefined);
    else relay.response.cut();
  }

  private remove(relay: Served): boolean {
    this.deadlines.delete(relay);
    return this.served.delete(relay.id);
  }

  private settle(relay: Served, answer: Answer): void {
    this.deadlines.delete(relay);
    const { settle } = relay;
    relay.settle = undefined;
    settle?.(answer);
  }
}

const START = { hasBegun: false, hasEnded: false, isOrphan: false, seq: 0, taken: 0 };
