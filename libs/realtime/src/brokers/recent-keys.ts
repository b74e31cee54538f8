import type { Clock } from '../cluster/clock.js';
import { type Appended, KEY_MS } from '../history.js';

interface Known {
  readonly until: number;
  readonly appended: Appended;
}

/** The keys of the last five minutes, and what was appended under them. */
export class RecentKeys {
  /** How many were forgotten before their time, because there were too many. */
  forgotten = 0;
  /** The oldest first: all live equally long. */
  private readonly known = new Map<string, Known>();

  constructor(
    private readonly clock: Clock,
    private readonly max: number,
  ) {}

  find(channel: string, key: string): Appended | undefined {
    this.expire();
    return this.known.get(nameOf(channel, key))?.appended;
  }

  add(channel: string, key: string, appended: Appended): void {
    this.known.set(nameOf(channel, key), { until: this.clock.now() + KEY_MS, appended });
    if (this.known.size <= this.max) return;
    this.forgotten++;
    for (const oldest of this.known.keys()) return void this.known.delete(oldest);
  }

  private expire(): void {
    const now = this.clock.now();
    for (const [name, { until }] of this.known) {
      if (until > now) return;
      this.known.delete(name);
    }
  }
}

/** The length keeps `a` + `b:c` and `a:b` + `c` apart. */
const nameOf = (channel: string, key: string) => `${key.length}:${key}:${channel}`;
