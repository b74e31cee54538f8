/** The connection to another worker. What is sent in a turn of the event loop leaves in one write; what waits is bounded. */
import type { Socket } from 'node:net';
import { detached } from '../../async-context.js';
import { FrameReader, jsonFrame, Kind } from './frames.js';

export interface PeerEvents {
  frame(peer: Peer, kind: Kind, body: Buffer): void;
  /** More waits for it than is allowed. May be called again. */
  slow(peer: Peer): void;
  /** It sent what cannot be a frame. */
  broken(peer: Peer, error: Error): void;
  closed(peer: Peer): void;
}

export interface PeerBounds {
  /** How many bytes may wait for it. */
  readonly maxWaitingBytes: number;
  /** The longest frame that it may send, in bytes. */
  readonly maxFrameBytes: number;
}

/** What waits is copied into one buffer up to this length, in bytes; above it, each part is written on its own. */
const COPIED_BYTES = 65_536;

export class Peer {
  /** Known once it has said hello. */
  id = '';
  /** When it became reachable, in microseconds of the clock of this machine. */
  since = Infinity;
  /** What it wants. */
  readonly channels = new Set<string>();
  /** True once it has been sent what this worker wants. */
  isGreeted = false;
  /** Its changes of interest are noted up to this number. */
  acked = -1;
  /** True once it has said goodbye. */
  hasLeft = false;
  /** True once this worker has cut it off. */
  isCut = false;
  private waiting: Buffer[] = [];
  private waitingBytes = 0;

  constructor(
    private readonly socket: Socket,
    /** True when this worker has dialed. */
    readonly isDialed: boolean,
    private readonly bounds: PeerBounds,
    private readonly events: PeerEvents,
  ) {
    const reader = new FrameReader(bounds.maxFrameBytes, (kind, body) => {
      if (!this.isCut) events.frame(this, kind, body);
    });
    socket.on('data', (chunk) => this.read(reader, chunk));
    // What there is to say is said by its close
    socket.on('error', () => {});
    socket.on('close', () => events.closed(this));
  }

  /** Sends one frame. @param parts of it, which are not changed afterwards */
  send(...parts: readonly Buffer[]): void {
    if (this.isCut) return;
    if (this.waiting.length === 0) detached(() => setImmediate(() => this.flush()));
    for (const part of parts) {
      this.waiting.push(part);
      this.waitingBytes += part.length;
    }
    if (this.waitingBytes + this.socket.writableLength > this.bounds.maxWaitingBytes) this.events.slow(this);
  }

  sendJson(kind: Kind, value?: unknown): void {
    this.send(jsonFrame(kind, value));
  }

  /** Says goodbye and closes, after what waits. */
  leave(): void {
    this.sendJson(Kind.BYE);
    this.flush();
    this.isCut = true;
    this.socket.end();
    // A peer that does not read must not keep this process
    this.socket.unref();
  }

  /** Closes at once. */
  cut(): void {
    this.isCut = true;
    this.waiting = [];
    this.waitingBytes = 0;
    this.socket.destroy();
  }

  private flush(): void {
    const { waiting, waitingBytes, socket } = this;
    if (waiting.length === 0) return;
    this.waiting = [];
    this.waitingBytes = 0;
    if (waitingBytes <= COPIED_BYTES) {
      socket.write(waiting.length === 1 ? waiting[0]! : Buffer.concat(waiting, waitingBytes));
      return;
    }
    socket.cork();
    for (const part of waiting) socket.write(part);
    socket.uncork();
  }

  private read(reader: FrameReader, chunk: Buffer): void {
    if (this.isCut) return;
    try {
      reader.read(chunk);
    } catch (error) {
      this.events.broken(this, error as Error);
    }
  }
}
