/** SIGTERM and SIGINT: Nest runs no shutdown hooks on them by default, so clients would see 1006 on every deploy. */
const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

type Listener = ((signal: NodeJS.Signals) => void) & { [OURS]?: true };

/** `Symbol.for`: the ESM and the CJS build may meet in one process. */
const OURS = Symbol.for('nestjs-realtime:signal-listener');

/**
 * Drains on a signal and then lets it take its course: as if nobody had listened, or as the application's own listener
 * (for example `enableShutdownHooks()`) decides.
 *
 * @param drain closes all connections; called once, never rejects
 * @returns removes the listeners
 */
export function drainOnSignals(drain: () => Promise<void>): () => void {
  const remove = () => SIGNALS.forEach((signal) => process.off(signal, listener));
  const listener: Listener = (signal) => {
    const isSomebodyElses = listenersOf(signal).some((each) => !each[OURS]);
    void drain().finally(() => {
      remove();
      if (!isSomebodyElses && listenersOf(signal).length === 0) process.kill(process.pid, signal);
    });
  };
  listener[OURS] = true;
  // First in line: a listener of `process.once` is not there any more when those after it are called
  SIGNALS.forEach((signal) => process.prependListener(signal, listener));
  return remove;
}

function listenersOf(signal: NodeJS.Signals): Listener[] {
  return process.rawListeners(signal) as Listener[];
}
