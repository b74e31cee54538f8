/** SIGTERM and SIGINT: Nest runs no shutdown hooks on them by default, so clients would see 1006 on every deploy. */
const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/**
 * Drains on a signal and then lets it take its course: as if we had not listened, or as the application's own listener
 * (for example `enableShutdownHooks()`) decides.
 *
 * @param drain closes all connections; called once, never rejects
 * @returns removes the listeners
 */
export function drainOnSignals(drain: () => Promise<void>): () => void {
  const remove = () => SIGNALS.forEach((signal) => process.off(signal, listener));
  const listener = (signal: NodeJS.Signals) => {
    void drain().finally(() => {
      remove();
      if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
    });
  };
  SIGNALS.forEach((signal) => process.on(signal, listener));
  return remove;
}
