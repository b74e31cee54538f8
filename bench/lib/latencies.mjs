/** How many samples are kept. Beyond it every second one is dropped, and only every second new one is taken. */
const MAX_SAMPLES = 400_000;

/** The samples of one run, in milliseconds. */
export class Latencies {
  samples = new Float64Array(MAX_SAMPLES);
  length = 0;
  seen = 0;
  every = 1;

  add(ms) {
    if (this.seen++ % this.every !== 0) return;
    if (this.length === MAX_SAMPLES) this.halve();
    this.samples[this.length++] = ms;
  }

  halve() {
    for (let i = 0; i < MAX_SAMPLES / 2; i++) this.samples[i] = this.samples[2 * i];
    this.length = MAX_SAMPLES / 2;
    this.every *= 2;
  }

  result() {
    const sorted = this.samples.slice(0, this.length).sort();
    const at = (share) =>
      sorted.length === 0 ? 0 : sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
    return { p50: at(0.5), p99: at(0.99) };
  }
}
