/** Prepares a run: installs the peers into bench/servers/node_modules once, and builds the library of this repository. */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const servers = fileURLToPath(new URL('../servers/', import.meta.url));
const root = fileURLToPath(new URL('../..', import.meta.url));

function run(...command) {
  const { status } = spawnSync(command[0], command.slice(1), { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) throw new Error(`${command.join(' ')} failed`);
}

/** Copies one of our packages to where npm would install it, so that there is one Nest only: the one of the peers. */
function place(name, folder) {
  const target = `${servers}node_modules/${name}`;
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  for (const part of ['dist', 'package.json']) {
    cpSync(`${root}libs/${folder}/${part}`, `${target}/${part}`, { recursive: true });
  }
}

function isInstalled() {
  const marker = `${servers}node_modules/.package-lock.json`;
  return existsSync(marker) && statSync(marker).mtimeMs >= statSync(`${servers}package-lock.json`).mtimeMs;
}

/** @param options.builds whether the library is built; if not, it is taken as it was built last */
export function prepare({ builds = true } = {}) {
  if (builds) run('npm', 'run', 'build:libs');
  if (!isInstalled()) {
    console.log('Installing the peers into bench/servers/node_modules …');
    const flags = ['--install-links', '--ignore-scripts', '--no-audit', '--no-fund'];
    run('npm', 'ci', '--prefix', 'bench/servers', ...flags);
  }
  place('nestjs-realtime', 'realtime');
  place('nestjs-realtime-protocol', 'realtime-protocol');
}
