/** `npm run test:setup` with a table of its own, and with stand-ins for apt-get, sudo and systemctl: nothing is installed. */
import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('../../scripts/setup.mjs', import.meta.url));
const COMMAND = 'npm run test:setup -- --install';

let folder: string;
let tool: string;
let calls: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'setup-'));
  tool = join(folder, 'tool');
  calls = join(folder, 'calls');
  writeFileSync(join(folder, 'tools.json'), JSON.stringify({ tool: row('TOOL_PATH') }));
  program(
    'apt-get',
    `echo "apt-get $* RUNLEVEL=$RUNLEVEL" >> ${calls}; case "$*" in install*) ln -s ${process.execPath} ${tool};; esac`,
  );
  program('systemctl', `echo "systemctl $*" >> ${calls}`);
  // The script calls `sudo -n <command>`: this runs the command without sudo
  program('sudo', 'shift; exec "$@"');
});

afterEach(() => rmSync(folder, { recursive: true }));

const row = (env: string) => ({
  env,
  binaries: [tool],
  version: '--version',
  package: 'tool-package',
  service: 'tool.service',
});

function program(name: string, script: string): void {
  writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(folder, name), 0o755);
}

/** @returns its exit code and all that it printed */
function setup(env: Record<string, string>, ...args: string[]): Promise<{ code: number; output: string }> {
  const environment = { PATH: `${folder}:${process.env['PATH']}`, ...env };
  return new Promise((resolve) => {
    const all = [SCRIPT, '--tools', join(folder, 'tools.json'), ...args];
    execFile(process.execPath, all, { env: environment }, (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), output: stdout + stderr }),
    );
  });
}

/** The calls of apt-get and systemctl that change something. */
function installed(): string[] {
  const lines = existsSync(calls) ? readFileSync(calls, 'utf8').trim().split('\n') : [];
  return lines.filter((line) => !line.startsWith('apt-get --version'));
}

it('succeeds when every tool runs', async () => {
  const { code, output } = await setup({ CI: 'true', TOOL_PATH: process.execPath });
  expect(output).toBe(`tool ${process.execPath} (${process.version})\n`);
  expect(code).toBe(0);
  expect(installed()).toEqual([]);
});

it('installs nothing on a machine of a developer, but names the command that does', async () => {
  const { code, output } = await setup({});
  expect(code).toBe(1);
  expect(output).toContain('tool MISSING: install it (Debian: sudo apt-get install');
  expect(output).toContain(COMMAND);
  expect(installed()).toEqual([]);
});

it.each([
  ['with --install', {}, ['--install']],
  ['with CI=true', { CI: 'true' }, []],
])('installs what is missing %s, and checks that it runs', async (_when, env, args) => {
  const { code, output } = await setup(env, ...args);
  expect(output).toContain(`tool ${tool} (${process.version})`);
  expect(code).toBe(0);
  const options = '-y -q --no-install-recommends -o DPkg::Lock::Timeout=300';
  const packages = installed().filter((line) => line.startsWith('apt-get'));
  expect(packages).toEqual(['apt-get update -q RUNLEVEL=1', `apt-get install ${options} tool-package RUNLEVEL=1`]);
});

it('masks the service of a package while it is installed, and disables it', async () => {
  await setup({ CI: 'true' });
  const services = installed().filter((line) => line.startsWith('systemctl'));
  const whereSystemdRuns = ['mask', 'unmask', 'disable --now'].map((verb) => `systemctl ${verb} tool.service`);
  expect(services).toEqual(existsSync('/run/systemd/system') ? whereSystemdRuns : []);
});

it('installs nothing in the place of a path from the environment that does not run', async () => {
  const { code, output } = await setup({ CI: 'true', TOOL_PATH: '/nowhere/tool' });
  expect(code).toBe(1);
  expect(output).toContain('tool MISSING: TOOL_PATH=/nowhere/tool does not run');
  expect(output).not.toContain(COMMAND);
  expect(installed()).toEqual([]);
});

it('reports what apt-get printed when it fails', async () => {
  program('apt-get', 'case "$*" in --version) ;; *) echo "E: no such package"; exit 100;; esac');
  const { code, output } = await setup({ CI: 'true' });
  expect(code).toBe(1);
  expect(output).toContain('E: no such package');
  expect(output).toContain('tool MISSING');
});
