import type { Entry } from './request-socket.js';

/** Written messages, which may not have arrived: they are kept for a client that comes back. */
export class SentMessages {
  /** The position of the last message that was written. */
  last = 0;
  /** Where the client stands with it in rooms with history. */
  lastPlaces = '';
  private readonly entries: Entry[] = [];
  private bytes = 0;
  /** The same as `lastPlaces` of the last message that is no longer kept. */
  private basePlaces = '';

  /** @param count called with the bytes that are kept, or with a minus are no longer */
  constructor(private readonly count: (bytes: number) => void) {}

  add(entry: Entry): void {
    this.last = entry.position;
    this.lastPlaces = entry.places;
    this.entries.push(entry);
    this.bytes += entry.cost;
    this.count(entry.cost);
  }

  /** Forgets the oldest messages above so many bytes. */
  trim(max: number): void {
    while (this.bytes > max && this.entries.length > 0) {
      const { cost, places } = this.entries.shift()!;
      this.basePlaces = places;
      this.bytes -= cost;
      this.count(-cost);
    }
  }

  /** @returns whether everything after a position is kept */
  has(position: number): boolean {
    const oldest = this.entries[0]?.position ?? this.last + 1;
    return position <= this.last && position >= oldest - 1;
  }

  /** The messages after a position that `has` all of them. */
  after(position: number): readonly Entry[] {
    return this.entries.filter((entry) => entry.position > position);
  }

  /** @returns where a client stands in rooms with history that is at such a position */
  placesAt(position: number): string {
    return this.entries.find((entry) => entry.position === position)?.places ?? this.basePlaces;
  }
}
