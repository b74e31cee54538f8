/** A room with history that has members on this node. */
import type { Command } from '../command.js';
import type { Clock } from '../cluster/clock.js';
import type { Entry } from '../history.js';
import type { Position } from '../position.js';
import type { Gap, RoomMember } from './room-member.js';
import type { RoomStream } from './room-stream.js';

/** What has no position: a volatile push, or an order. */
export interface Passing {
  readonly command: Command;
  /** The bytes that it takes while it waits. */
  readonly size: number;
  /** Called when it was delivered. */
  passed(): void;
}

interface Copy {
  readonly n: number;
  readonly settle: () => void;
}

export class StreamedRoom<M extends object> {
  readonly members = new Map<M, RoomMember>();
  /** Entries that this node has appended, and that have not come back. */
  private copies: Copy[] = [];

  constructor(readonly stream: RoomStream<Passing>) {}

  entry(entry: Entry): void {
    this.stream.entry(entry);
    this.settle();
  }

  /** @returns resolves when the members have an entry of this node, at the latest after so many milliseconds */
  appended(position: Position, clock: Clock, ms: number): Promise<void> | undefined {
    this.stream.appended(position);
    if (this.hasPassed(position)) return undefined;
    return new Promise((settle) => {
      const copy = { n: position.n, settle };
      this.copies.push(copy);
      clock.after(ms, () => {
        this.copies = this.copies.filter((each) => each !== copy);
        settle();
      });
    });
  }

  lost(member: M, entry: Entry): Gap | undefined {
    const record = this.members.get(member);
    return record && this.stream.lost(record, entry);
  }

  end(): void {
    this.stream.end();
    for (const { settle } of this.copies.splice(0)) settle();
  }

  /** Something may have come: those who wait for it go on. */
  settle(): void {
    if (this.copies.length === 0) return;
    const come = this.copies.filter((copy) => this.hasPassed(copy));
    if (come.length === 0) return;
    this.copies = this.copies.filter((copy) => !come.includes(copy));
    for (const { settle } of come) settle();
  }

  private hasPassed({ n }: { readonly n: number }): boolean {
    const { position } = this.stream;
    return position !== undefined && position.n >= n;
  }
}
