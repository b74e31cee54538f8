/**
 * What the tests need besides npm packages (tools.json): looked for, and installed where apt-get can do it without a
 * question. What is still missing ends the test run here: a test that is skipped would claim what nobody checked.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

const table = JSON.parse(readFileSync(new URL('tools.json', import.meta.url), 'utf8'));
const tools = Object.entries(table).map(([name, row]) => ({ name, ...row }));

/** The first binary that runs. A path from the environment is the only candidate: who names one means that one. */
function find({ env, binaries, version }) {
  const candidates = process.env[env] ? [process.env[env]] : binaries;
  for (const path of candidates) {
    const { status, stdout, stderr } = spawnSync(path, [version], { encoding: 'utf8', timeout: 60_000 });
    if (status === 0) return { path, version: (stdout || stderr).trim().split('\n')[0] };
  }
  return undefined;
}

/** How to become root without being asked for a password; undefined where that cannot be. */
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
  const packages = missing.map((tool) => tool.package);
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

function installMissing() {
  const missing = tools.filter((tool) => !find(tool) && !process.env[tool.env]);
  const prefix = missing.length > 0 && existsSync('/usr/bin/apt-get') ? rootPrefix() : undefined;
  if (!prefix) return;
  try {
    install(missing, prefix);
  } catch (error) {
    console.error(error.message);
  }
}

/** One line per tool. @returns whether it is there */
function report(tool) {
  const { name, env } = tool;
  const found = find(tool);
  if (found) console.log(`${name.padEnd(9)} ${found.path} (${found.version})`);
  else if (process.env[env]) console.error(`${name.padEnd(9)} MISSING: ${env}=${process.env[env]} does not run`);
  else
    console.error(
      `${name.padEnd(9)} MISSING: install it (Debian: sudo apt-get install --no-install-recommends ${tool.package}),` +
        ` or set ${env} to where it is`,
    );
  return found !== undefined;
}

installMissing();
if (!tools.map(report).every(Boolean)) {
  console.error('\nThe tests cannot run without what is MISSING above; none of them is skipped for that.');
  process.exitCode = 1;
}
