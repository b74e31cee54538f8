/**
 * Some hundred seeded schedules of the model in test/support; `npm run model:interest` runs as many thousands as
 * `SCHEDULES` says. Each rule that is taken away makes some schedule fail.
 */
import { InterestRun, type InterestClass } from '../../../../test/support/fakes/interest-model.js';
import { mutant } from '../../../../test/support/mutants.js';
import type { Clock } from './clock.js';
import { Interest, type Subscriber } from './interest.js';

const SCHEDULES = Number(process.env['SCHEDULES'] ?? 300);
const FIRST = Number(process.env['FIRST_SCHEDULE'] ?? 1);

/** Runs schedules until one fails. @returns what failed in it */
async function faultsOf(of: InterestClass, count: number): Promise<string[]> {
  for (let seed = FIRST; seed < FIRST + count; seed++) {
    const faults = await new InterestRun(seed, of).run();
    if (faults.length > 0) return faults;
  }
  return [];
}

describe('schedules of joins, outages, late answers and refusals', () => {
  it('break no rule', async () => {
    expect(await faultsOf(Interest, SCHEDULES)).toEqual([]);
  });

  const INTEREST = 'cluster/interest.ts';
  const WAITS = 'cluster/waits.ts';
  it.each([
    ['one command in flight', INTEREST, 'this.isUp && !this.isBusy ?', 'this.isUp ?'],
    ['no command while the broker is down', INTEREST, 'this.isUp && !this.isBusy ?', '!this.isBusy ?'],
    ['a failed exit is still on', INTEREST, "verb === 'subscribe' ? 'off' : 'on'", "'off'"],
    ['a failed join is off', INTEREST, "verb === 'subscribe' ? 'off' : 'on'", "'on'"],
    ['an exit lingers', INTEREST, 'entry.idleAt <= this.clock.now() - this.times.lingerMs', 'true'],
    ['an exit happens', INTEREST, 'entry.idleAt <= this.clock.now() - this.times.lingerMs', 'false'],
    ['a refused batch is halved', INTEREST, 'if (!this.isUp || isAlone) return;', 'if (this.isUp) return;'],
    ['a refused channel is tried again', INTEREST, 'this.entries.get(entry.channel) === entry', 'false'],
    ['confirmed before it holds', INTEREST, "entry.state === 'on' ||", "entry.state !== 'off' ||"],
    ['on costs no wait', INTEREST, "entry.state === 'on' ||", ''],
    ['nobody waits while degraded', INTEREST, '|| this.isDegraded) return', ') return'],
    ['nobody waits while the broker is down', INTEREST, '!this.isUp || this.waits.isLate', 'this.waits.isLate'],
    ['nobody waits after a deadline', WAITS, 'this.setLate(true);', ''],
    ['a deadline', WAITS, 'else this.expire();', ''],
    ['a held channel is not left', INTEREST, "!isHeld && entry.state === 'on'", "entry.state === 'on'"],
    ['an unheld channel is forgotten', INTEREST, 'this.entries.delete(entry.channel);', ''],
    ['at most 512 names', INTEREST, 'const BATCH = 512;', 'const BATCH = 5120;'],
  ])('fail without the rule: %s', async (_rule, file, from, to) => {
    const files = [INTEREST, WAITS, 'cluster/sets.ts'];
    const { Interest: broken } = await mutant<{ Interest: InterestClass }>(files, { file, from, to });
    expect(await faultsOf(broken, 300)).not.toEqual([]);
  });
});

describe('a broker that answers when the test says so', () => {
  let now: number;
  let timers: { at: number; task: () => void }[];
  let calls: { verb: string; channels: readonly string[]; resolve: () => void; reject: (error: Error) => void }[];
  let interest: Interest;

  const call = (verb: string) => (channels: readonly string[]) =>
    new Promise<void>((resolve, reject) => calls.push({ verb, channels, resolve, reject }));
  const broker: Subscriber = { subscribe: call('subscribe'), unsubscribe: call('unsubscribe') };
  const clock: Clock = {
    now: () => now,
    after: (ms, task) => timers.push({ at: now + ms, task }),
    soon: (task) => timers.push({ at: now, task }),
  };

  async function pass(ms: number): Promise<void> {
    const end = now + ms;
    for (;;) {
      for (let i = 0; i < 6; i++) await Promise.resolve();
      const [next] = timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (!next) break;
      timers.splice(timers.indexOf(next), 1);
      now = next.at;
      next.task();
    }
    now = end;
  }

  async function answer(error?: Error): Promise<void> {
    const { resolve, reject } = calls.at(-1)!;
    if (error) reject(error);
    else resolve();
    await pass(0);
  }

  const sent = () => calls.map(({ verb, channels }) => `${verb} ${channels.join()}`);

  beforeEach(() => {
    now = 1000;
    timers = [];
    calls = [];
    interest = new Interest(broker, clock);
    interest.up();
  });

  it('puts all changes of a turn into one command, and those during a command into the next', async () => {
    void interest.hold('a');
    void interest.hold('b');
    await pass(0);
    void interest.hold('c');
    void interest.hold('d');
    await pass(0);
    expect(sent()).toEqual(['subscribe a,b']);
    await answer();
    expect(sent()).toEqual(['subscribe a,b', 'subscribe c,d']);
  });

  it('sends 512 names in one command, and the others in the next', async () => {
    for (let i = 0; i < 600; i++) void interest.hold(`r:${i}`);
    await pass(0);
    await answer();
    expect(calls.map(({ channels }) => channels.length)).toEqual([512, 88]);
  });

  it('confirms a hold when the broker has confirmed it, and needs no promise afterwards', async () => {
    const ends: string[] = [];
    void interest.hold('a')!.then((end) => ends.push(end));
    await pass(1999);
    expect(ends).toEqual([]);
    await answer();
    expect(ends).toEqual(['on']);
    expect(interest.hold('a')).toBeUndefined();
    expect(calls).toHaveLength(1);
  });

  it('ends all waits when the deadline of one has passed, and waits again after an answer in time', async () => {
    const ends: string[] = [];
    void interest.hold('a')!.then((end) => ends.push(end));
    await pass(1500);
    void interest.hold('b')!.then((end) => ends.push(end));
    await pass(500);
    expect([ends, interest.isDegraded, interest.hold('c')]).toEqual([['late', 'late'], true, undefined]);
    await answer();
    expect(interest.isDegraded).toBe(true);
    await answer();
    expect(interest.isDegraded).toBe(false);
    expect(interest.hold('d')).toBeInstanceOf(Promise);
  });

  it('ends a wait when the broker goes down, asks again when it is back, and keeps what was on', async () => {
    void interest.hold('on');
    await pass(0);
    await answer();
    const wait = interest.hold('a')!;
    await pass(0);
    interest.down();
    expect(await wait).toBe('down');
    expect([interest.hold('b'), interest.isDegraded]).toEqual([undefined, true]);
    await answer(new Error('connection lost'));
    expect(calls).toHaveLength(2);
    interest.up();
    await pass(0);
    expect(sent()).toEqual(['subscribe on', 'subscribe a', 'subscribe b,a']);
  });

  it('leaves a channel one second after its last member, and not when somebody returns in between', async () => {
    for (const channel of ['a', 'b']) void interest.hold(channel);
    await pass(0);
    await answer();
    for (const channel of ['a', 'b']) interest.release(channel);
    await pass(999);
    expect(interest.hold('b')).toBeUndefined();
    expect(calls).toHaveLength(1);
    await pass(1);
    expect(sent()).toEqual(['subscribe a,b', 'unsubscribe a']);
    await answer();
    expect(interest.size).toBe(1);
  });

  it('subscribes again when a member comes while the channel is being left', async () => {
    void interest.hold('a');
    await pass(0);
    await answer();
    interest.release('a');
    await pass(1000);
    const wait = interest.hold('a')!;
    await answer();
    expect(sent()).toEqual(['subscribe a', 'unsubscribe a', 'subscribe a']);
    await answer();
    expect(await wait).toBe('on');
  });

  it('halves a refused batch until the channel at fault is alone, and reports it as refused', async () => {
    const ends = new Map<string, string>();
    for (const channel of 'abcd') void interest.hold(channel)!.then((end) => ends.set(channel, end));
    for (let i = 0; i < 8 && ends.size < 4; i++) {
      await pass(0);
      await answer(calls.at(-1)!.channels.includes('c') ? new Error('NOPERM') : undefined);
    }
    expect(sent().slice(1)).toEqual(['subscribe a,b', 'subscribe c,d', 'subscribe c', 'subscribe d']);
    expect(Object.fromEntries(ends)).toEqual({ a: 'on', b: 'on', c: 'refused', d: 'on' });
    expect([interest.isDegraded, interest.hold('c')]).toEqual([false, undefined]);
  });

  it('tries a refused channel again after pauses that double', async () => {
    void interest.hold('a');
    const pauses: number[] = [];
    for (let i = 0; i < 11; i++) {
      const before = now;
      while (calls.length === i) await pass(100);
      pauses.push(now - before);
      await answer(new Error('NOPERM'));
    }
    expect(pauses.slice(1)).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 25_600]);
  });

  it('gives every second command to exits, so that steady joins do not hold them up', async () => {
    void interest.hold('old');
    await pass(0);
    await answer();
    interest.release('old');
    await pass(1000);
    calls = [];
    interest = new Interest(broker, clock);
    interest.up();
    for (const channel of ['x', 'y']) {
      void interest.hold(channel);
      await pass(0);
      await answer();
    }
    interest.release('x');
    await pass(999);
    void interest.hold('1');
    await pass(1);
    for (const channel of ['2', '3']) {
      void interest.hold(channel);
      await answer();
    }
    expect(sent().slice(2)).toEqual(['subscribe 1', 'unsubscribe x', 'subscribe 2,3']);
  });

  it('refuses to release what nobody holds', () => {
    expect(() => interest.release('a')).toThrow('The channel a is released more often than it was held');
  });
});
