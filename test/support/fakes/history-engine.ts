/** A simulated store with one room, and the nodes' connections to it: everything that can go wrong there does. */
import type { Entry, HistoryMessage, HistoryWindow } from '../../../libs/realtime/src/history.js';
import { before, placeOf, type Position, positionText } from '../../../libs/realtime/src/position.js';
import type { FakeClock } from './fake-clock.js';

export interface SimMessage extends HistoryMessage {
  readonly id: number;
  /** Ids of connections that it is not for. */
  readonly except: readonly string[];
}

export interface SimEntry extends Entry {
  readonly message: SimMessage;
}

/** Something without a position. */
export interface SimOther {
  readonly kind: 'volatile' | 'kick';
  readonly size: number;
  /** It was published after this entry. */
  readonly after: Position;
}

export type SimItem = SimEntry | SimOther;

export const isEntry = (item: SimItem): item is SimEntry => 'message' in item;

export class Dice {
  constructor(readonly random: () => number) {}

  upTo(max: number): number {
    return this.random() * max;
  }

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.random() * items.length)]!;
  }
}

interface Store {
  top?: Position;
  list: SimEntry[];
}

export class SimEngine {
  isUp = true;
  isSlow = false;
  /** Reads and appends answer with an error. */
  isRefusing = false;
  /** Whether it ever came back older or empty. */
  hasLost = false;
  readonly listeners = new Set<(item: SimItem) => void>();
  /** Every entry that was ever made. */
  private readonly made = new Map<string, SimEntry>();
  private store: Store = { list: [] };
  private saved: Store = { list: [] };
  private count = 0;

  constructor(
    readonly clock: FakeClock,
    readonly dice: Dice,
    readonly size: number,
  ) {}

  get top(): Position | undefined {
    return this.store.top;
  }

  /** The position before the oldest entry that is kept. */
  get base(): Position | undefined {
    const [oldest] = this.store.list;
    return oldest ? before(oldest.position) : this.store.top;
  }

  append(except: readonly string[]): SimEntry {
    const { n, tag } = this.store.top ?? { n: 0, tag: this.tag() };
    if (!this.store.top) this.store.list = [];
    const id = this.count++;
    const message = { id, except, size: 100, bytes: () => Buffer.alloc(100) };
    const entry: SimEntry = { position: { n: n + 1, tag: this.tag(), previous: tag }, message };
    this.store = { top: placeOf(entry.position), list: [...this.store.list, entry].slice(-this.size) };
    this.made.set(positionText(entry.position), entry);
    this.publish(entry);
    return entry;
  }

  publish(item: SimItem): void {
    for (const listener of this.listeners) listener(item);
  }

  read(limit: number): HistoryWindow {
    this.store.top ??= { n: 0, tag: this.tag() };
    const entries = this.store.list.slice(-limit);
    return { top: this.store.top, base: entries[0] ? before(entries[0].position) : this.store.top, entries };
  }

  save(): void {
    this.saved = this.store;
  }

  /** The store comes back as it was saved, as a replica that was behind. */
  rollBack(): void {
    this.hasLost = true;
    this.store = { ...this.saved };
  }

  flush(): void {
    this.hasLost = true;
    this.store = { list: [] };
  }

  /** The entries are forgotten, the position is not. */
  evict(): void {
    this.store = { top: this.store.top, list: [] };
  }

  entryAt(position: Position): SimEntry | undefined {
    return this.made.get(positionText(position));
  }

  /** True when an entry is in the past of the newest one. */
  isPast(position: Position): boolean {
    let at = this.store.top;
    while (at && at.n > position.n) {
      const entry = this.entryAt(at);
      at = entry && before(entry.position);
    }
    return at?.n === position.n && at.tag === position.tag;
  }

  private tag(): string {
    return Math.floor(this.dice.upTo(2 ** 36))
      .toString(36)
      .padStart(6, '0')
      .slice(-6);
  }
}
