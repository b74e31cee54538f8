/**
 * Sessions against the reference client, over simulated wires: random cuts, half-open wires and wires that race, in both
 * directions. `SCHEDULES` says how many schedules run, `FIRST_SCHEDULE` with which one they begin. Each rule of the client
 * or the server that is taken away makes some schedule fail.
 */
import { jest } from '@jest/globals';
import { type Rules, sessionFaults } from '../../../../../test/support/fakes/session-model.js';

const SCHEDULES = Number(process.env['SCHEDULES'] ?? 150);
const FIRST = Number(process.env['FIRST_SCHEDULE'] ?? 1);

jest.setTimeout(600_000);

async function faultsOf(rules: Rules, schedules = SCHEDULES): Promise<string[]> {
  for (let seed = FIRST; seed < FIRST + schedules; seed++) {
    const faults = await sessionFaults(seed, rules);
    if (faults.length > 0) return [...faults, `repeat: FIRST_SCHEDULE=${seed} SCHEDULES=1 npm run model:session`];
  }
  return [];
}

beforeEach(() => void jest.useFakeTimers({ doNotFake: ['queueMicrotask', 'nextTick', 'setImmediate'] }));
afterEach(() => void jest.useRealTimers());

it('A session delivers every message once and in order in both directions, wherever its wires are cut', async () => {
  expect(await faultsOf({})).toEqual([]);
});

it.each<[string, Rules]>([
  ['the client listens to the wire that it has replaced', { isClientDeaf: false }],
  ['the server listens to the wire that was replaced', { isServerDeaf: false }],
  ['rt:open does not say what has arrived', { saysSeen: false }],
  ['the hello does not say what has arrived', { helloSaysSeen: false }],
  ['acknowledgements are counted', { countsAcks: true }],
])('A schedule fails where %s', async (_what, rules) => {
  expect(await faultsOf(rules)).not.toEqual([]);
});
