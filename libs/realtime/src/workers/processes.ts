/** The processes that a primary starts, over node:cluster: they share the port of the application. */
import cluster from 'node:cluster';
import { PLACE_VARIABLE } from '../settings/worker-place.js';
import { isReady, RETIRE } from './worker.js';

/** How a process ended. */
export interface End {
  readonly code: number | null;
  readonly signal: string | null;
}

export interface WorkerProcess {
  readonly pid: number;
  /** Asks it to finish what it has and to end, because another one has its place. */
  retire(): void;
  kill(signal: NodeJS.Signals): void;
}

export interface WorkerEvents {
  /** It listens, or it is an application without a server that has started. May be called again. */
  ready(): void;
  ended(end: End): void;
}

export type StartWorker = (number: number, of: number, events: WorkerEvents) => WorkerProcess;

export function clusterWorkers(): StartWorker {
  return (number, of, events) => {
    const worker = cluster.fork({ [PLACE_VARIABLE]: `${number}/${of}` });
    worker.on('listening', () => events.ready());
    worker.on('message', (message: unknown) => isReady(message) && events.ready());
    worker.on('exit', (code: number | null, signal: string | null) => events.ended({ code, signal }));
    // Its channel may close before it has ended
    worker.on('error', () => {});
    return {
      pid: worker.process.pid ?? 0,
      retire: () => void (worker.isConnected() && worker.send(RETIRE)),
      kill: (signal) => void worker.process.kill(signal),
    };
  };
}
