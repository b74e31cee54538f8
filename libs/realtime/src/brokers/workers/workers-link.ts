/** The link between the workers of one host: unix sockets, and no server beside them. Road OUT, step 7. */
import { setTimeout as sleep } from 'node:timers/promises';
import { detached } from '../../async-context.js';
import { type Link, LINK_TIMES, LinkError, type LinkEvents, type LinkTimes } from '../../cluster/link.js';
import { Probe } from '../../cluster/probe.js';
import { OptionsError } from '../../errors.js';
import { SocketFolder } from './folder.js';
import { header, Kind } from './frames.js';
import { Interests } from './interests.js';
import { Mesh } from './mesh.js';
import { Order } from './order.js';
import type { Peer } from './peer.js';
import { OwnPublished } from './published.js';

export interface WorkersLinkOptions {
  /** Where the sockets are; made when there is none. All workers of an application have the same. */
  readonly folder: string;
  /** The id of this node. */
  readonly node: string;
  /** How many bytes may wait for another worker before it is cut off. */
  readonly maxWaitingBytes: number;
  /** The longest message, in bytes. */
  readonly maxFrameBytes: number;
  readonly times?: Partial<LinkTimes>;
}

/** What a frame has beside its message: the channel, above all. */
const FRAME_OVERHEAD = 131_072;

/**
 * Makes a link; its `start` connects it.
 *
 * @throws OptionsError when no socket can be in the folder
 * @example const link = workersLink({ folder: '/run/shop', node: 'n1', maxWaitingBytes: 2 ** 24, maxFrameBytes: 2 ** 21 });
 */
export function workersLink({ times, ...options }: WorkersLinkOptions): Link {
  return new WorkersLink(options, { ...LINK_TIMES, ...times });
}

class WorkersLink implements Link {
  isUp = false;
  readonly isSharded = false;
  private readonly folder: SocketFolder;
  private readonly interests = new Interests();
  private readonly mesh: Mesh;
  private readonly order: Order;
  private readonly probe: Probe;
  private readonly stopping = new AbortController();
  private events!: LinkEvents;
  /** True from the first probe of a membership to its end. */
  private isProbing = false;
  private hasBeenUp = false;

  constructor(
    { folder, node, maxWaitingBytes, maxFrameBytes }: Omit<WorkersLinkOptions, 'times'>,
    private readonly times: LinkTimes,
  ) {
    this.folder = new SocketFolder(folder);
    const bounds = { maxWaitingBytes, maxFrameBytes: maxFrameBytes + FRAME_OVERHEAD };
    this.mesh = new Mesh(this.folder, node, bounds, {
      frame: (peer, kind, body) => this.received(peer, kind, body),
      greeting: () => this.interests.snapshot(),
      joined: () => this.look(),
      left: (peer) => this.left(peer),
      cut: (peer, reason) => this.events.cut?.(peer.id, reason),
      expelled: (reason) => this.fall(reason),
      died: (node) => this.events.gone?.(node),
    });
    const own = new OwnPublished(times.timeoutMs, maxWaitingBytes, () => this.probe.now());
    const message = (channel: string, bytes: Buffer) => {
      if (this.isUp) this.events.message(channel, bytes);
    };
    this.order = new Order(node, this.mesh, this.interests, own, message);
    this.probe = new Probe(
      times,
      (bytes) => this.ping(bytes),
      () => this.silent(),
    );
  }

  get name(): string {
    return `workers in ${this.folder.path}`;
  }

  get lagMs(): number | undefined {
    return this.probe.lagMs;
  }

  get size(): number {
    return this.interests.own.size;
  }

  async start(events: LinkEvents): Promise<void> {
    this.events = events;
    try {
      await this.enter();
    } catch (error) {
      this.mesh.leave();
      if (error instanceof OptionsError) throw error;
      events.down((error as Error).message);
      detached(() => void this.repair());
    }
  }

  publish(channel: string, bytes: Buffer): Promise<number> {
    return this.isUp ? this.order.publish(channel, bytes) : Promise.reject(this.unavailable());
  }

  async subscribe(channels: readonly string[]): Promise<void> {
    if (!this.isUp) throw this.unavailable();
    await this.interests.add(channels, this.mesh.greeted, () => this.order.home);
  }

  async unsubscribe(channels: readonly string[]): Promise<void> {
    if (!this.isUp) throw this.unavailable();
    this.interests.remove(channels, this.mesh.greeted);
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    if (this.isUp) await this.order.handOver();
    this.isUp = false;
    this.quit();
  }

  private unavailable(): LinkError {
    return new LinkError('unavailable', `The other workers are not reachable (${this.name})`);
  }

  private async enter(): Promise<void> {
    await this.mesh.enter(this.times.timeoutMs);
    if (this.stopping.signal.aborted) return this.mesh.leave();
    this.isProbing = true;
    await this.probe.start();
    if (this.stopping.signal.aborted) return;
    this.isUp = true;
    this.events.up();
    if (this.hasBeenUp) this.events.gap('all');
    this.hasBeenUp = true;
  }

  private quit(): void {
    this.isProbing = false;
    this.probe.stop();
    const error = new LinkError('unknown', `The connection to the other workers was lost (${this.name})`);
    this.order.own.fail(error);
    this.interests.fail(error);
    this.mesh.leave();
    this.order.restart();
  }

  /** This worker is not a member any more; it becomes one again. */
  private fall(reason: string): void {
    if (!this.isUp) return;
    this.isUp = false;
    this.quit();
    this.events.down(reason);
    detached(() => void this.repair());
  }

  /** Pauses are random from 0 to a bound that doubles, so that two workers do not cut each other off again and again. */
  private async repair(): Promise<void> {
    const { signal } = this.stopping;
    for (let attempt = 0; !this.isUp && !signal.aborted; attempt++) {
      const boundMs = Math.min(this.times.maxBackoffMs, this.times.backoffMs * 2 ** attempt);
      await sleep(Math.random() * boundMs, undefined, { ref: false, signal }).catch(() => {});
      if (!signal.aborted) await this.enter().catch(() => this.mesh.leave());
    }
  }

  private received(peer: Peer, kind: Kind, body: Buffer): void {
    if (kind === Kind.ON) this.interests.on(peer, body);
    else if (kind === Kind.OFF) this.interests.off(peer, body);
    else if (kind === Kind.ACK) {
      this.interests.acknowledged(peer, body);
      this.interests.look(this.order.home);
    } else if (kind === Kind.PING) peer.send(header(Kind.PONG, body.length), body);
    else if (kind === Kind.PONG) this.probe.received(body);
    else this.order.received(peer, kind, body);
  }

  private left(peer: Peer): void {
    const wasHome = peer === this.order.home;
    this.interests.left(peer);
    this.order.left(peer);
    this.look();
    if (wasHome && !peer.hasLeft && this.isUp) this.events.gap('all');
  }

  private look(): void {
    if (!this.order.look()) return;
    this.interests.look(this.order.home);
    if (this.isProbing) this.probe.again();
  }

  private ping(bytes: Buffer): void {
    const { home } = this.order;
    if (this.isUp && !this.mesh.isVisible) return this.fall('its socket was removed');
    if (home) home.send(header(Kind.PING, bytes.length), bytes);
    else setImmediate(() => this.probe.received(bytes));
  }

  private silent(): void {
    const { home } = this.order;
    if (home) this.mesh.cut(home, `did not answer within ${this.times.probeTimeoutMs / 1000} s`);
  }
}
