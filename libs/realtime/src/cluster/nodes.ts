/**
 * Which nodes there are. Every node announces itself at intervals; one that has been silent for some intervals is lost,
 * and one that stops says so. Only the clock of the receiver counts.
 */
import { detached } from '../async-context.js';
import type { NodeId } from './format.js';
import type { Announcement } from './messages.js';

/** How many of the nodes that have left are remembered; the id of a node is new at each boot. */
const MAX_GONE = 1000;

/** Another node, as it announced itself. */
export interface KnownNode {
  readonly id: NodeId;
  readonly announcement: Announcement;
}

/** Who wants to know of changes. Its methods MUST NOT throw. */
export interface NodesListener {
  /** A node that was not known has announced itself: it does not know this one yet. */
  came(node: KnownNode): void;
  /** It has stopped (`left`), or has been silent for too long (`lost`). */
  went(node: KnownNode, how: 'left' | 'lost'): void;
  /** More nodes than `maxNodes` announce themselves; called once for each that is ignored. */
  ignored(id: NodeId): void;
}

export interface NodesOptions {
  /** How often a node announces itself, in milliseconds. */
  readonly announceMs: number;
  /** After how long without an announcement a node is lost, in milliseconds. */
  readonly lostMs: number;
  /** How many other nodes are known at most: whoever can publish could invent any number. */
  readonly maxNodes: number;
}

interface Seen extends KnownNode {
  readonly heardAt: number;
}

export class Nodes {
  private readonly known = new Map<NodeId, Seen>();
  /** Those that have left, the longest ago first: an announcement may come after the leave, by another channel. */
  private readonly gone = new Set<NodeId>();
  private timer?: NodeJS.Timeout;
  private isStopped = false;
  /** When `sweep` ran last: silence while this process stood still is not the silence of the others. */
  private sweptAt = 0;
  /** When an announcement came last, of any node: this one hears its own. */
  private heardAt = 0;

  constructor(
    private readonly self: NodeId,
    private readonly options: NodesOptions,
    private readonly listener: NodesListener,
    /** Announces this node to all others. */
    private readonly announce: () => void,
  ) {}

  /** Announces this node at intervals from now on, and looks for lost ones. */
  start(): void {
    this.sweptAt = this.heardAt = performance.now();
    this.timer = detached(() => setInterval(() => this.beat(), this.options.announceMs));
    this.timer.unref();
  }

  /** Nobody is announced or known from now on: a node that had left would be known again otherwise. */
  stop(): void {
    this.isStopped = true;
    clearInterval(this.timer);
    this.known.clear();
  }

  get ids(): NodeId[] {
    return [...this.known.keys()];
  }

  get all(): KnownNode[] {
    return [...this.known.values()];
  }

  has(id: NodeId): boolean {
    return this.known.has(id);
  }

  /** A node has announced itself. */
  announced(id: NodeId, announcement: Announcement): void {
    this.heardAt = performance.now();
    if (id === this.self || this.isStopped || this.gone.has(id)) return;
    const isNew = !this.known.has(id);
    if (isNew && this.known.size >= this.options.maxNodes) {
      this.listener.ignored(id);
      return;
    }
    const seen = { id, announcement, heardAt: this.heardAt };
    this.known.set(id, seen);
    if (isNew) this.listener.came(seen);
  }

  /** A node has stopped. */
  left(id: NodeId): void {
    const node = this.known.get(id);
    if (!node) return;
    this.gone.add(id);
    if (this.gone.size > MAX_GONE) this.gone.delete(this.gone.values().next().value!);
    this.remove(node, 'left');
  }

  /** A node has ended and did not say so. */
  lost(id: NodeId): void {
    const node = this.known.get(id);
    if (node) this.remove(node, 'lost');
  }

  private beat(): void {
    this.announce();
    this.sweep();
  }

  private sweep(): void {
    const now = performance.now();
    const { announceMs, lostMs } = this.options;
    const sinceMs = now - this.sweptAt;
    this.sweptAt = now;
    // Announcements that came while this process stood still may not have been read yet
    if (sinceMs > 2 * announceMs) this.forgive(sinceMs - announceMs);
    // Where not even its own announcements come back, the fault is not with the others
    else if (now - this.heardAt > 1.5 * announceMs) this.forgive(sinceMs);
    for (const node of [...this.known.values()]) if (now - node.heardAt > lostMs) this.remove(node, 'lost');
  }

  private forgive(ms: number): void {
    for (const [id, node] of this.known) this.known.set(id, { ...node, heardAt: node.heardAt + ms });
  }

  private remove(node: KnownNode, how: 'left' | 'lost'): void {
    this.known.delete(node.id);
    this.listener.went(node, how);
  }
}
