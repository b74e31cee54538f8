/**
 * Runs the tests that depend on versions against the latest Nest, Express, Fastify and ws, on the Node that runs this.
 * These are installed over the lock file into a copy of the working tree, so that neither the lock nor node_modules changes.
 *
 *   npm run check:latest             the tests of scripts/versions.mjs
 *   npm run check:latest -- --all    all tests
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { all: { type: 'boolean' } } });
const root = fileURLToPath(new URL('..', import.meta.url));

/** Dependencies of Nest's platforms, which pin a version: only an override changes it. */
const BEHIND_NEST = ['express', 'fastify'];
const isWanted = (name) => name.startsWith('@nestjs/') || name === 'ws';

/** Copies the working tree without the files that git ignores. */
function copyTo(folder) {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root });
  const deleted = execFileSync('git', ['ls-files', '-z', '--deleted'], { cwd: root });
  const gone = new Set(String(deleted).split('\0'));
  for (const name of String(listed).split('\0')) {
    if (name && !gone.has(name)) cpSync(join(root, name), join(folder, name), { recursive: true });
  }
}

/** Asks for the latest of each package, in the place where the manifest names it. */
function loosen(manifest) {
  const latest = (names) => Object.fromEntries(names.filter(isWanted).map((name) => [name, 'latest']));
  for (const key of ['dependencies', 'devDependencies']) {
    Object.assign(manifest[key], latest(Object.keys(manifest[key])));
  }
  Object.assign(manifest.overrides, { ws: '$ws' }, Object.fromEntries(BEHIND_NEST.map((name) => [name, 'latest'])));
  return manifest;
}

function run(folder, ...command) {
  const { status } = spawnSync(command[0], command.slice(1), { cwd: folder, stdio: 'inherit' });
  return status === 0;
}

function installed(folder, name) {
  return JSON.parse(readFileSync(join(folder, 'node_modules', name, 'package.json'), 'utf8')).version;
}

function main(folder) {
  copyTo(folder);
  const file = join(folder, 'package.json');
  writeFileSync(file, JSON.stringify(loosen(JSON.parse(readFileSync(file, 'utf8')))));
  // With --force a new major is tested although the peer ranges do not allow it yet
  if (!run(folder, 'npm', 'install', '--force', '--no-audit', '--no-fund')) return false;
  const names = ['@nestjs/core', '@nestjs/websockets', '@nestjs/platform-ws', ...BEHIND_NEST, 'ws'];
  console.log(`Node ${process.version}, ${names.map((name) => `${name} ${installed(folder, name)}`).join(', ')}`);
  if (!values.all) return run(folder, 'npm', 'run', 'test:versions');
  return run(folder, 'npm', 'run', 'test:unit') && run(folder, 'npm', 'run', 'test:e2e');
}

const folder = mkdtempSync(join(tmpdir(), 'latest-'));
try {
  if (!main(folder)) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
