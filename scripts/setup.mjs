/**
 * Looks for the programs that the tests need besides npm packages (tools.json). One that is missing ends the test run
 * here, because a skipped test would look like one that passed.
 *
 *   npm run test:setup                  says what is missing, and installs nothing
 *   npm run test:setup -- --install     installs it with apt-get, if that needs no password; so does CI=true
 *   --tools <file>                      another table than tools.json
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { install: { type: 'boolean' }, tools: { type: 'string' } } });
const table = JSON.parse(readFileSync(values.tools ?? new URL('tools.json', import.meta.url), 'utf8'));
const tools = Object.entries(table).map(([name, row]) => ({ name, ...row }));
const mayInstall = values.install || process.env.CI === 'true';
const hasAptGet = () => spawnSync('apt-get', ['--version']).status === 0;

/** The first binary that runs. A path from the environment is the only candidate. */
function find({ env, binaries, version }) {
  const candidates = process.env[env] ? [process.env[env]] : binaries;
  for (const path of candidates) {
    const { status, stdout, stderr } = spawnSync(path, [version].flat(), { encoding: 'utf8', timeout: 60_000 });
    if (status === 0) return { path, version: (stdout || stderr).trim().split('\n')[0] };
  }
  return undefined;
}

/** The words before a command that make it run as root; undefined where that would ask for a password. */
function rootPrefix() {
  if (process.getuid?.() === 0) return [];
  return spawnSync('sudo', ['-n', 'true']).status === 0 ? ['sudo', '-n'] : undefined;
}

/** @throws Error with the command's own output */
function run(prefix, ...command) {
  // RUNLEVEL=1: in single-user mode Debian's packages start no service
  const quiet = ['env', 'DEBIAN_FRONTEND=noninteractive', 'RUNLEVEL=1'];
  const [file, ...args] = [...prefix, ...quiet, ...command];
  const { status, stdout, stderr, error } = spawnSync(file, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command.join(' ')} failed: ${error ?? `${stdout}\n${stderr}`}`);
}

/** Installs packages. Their services are not started, nor at the next boot. */
function install(missing, prefix) {
  const packages = missing.flatMap((tool) => tool.package.split(' '));
  const services = existsSync('/run/systemd/system') ? missing.flatMap(({ service }) => service ?? []) : [];
  console.log(`Installing ${packages.join(' and ')} with apt-get …`);
  run(prefix, 'apt-get', 'update', '-q');
  for (const service of services) run(prefix, 'systemctl', 'mask', service);
  try {
    const wait = ['-o', 'DPkg::Lock::Timeout=300'];
    run(prefix, 'apt-get', 'install', '-y', '-q', '--no-install-recommends', ...wait, ...packages);
  } finally {
    for (const service of services) run(prefix, 'systemctl', 'unmask', service);
  }
  for (const service of services) run(prefix, 'systemctl', 'disable', '--now', service);
}

/** The tools that a package would bring. No package mends a path from the environment that does not run. */
const missing = () => tools.filter((tool) => !process.env[tool.env] && !find(tool));

function installMissing() {
  const wanted = missing();
  if (wanted.length === 0) return;
  const prefix = hasAptGet() ? rootPrefix() : undefined;
  if (!prefix)
    return console.error('Nothing was installed: that needs apt-get, and root or a sudo without a password.');
  try {
    install(wanted, prefix);
  } catch (error) {
    console.error(error.message);
  }
}

/** How long the longest name is. */
const WIDTH = Math.max(...tools.map(({ name }) => name.length));

/** Prints one line. @returns whether the tool is there */
function report(tool) {
  const { name, env } = tool;
  const found = find(tool);
  if (found) console.log(`${name.padEnd(WIDTH)} ${found.path} (${found.version})`);
  else if (process.env[env]) console.error(`${name.padEnd(WIDTH)} MISSING: ${env}=${process.env[env]} does not run`);
  else
    console.error(
      `${name.padEnd(WIDTH)} MISSING: install it (Debian: sudo apt-get install --no-install-recommends ${tool.package}),` +
        ` or set ${env} to where it is`,
    );
  return found !== undefined;
}

if (mayInstall) installMissing();
if (!tools.map(report).every(Boolean)) {
  console.error('\nThe tests cannot run without what is MISSING above; none of them is skipped for that.');
  if (!mayInstall && missing().length > 0 && hasAptGet()) {
    console.error('This command installs it with apt-get: npm run test:setup -- --install');
  }
  process.exitCode = 1;
}
