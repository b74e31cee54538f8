import { Logger } from '@nestjs/common';
import type { Log } from '../log.js';

/** Calls that share one look at the log level: a look costs as much as all other bookkeeping of a message. */
const ASK_EVERY = 32;

/** Nest's logger, which also says whether verbose lines are shown. */
export class NestLog extends Logger implements Log {
  private asked = 0;
  private wantsVerbose = false;

  constructor() {
    super('Realtime');
  }

  isVerbose(): boolean {
    if (this.asked++ % ASK_EVERY === 0) this.wantsVerbose = Logger.isLevelEnabled('verbose');
    return this.wantsVerbose;
  }
}
