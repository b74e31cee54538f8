/**
 * Logs failures per connection. The first ones are logged in full, further ones at a low rate, so that a client that
 * makes a hook fail with every message cannot fill the disk.
 */
import type { Connection } from '../connection.js';
import { LineRate } from '../limits/line-rate.js';
import { errorField, field, label, type Log, stackOf } from '../log.js';

/** Lines of one connection that may be logged at once, and per second after that. */
const LINES_AT_ONCE = 5;
const LINES_PER_SECOND = 1;

export class FaultLog {
  private readonly said = new WeakMap<object, LineRate>();

  constructor(private readonly log: Pick<Log, 'error'>) {}

  /**
   * Logs a failure. The connection stays as it is.
   *
   * @param what the hook or the method that failed
   * @param error anything that was thrown
   */
  report(connection: Pick<Connection, 'id' | 'path' | 'transport'>, what: string, error: unknown): void {
    const more = this.rateOf(connection).take();
    if (more === undefined) return;
    const at = `id=${connection.id} path=${field(connection.path)}`;
    this.log.error(
      `${label(connection.transport)} ${what} failed ${at} error=${errorField(error)}${more}`,
      stackOf(error),
    );
  }

  private rateOf(connection: object): LineRate {
    const known = this.said.get(connection);
    if (known) return known;
    const rate = new LineRate(LINES_PER_SECOND, LINES_AT_ONCE);
    this.said.set(connection, rate);
    return rate;
  }
}
