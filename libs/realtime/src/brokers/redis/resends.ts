import { setTimeout as sleep } from 'node:timers/promises';
import { LinkError } from '../../cluster/link.js';

/** How a Cluster refuses while a slot moves or a server is replaced. Nothing was done then. */
const MOVING = /^Redis refused: (MOVED|ASK|TRYAGAIN|CLUSTERDOWN)\b/;
/** How a server refuses a script that it has forgotten. Nothing was done then. */
const FORGOTTEN = /^Redis refused: NOSCRIPT\b/;
/** While it waits, the slot has come to another server: that server is looked for again. */
const MOVED = /^Redis refused: MOVED\b/;
const PAUSE_MS = 25;
/** The most publishes of a partition that wait. */
const MAX_WAITING = 10_000;

interface Waiting {
  readonly order: number;
  readonly dueAt: number;
  readonly publish: () => Promise<unknown>;
  readonly moving: () => void;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Repeats what Redis could not take for now, within its deadline. Later calls of the same partition wait. */
export class Resends<Key> {
  private readonly queues = new Map<Key, Waiting[]>();
  private count = 0;

  constructor(private readonly timeoutMs: number) {}

  /** @param moving called when the Cluster refuses because something moves */
  run<T>(key: Key, publish: () => Promise<T>, moving: () => void): Promise<T> {
    const order = this.count++;
    if (this.queues.has(key)) return this.wait(key, order, publish, moving);
    return publish().catch((error: unknown) => {
      if (!isToRepeat(error)) throw error;
      if (MOVING.test((error as Error).message)) moving();
      return this.wait(key, order, publish, moving);
    });
  }

  private wait<T>(key: Key, order: number, publish: () => Promise<T>, moving: () => void): Promise<T> {
    const queue = this.queues.get(key) ?? this.open(key);
    if (queue.length >= MAX_WAITING) {
      return Promise.reject(new LinkError('unavailable', `${MAX_WAITING} messages wait until the Cluster takes them`));
    }
    return new Promise<T>((resolve, reject) => {
      const answered = resolve as (answer: unknown) => void;
      queue.push({ order, dueAt: performance.now() + this.timeoutMs, publish, moving, resolve: answered, reject });
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
async function isDone({ publish, moving, resolve, reject, dueAt }: Waiting): Promise<boolean> {
  try {
    resolve(await publish());
  } catch (error) {
    const isLate = performance.now() >= dueAt;
    if (isLate || !isToRepeat(error)) reject(error);
    else if (MOVED.test((error as Error).message)) moving();
    return isLate || !isToRepeat(error);
  }
  return true;
}

function isToRepeat(error: unknown): boolean {
  if (!(error instanceof LinkError) || error.code !== 'refused') return false;
  return MOVING.test(error.message) || FORGOTTEN.test(error.message);
}
