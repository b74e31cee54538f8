/** The ids of the `POST`s that a connection has taken: one that is sent again is not taken twice. */

/** How many ids are remembered, and for how long, in milliseconds. */
const MAX_IDS = 256;
const REMEMBER_MS = 120_000;

export class TakenIds {
  /** When each was taken, in milliseconds of `performance.now()`; the oldest first. */
  private ids?: Map<string, number>;

  has(id: string): boolean {
    this.forget();
    return this.ids?.has(id) ?? false;
  }

  add(id: string): void {
    this.ids ??= new Map();
    this.ids.set(id, performance.now());
    this.forget();
  }

  private forget(): void {
    const before = performance.now() - REMEMBER_MS;
    for (const [id, at] of this.ids ?? []) {
      if (at > before && this.ids!.size <= MAX_IDS) return;
      this.ids!.delete(id);
    }
  }
}
