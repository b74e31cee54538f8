import { setTimeout as sleep } from 'node:timers/promises';
import { LinkError } from '../../cluster/link.js';

/** How a Cluster refuses while a slot moves or a server is replaced. Nothing was done then. */
const MOVING = /^Redis refused: (MOVED|ASK|TRYAGAIN|CLUSTERDOWN)\b/;
const PAUSE_MS = 25;
/** The most publishes of a partition that wait. */
const MAX_WAITING = 10_000;

interface Waiting {
  readonly order: number;
  readonly dueAt: number;
  readonly publish: () => Promise<number>;
  readonly resolve: (receivers: number) => void;
  readonly reject: (error: unknown) => void;
}

/** Repeats publishes that a Cluster could not take, within their deadline. Later ones of the same partition wait. */
export class Resends<Key> {
  private readonly queues = new Map<Key, Waiting[]>();
  private count = 0;

  constructor(private readonly timeoutMs: number) {}

  /** @param moving called when the Cluster refuses because something moves */
  run(key: Key, publish: () => Promise<number>, moving: () => void): Promise<number> {
    const order = this.count++;
    if (this.queues.has(key)) return this.wait(key, order, publish);
    return publish().catch((error: unknown) => {
      if (!isMoving(error)) throw error;
      moving();
      return this.wait(key, order, publish);
    });
  }

  private wait(key: Key, order: number, publish: () => Promise<number>): Promise<number> {
    const queue = this.queues.get(key) ?? this.open(key);
    if (queue.length >= MAX_WAITING) {
      return Promise.reject(new LinkError('unavailable', `${MAX_WAITING} messages wait until the Cluster takes them`));
    }
    return new Promise((resolve, reject) => {
      queue.push({ order, dueAt: performance.now() + this.timeoutMs, publish, resolve, reject });
      // Refusals of messages that were under way arrive after messages that have waited from the start
      if (queue.length > 1 && queue.at(-2)!.order > order) queue.sort((a, b) => a.order - b.order);
    });
  }

  private open(key: Key): Waiting[] {
    const queue: Waiting[] = [];
    this.queues.set(key, queue);
    void this.drain(key, queue);
    return queue;
  }

  private async drain(key: Key, queue: Waiting[]): Promise<void> {
    do {
      await sleep(PAUSE_MS, undefined, { ref: false });
      while (queue.length > 0 && (await isDone(queue[0]!))) queue.shift();
    } while (queue.length > 0);
    this.queues.delete(key);
  }
}

/** @returns false when it has to be tried again */
async function isDone({ publish, resolve, reject, dueAt }: Waiting): Promise<boolean> {
  try {
    resolve(await publish());
  } catch (error) {
    if (isMoving(error) && performance.now() < dueAt) return false;
    reject(error);
  }
  return true;
}

function isMoving(error: unknown): boolean {
  return error instanceof LinkError && error.code === 'refused' && MOVING.test(error.message);
}
