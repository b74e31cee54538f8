/** Random choices that follow from a seed: the same ones for the same words, whatever was drawn before. */

/** Mixes words into 32 bits (FNV-1a over their text). */
function hash(words) {
  let mixed = 0x811c9dc5;
  for (const letter of words.join('/')) mixed = Math.imul(mixed ^ letter.codePointAt(0), 0x01000193);
  return mixed >>> 0;
}

/** mulberry32, as in test/support/process-guard.ts. */
export class Draw {
  constructor(...words) {
    this.state = hash(words);
  }

  /** @returns a number from 0 to 1 */
  unit() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** @returns a whole number from 0 to `max` */
  nat(max) {
    return Math.floor(this.unit() * (max + 1));
  }

  chance(share) {
    return this.unit() < share;
  }

  of(items) {
    return items[this.nat(items.length - 1)];
  }

  /** @param weights how often each name is drawn, relative to the others */
  weighted(weights) {
    const entries = Object.entries(weights);
    let left = this.unit() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [name, weight] of entries) if ((left -= weight) < 0) return name;
    return entries.at(-1)[0];
  }

  list(max, make) {
    return Array.from({ length: this.nat(max) }, () => make());
  }
}
