/**
 * Logs failures per connection. The first ones are logged in full, further ones at a low rate, so that a client that
 * makes a hook fail with every message cannot fill the disk.
 */
import type { Connection } from '../connection.js';
import { TokenBucket } from '../limits/token-bucket.js';
import { errorField, field, label, type Log, stackOf } from '../log.js';

/** Lines of one connection that may be logged at once, and per second after that. */
const LINES_AT_ONCE = 5;
const LINES_PER_SECOND = 1;

interface Said {
  readonly rate: TokenBucket;
  unsaid: number;
}

export class FaultLog {
  private readonly said = new WeakMap<object, Said>();

  constructor(private readonly log: Pick<Log, 'error'>) {}

  /**
   * Logs a failure. The connection stays as it is.
   *
   * @param what the hook or the method that failed
   * @param error anything that was thrown
   */
  report(connection: Pick<Connection, 'id' | 'path' | 'transport'>, what: string, error: unknown): void {
    const said = this.of(connection);
    if (!said.rate.take()) {
      said.unsaid++;
      return;
    }
    const more = said.unsaid > 0 ? ` unsaid=${said.unsaid}` : '';
    said.unsaid = 0;
    const at = `id=${connection.id} path=${field(connection.path)}`;
    this.log.error(
      `${label(connection.transport)} ${what} failed ${at} error=${errorField(error)}${more}`,
      stackOf(error),
    );
  }

  private of(connection: object): Said {
    const known = this.said.get(connection);
    if (known) return known;
    const said = { rate: new TokenBucket(LINES_PER_SECOND, LINES_AT_ONCE), unsaid: 0 };
    this.said.set(connection, said);
    return said;
  }
}
