/** Installs the packed client into a temporary folder, and beside it every runtime that npm has for this machine. */
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
const node = `node-${process.platform}-${process.arch}`;

/** `binaries` are where the packages have them: nothing is linked, since no script of a package runs. */
const RUNTIMES = [
  { name: 'Node 22', packages: [`node22@npm:${node}@22`], binaries: ['node22/bin/node'] },
  { name: 'Node 24', packages: [`node24@npm:${node}@24`], binaries: ['node24/bin/node'] },
  { name: 'Bun', packages: ['bun'], binaries: ['@oven/*/bin/bun'] },
  { name: 'Deno', packages: ['deno'], binaries: ['@deno/*/deno'], args: ['run', '--allow-all', '--no-lock'] },
];

const npm = (folder, ...packages) =>
  run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', ...packages], { cwd: folder });

/** @returns the tarball */
async function pack(folder) {
  const cwd = join(root, 'libs/realtime-client');
  const { stdout } = await run('npm', ['pack', '--silent', '--pack-destination', folder], { cwd });
  return join(folder, stdout.trim().split('\n').at(-1));
}

/** @returns the paths that a pattern with one `*` means */
function expand(modules, pattern) {
  const [before, after] = pattern.split('*');
  if (after === undefined) return [join(modules, pattern)];
  return readdirSync(join(modules, before)).map((name) => join(modules, before, name + after));
}

/** A package can have a binary that does not run here: for another libc, or for a later processor. */
async function firstThatRuns(paths) {
  const failures = [];
  for (const path of paths) {
    try {
      const { stdout } = await run(path, ['--version'], { timeout: 30_000 });
      return { path, version: /\d+(\.\d+)+/.exec(stdout)[0] };
    } catch (error) {
      failures.push(error.message.split('\n')[0]);
    }
  }
  throw new Error(failures.join('; '));
}

async function install(folder, { name, packages, binaries, args = [] }) {
  try {
    await npm(folder, ...packages);
    const { path, version } = await firstThatRuns(
      binaries.flatMap((each) => expand(join(folder, 'node_modules'), each)),
    );
    return { name: `${name.split(' ')[0]} ${version}`, path, args };
  } catch (error) {
    return { name, missing: error.message.trim().split('\n').slice(-3).join(' ') };
  }
}

/** @returns per runtime `{ name, path, args }` or `{ name, missing }`; this Node is the first */
export async function installRuntimes(folder) {
  // Node 20 has no WebSocket of its own
  await npm(folder, await pack(folder), 'ws');
  const found = [{ name: `Node ${process.versions.node}`, path: process.execPath, args: [] }];
  for (const runtime of RUNTIMES) found.push(await install(folder, runtime));
  return found;
}
