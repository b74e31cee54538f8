/** Nest's logger for the lines of this module, which are many where clients come and go. */
import { type ConsoleLogger, Logger, type LoggerService } from '@nestjs/common';
import { workerPlace } from '../workers/place.js';

/** The part of Nest's logger that makes the date of a line; subclasses may replace it. */
interface Dated {
  getTimestamp: ConsoleLogger['getTimestamp'];
}

/**
 * Logs as Nest's `Logger` does. As long as the application has not chosen a logger of its own, Nest makes one for each
 * context, and formats the date of every line anew, which takes a third of the time of a line. Here all lines of a second
 * share one. Where the application has switched logging off, there is no instance.
 */
export class NestLog extends Logger {
  override get localInstance(): LoggerService {
    const instance = super.localInstance as LoggerService | undefined;
    const isOurs = instance !== undefined && instance === this.localInstanceRef;
    if (isOurs && !Object.hasOwn(instance, 'getTimestamp')) shareDates(instance);
    return instance!;
  }
}

/** @returns the log of this module; the context of its lines says which worker has written them, as `Realtime 2/4` */
export function moduleLog(): NestLog {
  const place = workerPlace(process.env);
  return new NestLog(place ? `Realtime ${place.number}/${place.of}` : 'Realtime');
}

function shareDates(instance: LoggerService): void {
  const dated = instance as unknown as Dated;
  const { getTimestamp } = dated;
  let second = NaN;
  let text = '';
  dated.getTimestamp = () => {
    const now = Math.floor(Date.now() / 1000);
    if (now !== second) text = getTimestamp.call(dated);
    second = now;
    return text;
  };
}
