/** What a run needs: the peers, installed once into bench/servers/node_modules, and this repository's library, built now. */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const servers = fileURLToPath(new URL('../servers/', import.meta.url));
const root = fileURLToPath(new URL('../..', import.meta.url));

function run(...command) {
  const { status } = spawnSync(command[0], command.slice(1), { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) throw new Error(`${command.join(' ')} failed`);
}

/** Our packages are copied as npm would install them, so that there is one Nest only: the benchmark's. */
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
  return existsSync(marker) && statSync(marker).mtimeMs >= statSync(`${servers}package.json`).mtimeMs;
}

export function prepare({ builds = true } = {}) {
  if (builds) run('npm', 'run', 'build:libs');
  if (!isInstalled()) {
    console.log('Installing the peers into bench/servers/node_modules …');
    run(
      'npm',
      'install',
      '--prefix',
      'bench/servers',
      '--install-links',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
    );
  }
  place('nestjs-realtime', 'realtime');
  place('nestjs-realtime-protocol', 'realtime-protocol');
}
