/** Road OUT, step 7: the other nodes. They are met at the start and after each outage, before anybody is asked. */
import { hostname } from 'node:os';
import { detached } from '../async-context.js';
import type { LocalNode, OtherNode } from '../broker.js';
import type { PresenceVersions } from '../presence.js';
import type { RealtimeSettings } from '../settings/settings.js';
import type { ClusterLog } from './cluster-log.js';
import { ALL_NODES, type NodeId } from './format.js';
import type { Announcement } from './messages.js';
import { type KnownNode, Nodes } from './nodes.js';
import { type Addressee, EVERY_NODE, type Post } from './post.js';
import { READS, versionAtStart } from './versions.js';

/** Who wants to know of changes. Its methods MUST NOT throw. */
export interface PeersListener {
  came(node: NodeId): void;
  /** @param how `lost`: it was silent for too long */
  went(node: NodeId, how: 'left' | 'lost'): void;
  /** A node has announced its era; see `Announcement`. */
  isIn?(node: NodeId, era: number): void;
  /** @returns the era of this node; default: 0 */
  era?(): number;
  /** A node has announced which of its rooms have changed. */
  hasChanged?(node: NodeId, versions: PresenceVersions): void;
}

type PeersSettings = Pick<RealtimeSettings, 'announceInterval' | 'nodeLostTime' | 'maxNodes' | 'askTimeout'>;

export class Peers {
  /** Pending while the others are about to announce themselves; never rejects. */
  introduced?: Promise<void>;
  private readonly nodes: Nodes;
  private readonly startedAt = Date.now();
  private isStopped = false;
  /** Looks whether all have been met; called with each node that comes. */
  private look: () => void = () => {};

  constructor(
    private readonly local: LocalNode,
    private readonly post: Post,
    private readonly settings: PeersSettings,
    private readonly lines: ClusterLog,
    private readonly listener: PeersListener,
  ) {
    const { announceInterval, nodeLostTime, maxNodes } = settings;
    const options = { announceMs: announceInterval * 1000, lostMs: nodeLostTime * 1000, maxNodes };
    const events = {
      came: (node: KnownNode) => this.came(node, listener),
      went: ({ id }: KnownNode, how: 'left' | 'lost') => {
        lines.went(id, how);
        listener.went(id, how);
      },
      ignored: (id: NodeId) => lines.ignored(id, maxNodes),
    };
    this.nodes = new Nodes(local.id, options, events, () => void this.announce(EVERY_NODE));
  }

  get ids(): NodeId[] {
    return this.nodes.ids;
  }

  has(id: NodeId): boolean {
    return this.nodes.has(id);
  }

  all(): OtherNode[] {
    const named = this.nodes.all.map(({ id, announcement }) => {
      const { host, pid, startedAt, connections, rooms, users } = announcement;
      return { id, host, pid, startedAt, connections, rooms, users };
    });
    return named.sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /**
   * Announces this node from now on, and waits until the others have answered.
   *
   * @throws OptionsError when another node cannot read what this one would send
   */
  async start(): Promise<void> {
    this.nodes.start();
    await this.introduced;
    versionAtStart(READS, new Map(this.nodes.all.map(({ id, announcement }) => [id, announcement.reads])));
  }

  async stop(isUp: boolean): Promise<void> {
    this.nodes.stop();
    this.isStopped = true;
    this.look();
    if (isUp) await this.post.send(this.post.leave()).catch(() => {});
  }

  /**
   * The broker is there, or there again: all nodes are met.
   *
   * @param subscribed pending while this node cannot hear them yet
   */
  introduce(subscribed: Promise<unknown> | undefined): void {
    const meeting = this.meet(subscribed).finally(() => {
      if (this.introduced === meeting) this.introduced = undefined;
    });
    this.introduced = meeting;
  }

  announced(id: NodeId, announcement: Announcement): void {
    this.nodes.announced(id, announcement);
    if (id === this.local.id) return;
    this.listener.isIn?.(id, announcement.era ?? 0);
    if (announcement.presence) this.listener.hasChanged?.(id, announcement.presence);
  }

  left(id: NodeId): void {
    this.nodes.left(id);
  }

  /** The link has noticed the end of a node before it was silent for long enough. */
  lost(id: NodeId): void {
    this.nodes.lost(id);
  }

  private async meet(subscribed: Promise<unknown> | undefined): Promise<void> {
    await subscribed;
    const others = (await this.announce(EVERY_NODE)) - 1;
    await new Promise<void>((resolve) => {
      const timer = detached(() => setTimeout(resolve, this.settings.askTimeout * 1000)).unref();
      this.look = () => {
        if (!this.isStopped && this.nodes.ids.length < Math.min(others, this.settings.maxNodes)) return;
        clearTimeout(timer);
        resolve();
      };
      this.look();
    });
  }

  private came(node: KnownNode, listener: PeersListener): void {
    this.lines.came(node);
    // It does not know this node yet
    void this.announce(node.id);
    listener.came(node.id);
    this.look();
  }

  /** @returns how many nodes have heard it; 0 when it failed */
  private async announce(to: Addressee): Promise<number> {
    const { startedAt, local } = this;
    const era = this.listener.era?.();
    const presence = local.presence?.versions();
    const own = { ...(era && { era }), ...(presence && { presence }) };
    const who = { reads: READS, startedAt, host: hostname(), pid: process.pid, ...own };
    try {
      return await this.post.send(this.post.announcement({ ...who, ...local.facts() }, to));
    } catch (error) {
      this.lines.notPublished(ALL_NODES, error);
      return 0;
    }
  }
}
