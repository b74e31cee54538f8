/** What the process is that has loaded `nestjs-realtime/workers`: the primary, one of its workers, or none of these. */
import cluster from 'node:cluster';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { isMainThread } from 'node:worker_threads';
import { settingOf } from '../settings/settings.js';
import { PLACE_VARIABLE } from '../settings/worker-place.js';
import { Primary } from './primary.js';
import { clusterWorkers } from './processes.js';
import { serve } from './worker.js';

const NAME = 'nestjs-realtime/workers';

/**
 * @param url of the module that was preloaded
 * @returns resolves at once in a worker, and never in the primary
 */
export async function preload(url: string): Promise<void> {
  // A thread has the options of its process
  if (!isMainThread) return;
  const hasPlace = process.env[PLACE_VARIABLE] !== undefined;
  if (cluster.isWorker) {
    if (hasPlace) serve();
    return;
  }
  // What a worker has started is not a primary, though it may have inherited the option
  if (hasPlace || !process.argv[1] || !isOption(process.execArgv, url)) return;
  await lead();
}

/** @returns true when the module stands in the options of this process; NODE_OPTIONS would make npm a primary too */
export function isOption(options: readonly string[], url: string): boolean {
  return options.some((option, index) => {
    const value = option === '--import' ? options[index + 1] : /^--import=(.*)$/.exec(option)?.[1];
    return value !== undefined && (value === NAME || value === url || pathToFileURL(resolve(value)).href === url);
  });
}

async function lead(): Promise<never> {
  try {
    const workers = settingOf('workers', process.env);
    const count = workers === 'auto' ? availableParallelism() : workers;
    const startTimeoutMs = settingOf('workerStartTimeout', process.env) * 1000;
    new Primary({ count, startTimeoutMs }, clusterWorkers()).start();
  } catch (error) {
    console.error(String(error));
    process.exit(1);
  }
  return new Promise(() => {});
}
