import { Timed } from '../limits/deadlines.js';
import type { LateHook } from '../node/node.js';

export type Hook = 'onOpen' | 'onMessage' | 'onDrain' | 'onClose';

/** One run of an asynchronous hook. */
export class HookRun extends Timed implements LateHook {
  isLate = false;

  constructor(
    readonly hook: Hook,
    private readonly queue: { late(run: HookRun): void },
  ) {
    super();
  }

  /** Called when it has run for longer than `REALTIME_HOOK_TIMEOUT`. */
  late(): void {
    this.queue.late(this);
  }
}
