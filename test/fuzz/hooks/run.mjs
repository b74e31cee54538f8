/** Runs eras of cases, one application after the other, and collects what does not hold. */
import { performance } from 'node:perf_hooks';
import { clearTimeout } from 'node:timers';
import { setTimeout as sleep } from 'node:timers/promises';
import { App } from './app.mjs';
import { caseProblems, unexpected } from './checks.mjs';
import { runClient } from './client.mjs';
import { drawCase, drawEra, ERA } from './plan.mjs';

/** How long the end of all connections, and the shutdown of the application, may take, in milliseconds. */
const CALM_MS = 10_000;
const STOP_MS = 5000;

/** Errors and warnings that nobody caught, since the last look. */
const uncaught = [];
for (const event of ['uncaughtException', 'unhandledRejection', 'warning']) {
  process.on(event, (error) => uncaught.push(`${event}: ${error?.stack ?? String(error)}`));
}

/** What the connections of all eras did: a fuzzer whose cases are all refused finds nothing. */
export const tally = { opened: 0, heard: 0, sent: 0, ends: {} };

function count({ heard, taken, close }) {
  tally.opened++;
  tally.heard += heard.length;
  tally.sent += taken.length;
  tally.ends[close?.initiator] = (tally.ends[close?.initiator] ?? 0) + 1;
}

/** One era: some of its cases, all with the same application. */
class EraRun {
  findings = [];
  results = new Map();

  constructor(era, plans) {
    Object.assign(this, { era, plans });
  }

  note(problem, plan) {
    this.findings.push({ era: this.era.number, number: plan?.number, problem, plan });
  }

  async run() {
    this.app = await App.boot(this.era);
    for (const plan of this.plans) this.app.world.cases.set(plan.number, plan);
    const left = [...this.plans];
    const work = async () => {
      for (let plan = left.shift(); plan; plan = left.shift()) await this.one(plan);
    };
    this.stage = 'its clients';
    await Promise.all(Array.from({ length: this.era.atOnce }, work));
    this.stage = 'the end of its connections';
    await this.calm();
    this.stage = 'the shutdown';
    await this.stop();
    this.check();
    return this.findings;
  }

  async one(plan) {
    if (plan.number % ERA === this.era.stopAt) this.stopping = this.stop();
    this.results.set(plan.number, await runClient(this.app.port, plan));
    this.app.world.readWhatIsLeft();
  }

  stop() {
    return (this.stopping ??= this.app.close().then((ms) => {
      if (ms > STOP_MS) this.note(`The shutdown took ${ms.toFixed(0)} ms`);
    }));
  }

  /** Waits until nothing is left of the clients. */
  async calm() {
    const end = performance.now() + CALM_MS;
    for (;;) {
      const left = await this.app.left();
      const some = Object.entries(left).filter(([, count]) => count !== 0);
      if (some.length === 0) return;
      this.resumeAll();
      if (performance.now() > end) return this.noteLeft(Object.fromEntries(some));
      await sleep(5);
    }
  }

  /** The server does not see that a client has left whose connection the application has paused. */
  resumeAll() {
    const { world } = this.app;
    for (const { connection } of world.records.values()) if (connection.isPausedByUser) connection.resume();
    world.readWhatIsLeft();
  }

  noteLeft(left) {
    const open = [...this.app.world.records.values()].filter(({ opens, closes }) => opens !== closes);
    const which = open.map(({ plan, running, connection: { readyState, isPaused } }) =>
      JSON.stringify({ case: plan.number, running: running?.hook, readyState, isPaused }),
    );
    this.note(`There is something left: ${JSON.stringify(left)} ${which}`);
  }

  check() {
    const { world } = this.app;
    for (const record of world.records.values()) count(record);
    for (const plan of this.plans) {
      const records = [...world.records.values()].filter((record) => record.plan === plan);
      for (const problem of caseProblems(records, this.results.get(plan.number))) this.note(problem, plan);
    }
    for (const line of unexpected(world.errors)) this.note(`ERROR ${line}`);
    for (const problem of uncaught.splice(0)) this.note(problem);
    const bytes = this.app.forget();
    if (bytes !== 0) this.note(`${bytes} bytes are counted for clients that have gone`);
  }
}

/** @returns the cases of an era */
export const casesOf = (era) => Array.from({ length: ERA }, (_, index) => era * ERA + index);

/** How long an era may take, in milliseconds. */
const ERA_MS = 60_000;

/** A drawn plan with some of its values replaced, those of its groups (`hooks`, `client`, `settings`) one by one. */
function changed(plan, changes) {
  const isGroup = (value) => typeof value === 'object' && !Array.isArray(value);
  const values = Object.entries(changes).map(([name, value]) => [
    name,
    isGroup(value) ? { ...plan[name], ...value } : value,
  ]);
  return { ...plan, ...Object.fromEntries(values) };
}

/**
 * @param options.changes what is not as it was drawn: values of the cases, and under `era` those of the application
 * @returns what was found in some cases of an era
 */
export async function runEra(seed, number, { cases = casesOf(number), changes: { era = {}, ...changes } = {} } = {}) {
  const plans = cases.map((one) => changed(drawCase(seed, one), changes));
  const run = new EraRun(changed(drawEra(seed, number), era), plans);
  let timer;
  const stuck = new Promise((resolve) => {
    timer = setTimeout(() => {
      run.note(`The era does not end: ${run.stage}`);
      resolve(run.findings);
    }, ERA_MS);
  });
  try {
    return await Promise.race([run.run(), stuck]);
  } finally {
    clearTimeout(timer);
  }
}
