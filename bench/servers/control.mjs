/** The benchmark's hand in a server process: what it costs, in its own words. The same file in Node and in Bun. */
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';

let delay;

const commands = {
  /** CPU time of the whole process, all threads, user and system, in microseconds. */
  cpu() {
    const { user, system } = process.cpuUsage();
    return { cpu: user + system, user };
  },

  /** Memory after a full collection: resident, and what the heap holds. The first may hide in pages that were free before. */
  async memory() {
    for (let i = 0; i < 3; i++) {
      if (globalThis.Bun) globalThis.Bun.gc(true);
      else globalThis.gc?.();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const { rss, heapUsed, external } = process.memoryUsage();
    return { rss, heap: heapUsed + external };
  },

  watchLoop() {
    delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    return {};
  },

  /** How late the loop was, in milliseconds. The timer's own millisecond is taken off. */
  loop() {
    delay.disable();
    return { p99: Math.max(0, delay.percentile(99) / 1e6 - 1), max: Math.max(0, delay.max / 1e6 - 1) };
  },
};

/** @param more commands of this server */
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
