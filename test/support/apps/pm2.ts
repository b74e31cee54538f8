/** pm2, as its lock file in test/fixtures/pm2 says: installed once per checkout, beside the packages of the repository. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { environment } from './child-app.js';

const LOCKED = fileURLToPath(new URL('../../fixtures/pm2', import.meta.url));
const CACHE = fileURLToPath(new URL('../../../node_modules/.cache', import.meta.url));

/** @returns the folder of the package, which is installed if it is not there yet */
export async function installPm2(): Promise<string> {
  const lock = readFileSync(join(LOCKED, 'package-lock.json'));
  const installed = join(CACHE, `pm2-${createHash('sha256').update(lock).digest('hex').slice(0, 12)}`);
  if (!existsSync(installed)) await install(installed);
  return join(installed, 'node_modules/pm2');
}

/** Nobody sees half an installation, and the first of two at once is kept. */
async function install(folder: string): Promise<void> {
  mkdirSync(CACHE, { recursive: true });
  const draft = mkdtempSync(`${folder}-`);
  try {
    cpSync(LOCKED, draft, { recursive: true });
    const flags = ['--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund'];
    await promisify(execFile)('npm', ['ci', ...flags], { cwd: draft, env: environment({}) });
    if (!existsSync(folder)) renameSync(draft, folder);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}
