/** The connection of a simulated node that asks: a command and its answer take time, and either may be lost. */
import type { SimEngine } from './history-engine.js';

const DEADLINE_MS = 2000;

export interface CommandsOwner {
  /** Grows when the process starts again: answers to the former one are nobody's. */
  readonly life: number;
  act(task: () => void): void;
}

export class SimCommands {
  private wire = 0;

  constructor(
    private readonly engine: SimEngine,
    private readonly owner: CommandsOwner,
    private readonly roundTripMs: number,
  ) {}

  /** The connection is lost. */
  cut(): void {
    this.wire++;
  }

  /** @throws after the deadline */
  ask<T>(run: () => T): Promise<T> {
    const { wire, engine } = this;
    return this.answered((answer, fail) => {
      engine.clock.after(this.delayMs, () => {
        if (!engine.isUp || wire !== this.wire) return;
        if (engine.isRefusing) return fail();
        const result = run();
        engine.clock.after(this.delayMs, () => wire === this.wire && this.owner.act(() => answer(result)));
      });
    });
  }

  /**
   * A command whose answer comes over the subscription.
   *
   * @param run gets what resolves it @throws after the deadline
   */
  askThere(run: (answer: () => void) => void): Promise<void> {
    return this.answered<void>((answer) => this.engine.clock.after(this.delayMs, () => run(answer)));
  }

  private get delayMs(): number {
    return this.engine.dice.upTo(this.roundTripMs * (this.engine.isSlow ? 500 : 1));
  }

  private answered<T>(send: (answer: (result: T) => void, fail: () => void) => void): Promise<T> {
    const { life } = this.owner;
    return new Promise((resolve, reject) => {
      const fail = () => life === this.owner.life && this.owner.act(() => reject(new Error('no answer')));
      this.engine.clock.after(DEADLINE_MS, fail);
      send(resolve, fail);
    });
  }
}
