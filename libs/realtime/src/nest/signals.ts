/** SIGTERM and SIGINT: Nest runs no shutdown hooks on them by default, so clients would see 1006 on every deploy. */
const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

type Listener = ((signal: NodeJS.Signals) => void) & { [OURS]?: true };

/** `Symbol.for`: the ESM and the CJS build may meet in one process. */
const OURS = Symbol.for('nestjs-realtime:signal-listener');

/**
 * Drains on a signal and then lets the signal take its course: the process ends, unless a listener of the application
 * (for example `enableShutdownHooks()`) decides otherwise.
 *
 * @param drain closes all connections; called once, never rejects
 * @returns a function that removes the listeners
 */
export function drainOnSignals(drain: () => Promise<void>): () => void {
  const remove = () => SIGNALS.forEach((signal) => process.off(signal, listener));
  const listener: Listener = (signal) => {
    const hasOthers = listenersOf(signal).some((each) => !each[OURS]);
    void drain().finally(() => {
      remove();
      if (!hasOthers && listenersOf(signal).length === 0) process.kill(process.pid, signal);
    });
  };
  listener[OURS] = true;
  // First in line: a listener added with `process.once` is gone when the listeners after it are called
  SIGNALS.forEach((signal) => process.prependListener(signal, listener));
  return remove;
}

function listenersOf(signal: NodeJS.Signals): Listener[] {
  return process.rawListeners(signal) as Listener[];
}
