/**
 * Who is a worker: each has a connection to every other one. A worker listens, then looks who is there, connects to them
 * and waits for what they want; only then is it a member. The younger of two connects to the elder, whose socket it must
 * have seen. A connection that is lost is not made again: its ends are members no more for each other.
 */
import { renameSync, statSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { detached } from '../../async-context.js';
import type { SocketFolder } from './folder.js';
import { Kind } from './frames.js';
import { Peer, type PeerBounds } from './peer.js';

export interface MeshEvents {
  /** A frame of a worker that is, or is about to be, a member. */
  frame(peer: Peer, kind: Kind, body: Buffer): void;
  /** @returns frames that say what this worker wants */
  greeting(): Buffer[];
  /** A worker has become a member. */
  joined(peer: Peer): void;
  /** A member is gone. */
  left(peer: Peer): void;
  /** This worker has cut another one off. */
  cut(peer: Peer, reason: string): void;
  /** Another worker has cut this one off. */
  expelled(reason: string): void;
  /** A former member has ended without goodbye. */
  died(id: string): void;
}

export class Mesh {
  /** By their ids. */
  readonly members = new Map<string, Peer>();
  /** The ids of those that this worker has cut off and that are not members again. */
  readonly expelled = new Set<string>();
  /** All connections, of members and of those that may become members. */
  private readonly peers = new Set<Peer>();
  /** Called when it is known whether those that were dialed are members. */
  private readonly settled = new Map<Peer, () => void>();
  private server?: Server;
  private inode = 0n;
  private since = Infinity;

  constructor(
    private readonly folder: SocketFolder,
    private readonly id: string,
    private readonly bounds: PeerBounds,
    private readonly events: MeshEvents,
  ) {}

  /** The eldest other member that is older than this worker. */
  get elder(): Peer | undefined {
    let eldest: Peer | undefined;
    for (const peer of this.members.values()) if (isOlder(peer, eldest ?? this.me)) eldest = peer;
    return eldest;
  }

  /** Those who have been sent what this worker wants. */
  get greeted(): Peer[] {
    return [...this.peers].filter(({ isGreeted }) => isGreeted);
  }

  /** False when the socket of this worker has been removed, so that new workers cannot find it. */
  get isVisible(): boolean {
    try {
      return statSync(this.folder.socketOf(this.id), { bigint: true }).ino === this.inode;
    } catch {
      return false;
    }
  }

  /**
   * Becomes a member.
   *
   * @param timeoutMs how long it waits for a worker that does not answer
   * @throws OptionsError when the folder is not private
   */
  async enter(timeoutMs: number): Promise<void> {
    this.folder.open();
    await this.listen();
    const others = this.folder.nodes().filter((node) => node !== this.id);
    const answered = Promise.all(others.map((node) => this.dial(node)));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = detached(() => setTimeout(resolve, timeoutMs))));
    await Promise.race([answered, late]);
    clearTimeout(timer);
  }

  /** Says goodbye to all. */
  leave(): void {
    this.server?.close();
    if (this.isVisible) this.folder.forget(this.id);
    this.server = undefined;
    this.members.clear();
    this.expelled.clear();
    for (const peer of this.peers) {
      this.events.left(peer);
      peer.leave();
    }
    this.peers.clear();
    for (const settle of this.settled.values()) settle();
    this.settled.clear();
  }

  /** Ends the membership of another worker, as far as this one is concerned: it will notice, and become a new member. */
  cut(peer: Peer, reason: string): void {
    if (peer.isCut) return;
    peer.cut();
    if (this.members.get(peer.id) === peer) this.expelled.add(peer.id);
    this.events.cut(peer, reason);
  }

  private get me(): Age {
    return { id: this.id, since: this.since };
  }

  /** A worker is found as soon as its socket has its name: only after that is the time taken, and looked around. */
  private listen(): Promise<void> {
    const path = this.folder.socketOf(this.id);
    const hidden = `${path}~`;
    const server = (this.server = createServer((socket) => this.meet(socket, false)));
    return new Promise((resolve, reject) => {
      server.on('error', reject);
      // A worker of node:cluster would otherwise listen through its primary
      server.listen({ path: hidden, exclusive: true }, () => {
        try {
          renameSync(hidden, path);
          this.inode = statSync(path, { bigint: true }).ino;
          this.since = Number(process.hrtime.bigint() / 1000n);
          resolve();
        } catch (error) {
          reject(error as Error);
        }
      });
    });
  }

  /** @returns resolves when it is known whether the worker is a member */
  private dial(node: string): Promise<void> {
    return new Promise((resolve) => {
      const socket = this.connect(node, () => resolve());
      socket.once('connect', () => this.settled.set(this.meet(socket, true), resolve));
    });
  }

  /** @param refused called when nobody listens there */
  private connect(node: string, refused: (code: string | undefined) => void): Socket {
    const socket = connect(this.folder.socketOf(node));
    // One that is about to die may still accept, and then leaves its socket behind
    socket.once('connect', () => socket.once('close', () => socket.bytesRead === 0 && this.folder.sweep(node)));
    return socket.once('error', ({ code }: NodeJS.ErrnoException) => {
      if (code === 'ECONNREFUSED') this.folder.forget(node);
      refused(code);
    });
  }

  private meet(socket: Socket, isDialed: boolean): Peer {
    const peer = new Peer(socket, isDialed, this.bounds, {
      frame: (from, kind, body) => this.received(from, kind, body),
      slow: (to) => this.cut(to, `reads too slowly: more than ${this.bounds.maxWaitingBytes} bytes wait for it`),
      broken: (from, { message }) => this.cut(from, `is not understood: ${message}`),
      closed: (from) => this.closed(from),
    });
    this.peers.add(peer);
    peer.sendJson(Kind.HELLO, { id: this.id, since: this.since });
    return peer;
  }

  private received(peer: Peer, kind: Kind, body: Buffer): void {
    if (kind === Kind.HELLO) this.introduced(peer, JSON.parse(body.toString()) as Peer);
    else if (kind === Kind.BYE) this.bye(peer);
    else if (!peer.isGreeted) throw new Error(`the frame ${kind} came before hello`);
    else if (kind === Kind.WELCOME) this.join(peer);
    else this.events.frame(peer, kind, body);
  }

  private introduced(peer: Peer, { id, since }: Pick<Peer, 'id' | 'since'>): void {
    if (typeof id !== 'string' || typeof since !== 'number') throw new TypeError('hello has an id and a time');
    const isOlderThanThis = isOlder({ id, since }, this.me);
    // The other connection of the two is made, or has been made, by the younger
    if (isOlderThanThis !== peer.isDialed) {
      if (peer.isDialed) peer.cut();
      return;
    }
    peer.id = id;
    peer.since = since;
    for (const frame of this.events.greeting()) peer.send(frame);
    peer.sendJson(Kind.WELCOME);
    peer.isGreeted = true;
  }

  private join(peer: Peer): void {
    const former = this.members.get(peer.id);
    if (former) this.remove(former);
    this.members.set(peer.id, peer);
    this.expelled.delete(peer.id);
    this.events.joined(peer);
    this.settle(peer);
  }

  private bye(peer: Peer): void {
    peer.hasLeft = true;
    this.remove(peer);
    peer.cut();
  }

  private closed(peer: Peer): void {
    this.settle(peer);
    if (!this.peers.has(peer)) return;
    const wasMember = this.members.get(peer.id) === peer;
    this.remove(peer);
    if (wasMember && !peer.isCut) this.findOut(peer);
  }

  private remove(peer: Peer): void {
    this.peers.delete(peer);
    if (this.members.get(peer.id) === peer) this.members.delete(peer.id);
    this.events.left(peer);
  }

  private settle(peer: Peer): void {
    this.settled.get(peer)?.();
    this.settled.delete(peer);
  }

  /** A member has closed the connection without goodbye. Either it has died, or it has cut this worker off. */
  private findOut({ id }: Peer): void {
    let isDead = true;
    // A worker that only has no time refuses with EAGAIN
    const socket = this.connect(id, (code) => (isDead = code !== 'EAGAIN'));
    socket.unref();
    // One that is about to die may still accept, but it does not answer
    socket.once('data', () => {
      isDead = false;
      socket.destroy();
      if (this.server) this.events.expelled(`the worker ${id} has closed its connection`);
    });
    socket.once('close', () => {
      if (isDead && this.server && !this.members.has(id)) this.events.died(id);
    });
  }
}

type Age = Pick<Peer, 'id' | 'since'>;

function isOlder(one: Age, other: Age): boolean {
  return one.since < other.since || (one.since === other.since && one.id < other.id);
}
