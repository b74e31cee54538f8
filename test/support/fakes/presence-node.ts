/** A node of the model of presence: what connects the machine to a broker and to members, in its simplest form. */
import type { PresenceLink, PresenceMessage, PresenceVersions } from '../../../libs/realtime/src/presence.js';
import type { PresenceRoom, RoomChange } from '../../../libs/realtime/src/presence/presence-room.js';
import type { PresenceRooms } from '../../../libs/realtime/src/presence/presence-rooms.js';
import { Link, Process, type LossyBus } from './lossy-bus.js';
import type { ManualClock } from './manual-clock.js';

export type PresenceClass = typeof PresenceRooms;

export type Message =
  | { readonly kind: 'presence'; readonly message: PresenceMessage }
  | { readonly kind: 'announce'; readonly versions: PresenceVersions | undefined }
  | { readonly kind: 'leave' };

export const TIMES = { askMs: 1000, announceMs: 2000, spreadMs: 5000 } as const;
export const GRACE_MS = 5000;
export const LOST_MS = 6000;
const EVERYBODY = 'n:*';

/** A connection, and what it was told. */
export class Tab {
  /** Who is there, as it was told; undefined before the list. */
  told?: Map<string, string | undefined>;
  state?: string;

  constructor(
    readonly user: string,
    readonly room: string,
  ) {}
}

export interface Watcher {
  fault(what: string): void;
  /** A member or a hook was told a change. */
  event(node: PresenceNode, room: string, change: RoomChange): void;
}

export class PresenceNode implements PresenceLink {
  readonly process: Process;
  readonly link: Link<Message>;
  readonly presence: PresenceRooms<Tab>;
  readonly tabs = new Set<Tab>();
  /** When each other node was heard last. */
  readonly peers = new Map<string, number>();
  private readonly left = new Set<string>();
  private readonly holds = new Map<string, number>();
  private readonly bootedAt: number;
  private heardAt: number;
  private isKnownDown = false;
  isDraining = false;
  /** How many messages about presence it has published. */
  shared = 0;

  constructor(
    readonly name: string,
    of: PresenceClass,
    private readonly time: ManualClock,
    private readonly bus: LossyBus<Message>,
    private readonly random: () => number,
    private readonly watcher: Watcher,
  ) {
    this.process = new Process(time);
    this.link = new Link(name, this.process, (_channel, from, message) => this.receive(from, message));
    this.link.channels.add(EVERYBODY).add(`n:${name}`);
    bus.links.push(this.link);
    const options = { self: name, clock: this.process, maxUsers: 1000, graceMs: () => GRACE_MS, ...TIMES };
    this.presence = new of<Tab>(options, this, {
      changed: (room, changes) => this.changed(room, changes),
      listed: (room, tabs) => tabs.forEach((tab) => this.listed(room, tab)),
      isFull: () => true,
    });
    this.presence.up();
    this.bootedAt = this.heardAt = time.now();
    this.announce();
    this.beat();
  }

  get isUsable(): boolean {
    const isIntroduced = this.time.now() - this.bootedAt >= TIMES.askMs;
    return isIntroduced && !this.process.isDead && !this.process.isStalled && !this.isDraining;
  }

  // --- connections ---

  open(tab: Tab): void {
    this.tabs.add(tab);
    this.presence.enter(tab.room, tab, tab.user);
  }

  /** The connection has ended; a process that stands still learns of it later. */
  lose(tab: Tab): void {
    this.process.receive(() => {
      if (this.tabs.delete(tab)) this.presence.lose(tab.room, tab);
    });
  }

  leaveRoom(tab: Tab): void {
    if (this.tabs.delete(tab)) this.presence.leave(tab.room, tab);
  }

  present(tab: Tab, state: string): void {
    tab.state = state;
    this.presence.present(tab.room, tab, state);
  }

  // --- what becomes of the process ---

  kill(): void {
    this.process.isDead = true;
    this.link.cut();
    this.bus.links.splice(this.bus.links.indexOf(this.link), 1);
  }

  async leave(): Promise<void> {
    await this.presence.farewell();
    this.publish(EVERYBODY, { kind: 'leave' });
    this.time.after(this.bus.maxDelayMs, () => this.kill());
  }

  down(): void {
    if (this.isKnownDown || this.process.isDead) return;
    this.isKnownDown = true;
    this.presence.down();
  }

  up(): void {
    if (this.process.isDead) return;
    this.isKnownDown = false;
    for (const channel of this.holds.keys()) this.link.channels.add(channel);
    this.presence.up();
    this.announce();
  }

  // --- as the link of the machine ---

  hold(channel: string): Promise<unknown> | undefined {
    this.holds.set(channel, (this.holds.get(channel) ?? 0) + 1);
    if (this.isKnownDown) return undefined;
    return new Promise((resolve) => {
      this.process.after(Math.floor(this.random() * 40), () => {
        if (this.holds.has(channel)) this.link.channels.add(channel);
        resolve('on');
      });
    });
  }

  release(channel: string): void {
    const count = this.holds.get(channel)! - 1;
    if (count > 0) return void this.holds.set(channel, count);
    this.holds.delete(channel);
    this.link.channels.delete(channel);
  }

  async share(channel: string, message: PresenceMessage): Promise<void> {
    this.shared++;
    this.publish(channel, { kind: 'presence', message });
  }

  private publish(channel: string, message: Message): void {
    if (!this.process.isDead) this.bus.publish(this.link, channel, message);
  }

  // --- other nodes ---

  private announce(to = EVERYBODY): void {
    this.publish(to, { kind: 'announce', versions: this.presence.versions() });
  }

  private receive(from: string, message: Message): void {
    if (this.process.isDead) return;
    if (message.kind === 'announce') return this.announced(from, message.versions);
    if (from === this.name) return;
    if (message.kind === 'presence') return this.presence.received(from, message.message);
    this.left.add(from);
    if (this.peers.delete(from)) this.presence.left(from);
  }

  private announced(from: string, versions: PresenceVersions | undefined): void {
    this.heardAt = this.process.now();
    if (from === this.name || this.left.has(from)) return;
    const isNew = !this.peers.has(from);
    this.peers.set(from, this.process.now());
    if (isNew) {
      this.announce(`n:${from}`);
      this.presence.came(from);
    }
    if (versions) this.presence.announced(from, versions);
  }

  private beat(sweptAt = this.process.now()): void {
    this.process.after(TIMES.announceMs, () => {
      if (this.process.isDead) return;
      this.announce();
      this.sweep(sweptAt);
      this.beat();
    });
  }

  /** As cluster/nodes.ts does it: silence is forgiven while this process stood still, or does not hear itself. */
  private sweep(sweptAt: number): void {
    const now = this.process.now();
    const sinceMs = now - sweptAt;
    const isDeaf = now - this.heardAt > 1.5 * TIMES.announceMs;
    const forgivenMs = sinceMs > 2 * TIMES.announceMs ? sinceMs - TIMES.announceMs : isDeaf ? sinceMs : 0;
    for (const [peer, heardAt] of this.peers) {
      this.peers.set(peer, heardAt + forgivenMs);
      if (now - heardAt - forgivenMs <= LOST_MS) continue;
      this.peers.delete(peer);
      this.presence.lost(peer);
    }
  }

  // --- what members are told ---

  private listed(room: PresenceRoom<Tab>, tab: Tab): void {
    if (tab.told) this.watcher.fault('a member gets the list twice');
    tab.told = new Map([...room.users()].map((user) => [user, room.merged(user)!.state]));
  }

  private changed(room: PresenceRoom<Tab>, changes: readonly RoomChange[]): void {
    for (const change of changes) {
      this.watcher.event(this, room.name, change);
      for (const tab of room.members) this.tell(tab, change);
    }
  }

  private tell({ told }: Tab, { kind, user, state }: RoomChange): void {
    if (!told) return this.watcher.fault('a member is told a change before the list');
    if (told.has(user) === (kind === 'join')) this.watcher.fault(`a member is told twice: ${kind}`);
    if (kind === 'update' && told.get(user) === state) this.watcher.fault('an update without a change');
    if (kind === 'leave') told.delete(user);
    else told.set(user, state);
  }
}
