/** What is known of one connection, and the order of its hooks: open, one message at a time, close once. */
import { performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers';

/** A timer may fire this many milliseconds before its time by another clock. */
const EARLY_MS = 20;

export class Record {
  opens = 0;
  closes = 0;
  /** The end as `onClose` got it. */
  close = undefined;
  /** The tags that `send` or `push` took. */
  taken = [];
  /** The numbers of the client's messages, in the order of `onMessage`. */
  heard = [];
  problems = [];
  /** True when what `onOpen` sent may be discarded: it failed, or its session was not stored before a close gave up. */
  mayLose = false;
  running = undefined;
  sequence = 0;

  constructor(connection, plan, era) {
    this.connection = connection;
    this.plan = plan;
    this.era = era;
  }

  /**
   * `onOpen` begins in an application with sessions. What it sends leaves when the session is stored; a close waits for
   * that as long as for the client's answer.
   *
   * @returns what to call when `onOpen` has succeeded
   */
  hold() {
    this.mayLose = true;
    const start = performance.now();
    const patience = this.era.settings.closeTimeout * 1000 - EARLY_MS;
    const isInTime = () => this.plan.store === 'works' && performance.now() - start < patience;
    // A store that works answers in the next turn
    return () => void setImmediate(() => (this.mayLose = !isInTime()));
  }

  tag(kind) {
    return `${this.connection.id}|${kind}|${++this.sequence}|`;
  }

  /** Runs a hook, and notes what it may not do at this moment. */
  run(hook, call) {
    this.enter(hook);
    const mine = (this.running = { hook, at: performance.now() });
    const leave = () => {
      if (this.running === mine) this.running = undefined;
    };
    let result;
    try {
      result = call();
    } catch (error) {
      leave();
      throw error;
    }
    if (!(result instanceof Promise)) {
      leave();
      return result;
    }
    return result.finally(leave);
  }

  enter(hook) {
    if (hook === 'onOpen' && ++this.opens > 1) this.note('onOpen ran again');
    if (hook !== 'onOpen' && this.opens === 0) this.note(`${hook} ran before onOpen`);
    if (this.closes > 0) this.note(`${hook} ran after onClose`);
    if (hook === 'onClose') this.closes++;
    if (!this.running) return;
    const age = performance.now() - this.running.at;
    const isGivenUp = hook === 'onClose' && age >= this.era.settings.hookTimeout * 1000 - EARLY_MS;
    if (!isGivenUp) this.note(`${hook} ran while ${this.running.hook} was running for ${age.toFixed(0)} ms`);
  }

  pause() {
    if (!this.connection.isPausedByUser) this.pausedAt = performance.now();
    this.connection.pause();
  }

  /**
   * A message of the client is about to be handled. One that was sent after a pause is not read before its end, or before
   * the wire is gone: ws then reads what is left.
   */
  hear(number) {
    this.heard.push(number);
    const sentAt = this.plan.sentAt?.get(number);
    const isPaused = this.connection.isPausedByUser && !this.plan.hasLeft;
    if (isPaused && sentAt > this.pausedAt) this.note(`message ${number} came in spite of a pause`);
  }

  note(problem) {
    this.problems.push(problem);
  }
}
