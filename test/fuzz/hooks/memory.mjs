/** The memory of the process, after each thousand cases: nothing of them may stay. */
import { setTimeout as sleep } from 'node:timers/promises';

/** How far each may rise above its level after the first looks, in megabytes. */
const BOUNDS = { arrayBuffers: 10, heapUsed: 40, rss: 200 };

/** The first looks: code is compiled, caches fill. */
const WARM_LOOKS = 3;

export class MemoryWatch {
  looks = 0;
  base = {};

  /** @returns what has risen too far */
  async look(era, print) {
    const now = await settled();
    const kinds = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout' || kind === 'TCPSocketWrap');
    print(`${JSON.stringify(now)} MB, ${kinds.length} timers and sockets`);
    const findings = kinds.length > 0 ? [{ era, problem: `There are timers or sockets left: ${kinds}` }] : [];
    if (this.looks++ < WARM_LOOKS) {
      for (const name of Object.keys(BOUNDS)) this.base[name] = Math.max(this.base[name] ?? 0, now[name]);
      return findings;
    }
    const risen = Object.keys(BOUNDS).filter((name) => now[name] > this.base[name] + BOUNDS[name]);
    return [
      ...findings,
      ...risen.map((name) => ({ era, problem: `${name} rose from ${this.base[name]} to ${now[name]} MB` })),
    ];
  }
}

/** Collects garbage until less does not follow: finalizers run in a turn of their own. */
async function settled() {
  for (let turns = 0; turns < 4; turns++) {
    await sleep(50);
    globalThis.gc?.();
  }
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
  return Object.fromEntries(
    Object.entries({ rss, heapUsed, arrayBuffers }).map(([name, bytes]) => [name, Math.round(bytes / 1e6)]),
  );
}
