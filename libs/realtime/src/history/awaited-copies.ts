import type { Clock } from '../cluster/clock.js';

/** How long the copy of an own append may take on its way, in milliseconds. */
const COPY_MS = 1000;

/** Notices when the copy of an own append does not come. One timer per room, whatever is appended meanwhile. */
export class AwaitedCopies {
  private highest = 0;
  private isWaiting = false;

  /**
   * @param isMissing whether the entry with this number has not come yet
   * @param late called when it should have come. @returns false when it was not the time: it is then awaited again
   */
  constructor(
    private readonly clock: Clock,
    private readonly isMissing: (n: number) => boolean,
    private readonly late: () => boolean,
  ) {}

  add(n: number): void {
    this.highest = Math.max(this.highest, n);
    if (this.isWaiting || !this.isMissing(n)) return;
    this.isWaiting = true;
    this.clock.after(COPY_MS, () => {
      this.isWaiting = false;
      const isOver = !this.isMissing(n) || this.late();
      if (!isOver || this.highest > n) this.add(isOver ? this.highest : n);
    });
  }
}
