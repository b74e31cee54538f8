/** The command that a run of tests prints for a file that failed, so that its random choices can be repeated. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { jest } from '@jest/globals';
import { seed } from '../support/random.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'seed-'));
});

afterAll(() => rmSync(folder, { recursive: true }));

/** Runs jest on one test that prints its seed. */
function run(expected: string, env: Record<string, string> = {}): string {
  writeFileSync(join(folder, 'one.spec.js'), `test('one', () => expect(jest.getSeed()).${expected});`);
  const reporters = ['default', join(ROOT, 'scripts/seed-reporter.mjs')];
  const config = JSON.stringify({ rootDir: folder, displayName: 'unit', reporters, transform: {} });
  const flags = ['--config', config, '--seed=42'];
  const { stderr } = spawnSync(process.execPath, [join(ROOT, 'node_modules/jest/bin/jest.js'), ...flags], {
    encoding: 'utf8',
    env: { ...process.env, FUZZ_SEED: '', ...env },
  });
  return stderr;
}

it('prints the command that repeats a failure with the same seed', () => {
  const command = 'npm run jest -- --selectProjects unit --seed=42 --testPathPatterns one.spec.js';
  expect(run('toBe(43)')).toContain(`To repeat what failed, with the same seed:\n  ${command}\n`);
});

it('prints no command when every test passes', () => {
  expect(run('toBe(42)')).not.toContain('To repeat');
});

it('gives tests the seed of the run, or the one of FUZZ_SEED', () => {
  expect(seed).toBe(Number(process.env['FUZZ_SEED'] || jest.getSeed()));
});
