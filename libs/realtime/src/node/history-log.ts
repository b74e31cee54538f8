/** What is logged about rooms with history: one line per fact, at most one of each kind per second. */
import type { Channel } from '../command.js';
import { LineRates } from '../limits/line-rate.js';
import { errorField, field, type Log } from '../log.js';

export class HistoryLog {
  private readonly rates = new LineRates(1);

  constructor(private readonly log: Pick<Log, 'debug' | 'warn'>) {}

  /** A room was read, to find what its members had missed. */
  read(channel: Channel, entries: number): void {
    this.rates.bounded('read', (more) =>
      this.log.debug(`Realtime history read channel=${field(channel)} entries=${entries}${more}`),
    );
  }

  readFailed(channel: Channel, error: unknown): void {
    this.rates.bounded('failed', (more) =>
      this.log.warn(`Realtime history read failed channel=${field(channel)} error=${errorField(error)}${more}`),
    );
  }

  /** A member was told that something is missing. */
  gap(channel: Channel, reason: string): void {
    this.rates.bounded(`gap ${reason}`, (more) =>
      this.log.warn(`Realtime history gap channel=${field(channel)} reason=${reason}${more}`),
    );
  }

  /** Entries and rooms were forgotten before their time. @param count how many so far */
  evicted(count: number): void {
    this.rates.bounded('evicted', (more) =>
      this.log.warn(`Realtime history evicted total=${count} setting=REALTIME_MAX_HISTORY_BYTES${more}`),
    );
  }
}
