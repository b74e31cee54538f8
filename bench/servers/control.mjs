/** The commands that the benchmark sends to a server process. The file runs in Node and in Bun. */
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';

let delay;

const commands = {
  /** CPU time of the whole process, all threads, user and system, in microseconds. */
  cpu() {
    const { user, system } = process.cpuUsage();
    return { cpu: user + system, user };
  },

  /**
   * Memory in bytes after a full collection: resident, and what the heap and the buffers outside it hold. Growth of the
   * first does not show where it goes into pages that were free before.
   */
  async memory() {
    for (let i = 0; i < 3; i++) {
      if (globalThis.Bun) globalThis.Bun.gc(true);
      else globalThis.gc?.();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const { rss, heapUsed, external } = process.memoryUsage();
    return { rss, heap: heapUsed + external, external };
  },

  /** Timers and listeners: a leak makes them grow, as it does memory. */
  resources() {
    const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const listeners = process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0);
    return { timers, listeners };
  },

  /** The objects on the heap, by class; not in Bun. */
  objects: async () => (await import('./snapshot.mjs')).objects(),

  /** The listeners of all network sockets together, by event; not in Bun. */
  listeners: async () => (await import('./snapshot.mjs')).listeners(),

  watchLoop() {
    delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    return {};
  },

  /** How late the loop was since `watchLoop`, in milliseconds, without the millisecond of the timer itself. */
  loop() {
    delay.disable();
    return { p99: Math.max(0, delay.percentile(99) / 1e6 - 1), max: Math.max(0, delay.max / 1e6 - 1) };
  },
};

/**
 * Reports that the server can be used, and runs the commands that come.
 *
 * @param more commands that only this server has
 */
export function obey(port, more = {}) {
  process.on('message', async ({ id, verb, args }) => {
    try {
      process.send({ id, value: await (more[verb] ?? commands[verb])(args) });
    } catch (error) {
      process.send({ id, error: String(error?.stack ?? error) });
    }
  });
  process.on('disconnect', () => process.exit());
  process.send({ ready: true, port, at: performance.now() });
}
