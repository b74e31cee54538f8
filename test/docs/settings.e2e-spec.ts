/** `.env.example` and `docs/settings.md` match the settings table, and a copy of the former works as a `.env`. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type SettingName, SETTINGS } from '../../libs/realtime/src/settings/options.js';
import { RealtimeSettings } from '../../libs/realtime/src/settings/settings.js';
import { envExample, settingsPage } from '../../scripts/settings-docs.mjs';

const NAMES = Object.keys(SETTINGS) as SettingName[];
const read = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');

it.each([
  ['.env.example', envExample],
  ['docs/settings.md', settingsPage],
])('%s contains exactly what `npm run docs:settings` writes', (file, generate) => {
  const [actual, expected] = [read(file).split('\n'), generate(SETTINGS).split('\n')];
  const first = expected.findIndex((line, index) => line !== actual[index]);
  if (first < 0 && actual.length === expected.length) return;
  throw new Error(
    `${file} differs from the table in libs/realtime/src/settings/options.ts: run \`npm run docs:settings\` and commit it.\n` +
      `Line ${first + 1} is ${JSON.stringify(actual[first])}\nand should be ${JSON.stringify(expected[first])}`,
  );
});

it.each(NAMES)(
  'the setting %s is in .env.example and docs/settings.md with its variable, default and meaning',
  (name) => {
    const { env, fallback, about } = SETTINGS[name];
    const line = `\n${env}=${Array.isArray(fallback) ? fallback.join(',') : String(fallback)}\n`;
    expect(read('.env.example')).toContain(line);
    expect(read('.env.example')).toContain(`# ${about}`);
    const row = read('docs/settings.md')
      .split('\n')
      .filter((one) => one.startsWith(`| <a id="${env.toLowerCase()}"></a>\`${env}\` `));
    expect(row).toHaveLength(1);
    expect(row[0]).toContain(`\`${name}\``);
    expect(row[0]!.replaceAll('\\', '')).toContain(about);
  },
);

describe('a copy of .env.example', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'realtime-env-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  function settingsOf(text: string): RealtimeSettings {
    const envFile = join(folder, '.env');
    writeFileSync(envFile, text);
    return RealtimeSettings.from({ envFile }, {});
  }

  it('a copy of .env.example changes nothing, although every value in it counts as set', () => {
    const copied = settingsOf(read('.env.example'));
    const defaults = RealtimeSettings.from({ envFile: false }, {});
    for (const name of NAMES) expect([name, copied[name]]).toEqual([name, defaults[name]]);
    expect(copied.warnings).toEqual([]);
    const set = NAMES.filter((name) => String(SETTINGS[name].fallback) !== '');
    for (const name of set) expect([name, copied.sourceOf(name)]).toEqual([name, '.env']);
  });

  it('an edited value in a copy of .env.example takes effect', () => {
    const edited = settingsOf(read('.env.example').replace('REALTIME_PATH=/ws', 'REALTIME_PATH=/live'));
    expect(edited.path).toBe('/live');
  });

  it('a copy of .env.example keeps its idle time when its check interval is edited', () => {
    const text = read('.env.example').replace(/(REALTIME_HEARTBEAT_CHECK_INTERVAL)=.*/, '$1=5');
    expect(settingsOf(text)).toMatchObject({ heartbeatIdleTime: 60, heartbeatCheckInterval: 5 });
  });
});
