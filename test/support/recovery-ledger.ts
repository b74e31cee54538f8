/**
 * What clients of rooms with history have seen, checked as a whole when it is over: every entry once, in the one order,
 * or told; and told only where the retention has ended, the store was lost, or nobody could read it.
 */
import type { Seen } from './clients/recovering-client.js';

/** How much of the rooms with this prefix is kept, in entries. */
export type Sizes = Readonly<Record<string, number>>;

interface Position {
  readonly n: number;
  readonly tag: string;
}

interface Entry extends Position {
  /** How many times the store had been lost before. */
  readonly era: number;
  readonly at: number;
}

/** Where a client stands while its log is read. */
interface Place {
  readonly position: Position | undefined;
  readonly era: number | undefined;
  /** When it was last known to have everything. */
  readonly at: number;
}

type Fault = (what: string) => void;

/** A span in which nobody could read the store, in milliseconds since 1970. */
interface Outage {
  readonly from: number;
  to: number;
}

/** After an outage nodes still find their way back for so long. */
const AFTERMATH_MS = 10_000;

export class RecoveryLedger {
  readonly faults: string[] = [];
  readonly told: Record<string, number> = {};
  entries = 0;
  /** When the store was lost: its process had ended before, and a new one began empty. */
  private readonly losses: number[] = [];
  private readonly outages: Outage[] = [];
  private readonly logs: { who: string; room: string; log: readonly Seen[] }[] = [];
  /** The entries of each room, by era and number. */
  private readonly truth = new Map<string, Map<string, Entry>>();

  constructor(private readonly sizes: Sizes) {}

  /** Everything that was pushed until now is gone. */
  lost(): void {
    this.losses.push(Date.now());
  }

  /** @returns a function that ends the outage */
  outage(): () => void {
    const outage = { from: Date.now(), to: Infinity };
    this.outages.push(outage);
    return () => (outage.to = Date.now());
  }

  add(who: string, room: string, log: readonly Seen[]): void {
    this.logs.push({ who, room, log });
    const entries = this.entriesOf(room);
    for (const seen of log) {
      if (seen.what !== 'entry') continue;
      this.entries++;
      const entry = { ...parsed(seen.position)!, at: seen.at, era: this.eraOf(seen.at) };
      const known = entries.get(`${entry.era} ${entry.n}`);
      if (known && known.tag !== entry.tag) this.fault(who, room, `${seen.position} is ${known.tag} for others`);
      entries.set(`${entry.era} ${entry.n}`, entry);
    }
  }

  /** Checks all logs. @returns the faults, in words */
  check(): readonly string[] {
    for (const { who, room, log } of this.logs) this.follow(who, room, log);
    return this.faults;
  }

  /** Reports a push that the server had confirmed, and nobody got. */
  confirmed(room: string, times: readonly number[]): void {
    const lastLoss = this.losses.at(-1) ?? 0;
    const seen = new Set([...this.entriesOf(room).values()].map(({ at }) => at));
    const first = Math.min(...seen);
    // Before it nobody was there
    const missing = times.filter((at) => at > Math.max(first, lastLoss) && !seen.has(at));
    if (missing.length > 0) this.fault('the server', room, `${missing.length} confirmed pushes reached nobody`);
  }

  /** The number of the last entry of a room. */
  topOf(room: string): number {
    const eras = [...this.entriesOf(room).values()].filter(({ era }) => era === this.losses.length);
    return Math.max(0, ...eras.map(({ n }) => n));
  }

  private follow(who: string, room: string, log: readonly Seen[]): void {
    let place: Place | undefined;
    for (const [index, seen] of log.entries()) {
      const fault = (what: string) => {
        const before = log.slice(Math.max(0, index - 3), index + 1).map(inWords);
        this.fault(who, room, `${what}: ${before.join(', ')}`);
      };
      if (seen.what === 'entry') place = this.entry(room, seen, place, fault);
      else place = this.toldOf(room, seen, place, fault);
    }
  }

  private entry(room: string, { position: text, at }: Seen, place: Place | undefined, fault: Fault): Place {
    const position = parsed(text)!;
    const era = this.eraOf(at);
    if (place?.position) {
      const { n, tag } = place.position;
      const before = this.entriesOf(room).get(`${era} ${n}`)?.tag ?? tag;
      if ((place.era ?? era) !== era || before !== tag) fault('the loss of the store was not told');
      else if (position.n !== n + 1) fault(`${position.n} follows ${n}`);
    }
    return { position, era, at };
  }

  private toldOf(room: string, { what, position: text, at }: Seen, place: Place | undefined, fault: Fault): Place {
    const position = parsed(text);
    const known = position && this.known(room, position);
    const next: Place = { position, era: known?.era, at };
    this.told[what] = (this.told[what] ?? 0) + 1;
    // The events before it: a recovery is said after its entries, and a join that follows nothing begins the room
    if (what === 'recovered' || what === 'joined') return this.joined(what, place, next, fault);
    const reason = this.unfounded(what, room, place, at);
    if (reason) fault(`${what} was told ${reason}`);
    return next;
  }

  private joined(what: string, place: Place | undefined, next: Place, fault: Fault): Place {
    if (!place?.position) return next;
    if (what === 'recovered' && next.position?.n !== place.position.n) {
      fault(`recovered to ${next.position?.n}, and has ${place.position.n}`);
    }
    // What `joined` means for a client that had a position is said by the event after it
    return place;
  }

  /** @returns why a gap should not have been told */
  private unfounded(what: Seen['what'], room: string, place: Place | undefined, at: number): string | undefined {
    const since = place?.at ?? 0;
    const isNear = this.outages.some(({ from, to }) => from <= at && to + AFTERMATH_MS >= since);
    if (what === 'unavailable') return isNear ? undefined : 'while the store was there';
    const isLost = this.losses.some((lostAt) => lostAt <= at && lostAt + AFTERMATH_MS >= since);
    // A position of a lost time that is below the oldest entry of today looks like any other one that is
    if (isLost && what !== 'limit') return undefined;
    if (what === 'reset') return 'though nothing was lost';
    if (what === 'limit') return 'though less was missed';
    const isOut = !place?.position || place.position.n < this.firstKept(room, place.era, at);
    return isOut ? undefined : 'inside the retention';
  }

  /** The number before the first entry that was surely kept when this was told: nothing pushed later counts. */
  private firstKept(room: string, era: number | undefined, at: number): number {
    const size = this.sizes[room.split(':')[0]!]!;
    const tops = [...this.entriesOf(room).values()].filter(
      (entry) => entry.at <= at && entry.era === (era ?? entry.era),
    );
    return Math.max(0, ...tops.map(({ n }) => n)) - size;
  }

  private known(room: string, { n, tag }: Position): Entry | undefined {
    for (let era = 0; era <= this.losses.length; era++) {
      const entry = this.entriesOf(room).get(`${era} ${n}`);
      if (entry?.tag === tag) return entry;
    }
    return undefined;
  }

  private eraOf(at: number): number {
    return this.losses.filter((lostAt) => lostAt < at).length;
  }

  private entriesOf(room: string): Map<string, Entry> {
    const entries = this.truth.get(room) ?? new Map<string, Entry>();
    this.truth.set(room, entries);
    return entries;
  }

  private fault(who: string, room: string, what: string): void {
    this.faults.push(`${who} in ${room}: ${what}`);
  }
}

function parsed(text: string | undefined): Position | undefined {
  if (text === undefined) return undefined;
  const [n, tag] = text.split('.');
  return { n: Number(n), tag: tag! };
}

const inWords = ({ what, position, at }: Seen): string => `${what} ${position} at ${at}`;
