/** Which worker this process is, when nestjs-realtime/workers has started it. */
import cluster from 'node:cluster';

/** Set by the primary, and inherited by whatever a worker starts: alone it does not make a process a worker. */
export const PLACE_VARIABLE = 'NESTJS_REALTIME_WORKER';

export interface WorkerPlace {
  /** From 1. A worker that replaces another one has its number. */
  readonly number: number;
  readonly of: number;
}

/** @returns undefined for a process that is not a worker of nestjs-realtime/workers */
export function workerPlace(environment: Readonly<Record<string, string | undefined>>): WorkerPlace | undefined {
  const [, number, of] = /^(\d+)\/(\d+)$/.exec(environment[PLACE_VARIABLE] ?? '') ?? [];
  return cluster.isWorker && number && of ? { number: Number(number), of: Number(of) } : undefined;
}
