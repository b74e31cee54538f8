/** docs/limits.md is the table of every bound; here it is held to the code. */
import { readFileSync } from 'node:fs';
import { LIMIT_SETTINGS } from '../libs/realtime/src/limit-options.js';
import { LIMIT_NAMES } from '../libs/realtime/src/limits.js';
import { SETTINGS } from '../libs/realtime/src/options.js';
import type { Setting } from '../libs/realtime/src/setting-kinds.js';

const text = readFileSync(new URL('../docs/limits.md', import.meta.url), 'utf8');
const rows = text
  .split('\n')
  .filter((line) => line.startsWith('| `REALTIME_'))
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .map(([, setting = '', fallback = '', , answer = '', counter = '']) => ({
    ...{ setting: setting.replaceAll('`', ''), fallback, answer, counter: counter.replaceAll('`', '') },
  }));

const settings: Setting<unknown>[] = Object.values(SETTINGS);

it('has every bound of the settings, and those that are choices of what happens in the text', () => {
  const bounds: Setting<unknown>[] = Object.values(LIMIT_SETTINGS);
  for (const { env, fallback } of bounds) {
    if (typeof fallback === 'number') expect(rows.map(({ setting }) => setting)).toContain(env);
    else expect(text).toContain(env);
  }
});

it('has the default of every setting as it is', () => {
  expect(rows.length).toBeGreaterThan(20);
  for (const { setting, fallback } of rows) {
    expect([setting, fallback]).toEqual([setting, String(settings.find(({ env }) => env === setting)?.fallback)]);
  }
});

it('has every counter of stats().limits, and no other', () => {
  const counters = new Set(rows.map(({ counter }) => counter).filter(Boolean));
  expect([...counters].sort()).toEqual([...LIMIT_NAMES].sort());
});

it('says of every bound what happens there', () => {
  for (const { setting, answer } of rows) expect([setting, answer]).toEqual([setting, expect.stringMatching(/\S{3}/)]);
});
