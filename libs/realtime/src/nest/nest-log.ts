import { Logger } from '@nestjs/common';
import type { Log } from '../log.js';

/** Nest's logger, which also tells whether verbose lines are wanted at all. */
export class NestLog extends Logger implements Log {
  constructor() {
    super('Realtime');
  }

  isVerbose(): boolean {
    return Logger.isLevelEnabled('verbose');
  }
}
