import { Logger } from '@nestjs/common';
import type { Log } from '../log.js';

/** It is asked for every message, and the answer costs as much as the rest of the bookkeeping: a few share one. */
const ASK_EVERY = 32;

/** Nest's logger, which also tells whether verbose lines are wanted at all. */
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
