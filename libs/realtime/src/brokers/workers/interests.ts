/** What each worker wants: the channels of this one, whose changes the others acknowledge, and those of the others. */
import { jsonFrame, Kind } from './frames.js';
import type { Peer } from './peer.js';

interface Wait {
  readonly number: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** The most channels in one frame. */
const BATCH = 512;

const NOBODY: ReadonlySet<Peer> = new Set();

export class Interests {
  /** The channels of this worker. */
  readonly own = new Set<string>();
  private readonly wanted = new Map<string, Set<Peer>>();
  private readonly waits = new Set<Wait>();
  /** The number of the last change of this worker. */
  private number = 0;

  // --- of the others ---

  /** @returns the other workers that want a channel */
  of(channel: string): ReadonlySet<Peer> {
    return this.wanted.get(channel) ?? NOBODY;
  }

  /** Another worker wants channels. @param body of ON */
  on(peer: Peer, body: Buffer): void {
    const { number, channels } = changeOf(body);
    for (const channel of channels) {
      peer.channels.add(channel);
      const peers = this.wanted.get(channel);
      if (peers) peers.add(peer);
      else this.wanted.set(channel, new Set([peer]));
    }
    peer.sendJson(Kind.ACK, number);
  }

  /** @param body of OFF */
  off(peer: Peer, body: Buffer): void {
    for (const channel of changeOf(body).channels) this.forget(peer, channel);
  }

  left(peer: Peer): void {
    for (const channel of peer.channels) this.forget(peer, channel);
  }

  // --- of this worker ---

  /** @returns frames that say all channels of this worker */
  snapshot(): Buffer[] {
    return framesOf(Kind.ON, this.number, [...this.own]);
  }

  /**
   * Adds channels, and says so to others.
   *
   * @returns resolves when the one that orders has noted them; rejects after `fail`, and then nothing has changed
   */
  async add(channels: readonly string[], others: Iterable<Peer>, home: () => Peer | undefined): Promise<void> {
    const added = channels.filter((channel) => !this.own.has(channel));
    for (const channel of added) this.own.add(channel);
    // What is not new may not be confirmed yet either
    const number = added.length > 0 ? this.tell(Kind.ON, added, others) : this.number;
    try {
      await new Promise<void>((resolve, reject) => {
        this.waits.add({ number, resolve, reject });
        this.look(home());
      });
    } catch (error) {
      for (const channel of added) this.own.delete(channel);
      throw error;
    }
  }

  remove(channels: readonly string[], others: Iterable<Peer>): void {
    const removed = channels.filter((channel) => this.own.delete(channel));
    if (removed.length > 0) this.tell(Kind.OFF, removed, others);
  }

  /** @param body of ACK */
  acknowledged(peer: Peer, body: Buffer): void {
    peer.acked = Number(JSON.parse(body.toString()));
  }

  /** Ends the waits that are over. @param home the one that orders; undefined when it is this worker */
  look(home: Peer | undefined): void {
    for (const wait of this.waits) {
      if (home && home.acked < wait.number) continue;
      this.waits.delete(wait);
      wait.resolve();
    }
  }

  /** Ends all waits: this worker is not a member any more. */
  fail(error: Error): void {
    const waits = [...this.waits];
    this.waits.clear();
    for (const wait of waits) wait.reject(error);
  }

  private tell(kind: Kind, channels: readonly string[], others: Iterable<Peer>): number {
    const number = ++this.number;
    const frames = framesOf(kind, number, channels);
    for (const peer of others) for (const frame of frames) peer.send(frame);
    return number;
  }

  private forget(peer: Peer, channel: string): void {
    peer.channels.delete(channel);
    const peers = this.wanted.get(channel);
    if (peers?.delete(peer) && peers.size === 0) this.wanted.delete(channel);
  }
}

/** The number stands in the last frame: what is acknowledged is the whole. */
function framesOf(kind: Kind, number: number, channels: readonly string[]): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at === 0 || at < channels.length; at += BATCH) {
    const isLast = at + BATCH >= channels.length;
    frames.push(jsonFrame(kind, { number: isLast ? number : number - 1, channels: channels.slice(at, at + BATCH) }));
  }
  return frames;
}

interface Change {
  readonly number: number;
  readonly channels: readonly string[];
}

/** @throws Error for what is not a change */
function changeOf(body: Buffer): Change {
  const { number, channels } = JSON.parse(body.toString()) as Change;
  if (!Number.isInteger(number) || !Array.isArray(channels) || channels.some((name) => typeof name !== 'string'))
    throw new TypeError('ON and OFF have a number and channels');
  return { number, channels };
}
