/** docs/limits.md has the table of every limit; these tests hold it to the code. */
import { readdirSync, readFileSync } from 'node:fs';
import { LIMIT_SETTINGS } from '../../libs/realtime/src/settings/limit-options.js';
import { LIMIT_NAMES, Limits } from '../../libs/realtime/src/limits/limits.js';
import type { Log } from '../../libs/realtime/src/log.js';
import { SETTINGS } from '../../libs/realtime/src/settings/options.js';
import type { Setting } from '../../libs/realtime/src/settings/kinds.js';

const text = readFileSync(new URL('../../docs/limits.md', import.meta.url), 'utf8');
const rows = text
  .split('\n')
  .filter((line) => line.startsWith('| `REALTIME_'))
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .map(([, setting = '', fallback = '', , answer = '', counter = '']) => ({
    ...{ setting: setting.replaceAll('`', ''), fallback, answer, counter: counter.replaceAll('`', '') },
  }));

const settings: Setting<unknown>[] = Object.values(SETTINGS);

it('docs/limits.md has a row for every limit, and names the settings that choose what happens', () => {
  const bounds: Setting<unknown>[] = Object.values(LIMIT_SETTINGS);
  for (const { env, fallback } of bounds) {
    if (typeof fallback === 'number') expect(rows.map(({ setting }) => setting)).toContain(env);
    else expect(text).toContain(env);
  }
});

it('docs/limits.md has the default of every setting as it is in the code', () => {
  expect(rows.length).toBeGreaterThan(20);
  for (const { setting, fallback } of rows) {
    expect([setting, fallback]).toEqual([setting, String(settings.find(({ env }) => env === setting)?.fallback)]);
  }
});

it('the line in the log of every limit names the settings that docs/limits.md has for its counter', () => {
  const lines: string[] = [];
  const log = { warn: (line: string) => void lines.push(line) } as Log;
  const limits = new Limits(log, false);
  for (const name of LIMIT_NAMES) limits.reached(name, 'at=test');
  const named = LIMIT_NAMES.map((name) => {
    const variables = rows.filter(({ counter }) => counter === name).map(({ setting }) => setting);
    return `Realtime limit reached limit=${name} at=test setting=${variables.join(',')}`;
  });
  expect(lines).toEqual(named);
});

it('docs/limits.md has every counter of stats().limits, and no other', () => {
  const counters = new Set(rows.map(({ counter }) => counter).filter(Boolean));
  expect([...counters].sort()).toEqual([...LIMIT_NAMES].sort());
});

/** The limits that refuse nothing, and therefore have no code. */
const SILENT: Readonly<Record<string, string>> = {
  REALTIME_HEADER_TIMEOUT: 'the connection is cut',
  REALTIME_MAX_QUEUED_MESSAGES: 'the socket is not read',
  REALTIME_MAX_QUEUED_BYTES: 'the socket is not read',
  REALTIME_MAX_REPLAY_BYTES: 'the oldest are forgotten; a session without a wire ends, with 1006 for `onClose`',
  REALTIME_MAX_DETACHED: 'one more that loses its wire ends, with 1006 for `onClose`',
};

it('docs/limits.md says with which status, close code or error code each limit refuses', () => {
  for (const { setting, answer } of rows) {
    if (SILENT[setting]) expect([setting, answer]).toEqual([setting, SILENT[setting]]);
    else
      expect([setting, answer]).toEqual([
        setting,
        expect.stringMatching(/\b(429|503|1008|1009|1011|4\d{3})\b|`[a-z_]+`|an `exception` frame/),
      ]);
  }
});

it('docs/limits.md has a counter for every limit', () => {
  const uncounted = rows.filter(({ counter }) => counter === '').map(({ setting }) => setting);
  expect(uncounted).toEqual([]);
});

it('every limit in docs/limits.md is on by default', () => {
  for (const { setting, fallback } of rows) expect([setting, Number(fallback) > 0]).toEqual([setting, true]);
});

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const isSource = (path: string) => path.endsWith('.ts') && !path.endsWith('.spec.ts') && path !== 'limits/limits.ts';

describe.each(LIMIT_NAMES)('the limit %s', (name) => {
  it(`a source file counts how often the limit ${name} is reached`, () => {
    const folder = 'libs/realtime/src';
    const sources = (readdirSync(new URL(`../../${folder}`, import.meta.url), { recursive: true }) as string[]).filter(
      isSource,
    );
    expect(sources.filter((path) => read(`${folder}/${path}`).includes(`'${name}'`))).not.toEqual([]);
  });

  it(`one attack reaches the limit ${name} and is refused, another passes in report-only mode`, () => {
    const attacks = ['handshakes', 'messages', 'slow-clients', 'transports'].map((spec) =>
      read(`test/hostile/${spec}.e2e-spec.ts`),
    );
    const compared = `limits\\(\\)\\)\\.to\\w+\\(\\{[^}]*\\b${name}:`;
    expect(attacks.join('\n')).toMatch(new RegExp(`${compared}|limits\\(\\)\\)\\.${name}\\b|limits\\.${name}\\b`));
    expect(read('test/hostile/report-only.e2e-spec.ts')).toMatch(new RegExp(`^ {2}(async )?${name}\\b`, 'm'));
  });
});
