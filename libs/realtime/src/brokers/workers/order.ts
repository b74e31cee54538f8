/**
 * One order of messages for all workers: the eldest gives it. A worker sends what it publishes to the eldest, which
 * hands it to those who want it; a worker takes messages from nobody else. When the eldest is gone, the next one asks
 * whether it is gone for all, and gives the order from then on. What the former one had not confirmed is sent to it
 * again, and dropped where it has been before.
 */
import { detached } from '../../async-context.js';
import { Arrived } from './arrived.js';
import { doneFrame, header, Kind, messageHead, readDone, readMessage, readPublished } from './frames.js';
import type { Interests } from './interests.js';
import type { Mesh } from './mesh.js';
import type { OwnPublished } from './published.js';
import { type Own } from './published.js';
import type { Peer } from './peer.js';

/** How long a new eldest waits until all others agree, and a leaving one until they have published the last, in ms. */
export const AGREEMENT_MS = 250;

/** The publishers whose highest number is known. */
const MAX_PUBLISHERS = 1000;

export class Order {
  /** The member that gives the order; undefined when it is this worker. */
  home?: Peer;
  private isGiving = true;
  /** True while the one that gives the order is leaving: nothing more is sent to it. */
  private isHeld = false;
  /** Waiting for these to agree, or to publish their last. */
  private awaited?: Set<Peer>;
  private agreed: () => void = () => {};
  /** Who gives the order, once the former one is gone for this worker too. */
  private readonly successors = new Set<Peer>();
  /** What came for this worker to order before it is its turn. */
  private queue: [Peer, Buffer][] = [];
  /** Messages of members that do not give the order yet, as this worker sees it. */
  private readonly early = new Map<Peer, Buffer[]>();
  /** The highest number of each publisher. */
  private readonly heard = new Map<string, number>();
  private readonly arrived: Arrived;

  constructor(
    private readonly id: string,
    private readonly mesh: Mesh,
    private readonly interests: Interests,
    readonly own: OwnPublished,
    message: (channel: string, bytes: Buffer) => void,
  ) {
    this.arrived = new Arrived(message);
  }

  publish(channel: string, bytes: Buffer): Promise<number> {
    return this.own.add(channel, bytes, (own) => this.send(own));
  }

  /** Who is eldest may have changed. @returns true when it has */
  look(): boolean {
    const { elder } = this.mesh;
    if (elder === this.home) return false;
    this.home = elder;
    this.isHeld = false;
    this.isGiving = false;
    if (elder) this.follow(elder);
    else this.takeOver();
    return true;
  }

  /** This worker is not a member any more. */
  restart(): void {
    this.home = undefined;
    this.isGiving = true;
    this.isHeld = false;
    this.queue = [];
    this.early.clear();
    this.successors.clear();
    this.awaited?.clear();
    this.agreed();
  }

  left(peer: Peer): void {
    this.early.delete(peer);
    this.successors.delete(peer);
    this.done(peer);
  }

  /** Hands the order over, if this worker gives it: what the others have sent until then is delivered first. */
  async handOver(): Promise<void> {
    if (this.home || this.mesh.members.size === 0) return;
    await this.ask(Kind.LEAVING);
    this.isGiving = false;
  }

  received(peer: Peer, kind: Kind, body: Buffer): void {
    if (kind === Kind.PUBLISH) this.published(peer, body);
    else if (kind === Kind.MESSAGE) this.message(peer, body);
    else if (kind === Kind.DONE) this.confirmed(body);
    else if (kind === Kind.LEAVING) this.hold(peer);
    else if (kind === Kind.TAKEOVER) this.succeeds(peer, body);
    else this.done(peer);
  }

  private send(own: Own): void {
    if (this.home) {
      if (!this.isHeld) this.home.send(header(Kind.PUBLISH, own.head.length + own.bytes.length), own.head, own.bytes);
    } else if (this.isGiving) this.giveOwn(own);
  }

  // --- giving the order ---

  private published(peer: Peer, body: Buffer): void {
    if (!this.isGiving) {
      this.queue.push([peer, body]);
      return;
    }
    const { counter, channel, bytes } = readPublished(body);
    if (!this.isNew(peer.id, counter)) return peer.send(doneFrame(counter, 0));
    const receivers = this.give(peer.id, peer, channel, [body]);
    peer.send(doneFrame(counter, receivers));
    if (this.interests.own.has(channel)) this.arrived.add(channel, bytes);
  }

  private giveOwn({ counter, channel, head, bytes }: Own): void {
    const receivers = this.isNew(this.id, counter) ? this.give(this.id, undefined, channel, [head, bytes]) : 0;
    this.settle(counter, receivers);
  }

  /** @returns how many workers want it */
  private give(publisher: string, from: Peer | undefined, channel: string, parts: readonly Buffer[]): number {
    const peers = this.interests.of(channel);
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    if (peers.size > 0) {
      const head = messageHead(publisher, length);
      for (const peer of peers) if (peer !== from) peer.send(head, ...parts);
    }
    return peers.size + (this.interests.own.has(channel) ? 1 : 0);
  }

  private takeOver(): void {
    if (this.mesh.members.size === 0) return this.begin();
    void this.ask(Kind.TAKEOVER, [...this.mesh.expelled]).then(() => {
      if (!this.home) this.begin();
    });
  }

  private begin(): void {
    this.isGiving = true;
    for (const own of this.own.all()) this.giveOwn(own);
    for (const [peer, body] of this.queue.splice(0)) if (!peer.isCut) this.published(peer, body);
  }

  /** Asks all members, and waits until they have answered or are gone, at most AGREEMENT_MS. */
  private async ask(kind: Kind, value?: unknown): Promise<void> {
    this.agreed();
    const awaited = (this.awaited = new Set(this.mesh.members.values()));
    await new Promise<void>((resolve) => {
      const timer = detached(() => setTimeout(resolve, AGREEMENT_MS));
      this.agreed = () => {
        clearTimeout(timer);
        resolve();
      };
      for (const peer of awaited) peer.sendJson(kind, value);
    });
  }

  private done(peer: Peer): void {
    if (this.awaited?.delete(peer) && this.awaited.size === 0) this.agreed();
  }

  // --- following it ---

  private follow(home: Peer): void {
    for (const own of this.own.all()) this.send(own);
    const early = this.early.get(home) ?? [];
    this.early.delete(home);
    for (const body of early) this.message(home, body);
    if (this.successors.delete(home)) home.sendJson(Kind.AGREED);
  }

  private message(peer: Peer, body: Buffer): void {
    if (peer !== this.home) {
      const early = this.early.get(peer);
      if (early) early.push(body);
      else this.early.set(peer, [body]);
      return;
    }
    const { publisher, published } = readMessage(body);
    const { counter, channel, bytes } = readPublished(published);
    if (this.isNew(publisher, counter) && this.interests.own.has(channel)) this.arrived.add(channel, bytes);
  }

  private confirmed(body: Buffer): void {
    const { counter, receivers } = readDone(body);
    this.settle(counter, receivers);
  }

  private settle(counter: number, receivers: number): void {
    const own = this.own.take(counter);
    if (!own) return;
    if (this.interests.own.has(own.channel)) this.arrived.add(own.channel, own.bytes);
    own.resolve(receivers);
  }

  private hold(peer: Peer): void {
    if (peer === this.home) this.isHeld = true;
    peer.sendJson(Kind.HELD);
  }

  /** A member gives the order from now on. @param body of TAKEOVER: whom it has cut off */
  private succeeds(peer: Peer, body: Buffer): void {
    for (const id of JSON.parse(body.toString()) as string[]) {
      const expelled = this.mesh.members.get(id);
      if (expelled) this.mesh.cut(expelled, `was cut off by the worker ${peer.id}`);
    }
    if (peer === this.home) peer.sendJson(Kind.AGREED);
    else this.successors.add(peer);
  }

  /** @returns false for what was there before */
  private isNew(publisher: string, counter: number): boolean {
    const highest = this.heard.get(publisher) ?? 0;
    if (counter <= highest) return false;
    if (highest === 0 && this.heard.size >= MAX_PUBLISHERS) this.heard.delete(this.heard.keys().next().value!);
    this.heard.set(publisher, counter);
    return true;
  }
}
