/** Simulated time: tasks run in order when the test lets time pass. */
import type { Clock } from '../../../libs/realtime/src/cluster/clock.js';
import { SETTLED } from './settled.js';

/** So many turns of the microtask queue let the promises of a task settle. Each await is one of them. */
const TURNS = 5;

interface Event {
  readonly at: number;
  readonly no: number;
  readonly task: () => void;
}

export class FakeClock implements Clock {
  private time = 0;
  private count = 0;
  /** A heap: the next event first. */
  private readonly events: Event[] = [];

  now(): number {
    return this.time;
  }

  after(ms: number, task: () => void): void {
    const { events } = this;
    const event = { at: this.time + Math.max(0, ms), no: this.count++, task };
    let index = events.push(event) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(event, events[parent]!)) break;
      events[index] = events[parent]!;
      index = parent;
    }
    events[index] = event;
  }

  soon(task: () => void): void {
    this.after(0, task);
  }

  /** Runs everything that is due within this time, and lets promises settle in between. */
  async pass(ms: number): Promise<void> {
    await this.until(this.time + ms);
  }

  /** Runs everything that is due until then. */
  async until(end: number): Promise<void> {
    for (let i = 0; i < TURNS; i++) await SETTLED;
    while (this.events.length > 0 && this.events[0]!.at <= end) {
      const { at, task } = this.next();
      this.time = at;
      task();
      for (let i = 0; i < TURNS; i++) await SETTLED;
    }
    this.time = end;
  }

  private next(): Event {
    const { events } = this;
    const top = events[0]!;
    const last = events.pop()!;
    if (events.length > 0) sink(events, last);
    return top;
  }
}

const isBefore = (a: Event, b: Event) => a.at < b.at || (a.at === b.at && a.no < b.no);

function sink(events: Event[], event: Event): void {
  let index = 0;
  for (;;) {
    let child = 2 * index + 1;
    if (child + 1 < events.length && isBefore(events[child + 1]!, events[child]!)) child++;
    if (child >= events.length || !isBefore(events[child]!, event)) break;
    events[index] = events[child]!;
    index = child;
  }
  events[index] = event;
}
