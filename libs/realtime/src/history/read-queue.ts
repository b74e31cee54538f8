/** Reads rooms, so many at a time: after an outage all rooms of a node are read, and the engine serves others too. */
import type { Channel } from '../command.js';
import type { HistoryWindow } from '../history.js';

interface Waiting {
  readonly window: Promise<HistoryWindow>;
  readonly start: () => Promise<unknown>;
}

export class ReadQueue {
  /** How many reads have begun. */
  begun = 0;
  private running = 0;
  /** Those that have not begun, the oldest first. */
  private readonly waiting = new Map<Channel, Waiting>();
  private isScheduled = false;

  constructor(
    private readonly ask: (channel: Channel, limit: number) => Promise<HistoryWindow>,
    private readonly max: number,
  ) {}

  /**
   * Reads the newest entries of a room. It begins after this turn of the caller; until then a second call for the room
   * shares it.
   */
  read(channel: Channel, limit: number): Promise<HistoryWindow> {
    const known = this.waiting.get(channel);
    if (known) return known.window;
    let start!: Waiting['start'];
    const window = new Promise<HistoryWindow>((resolve, reject) => {
      start = () => this.ask(channel, limit).then(resolve, reject);
    });
    this.waiting.set(channel, { window, start });
    this.schedule();
    return window;
  }

  private schedule(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    queueMicrotask(() => {
      this.isScheduled = false;
      this.next();
    });
  }

  private next(): void {
    for (const [channel, { start }] of this.waiting) {
      if (this.running >= this.max) return;
      this.waiting.delete(channel);
      this.running++;
      this.begun++;
      void start().finally(() => {
        this.running--;
        this.next();
      });
    }
  }
}
