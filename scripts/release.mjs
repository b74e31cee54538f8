/**
 * The two steps of a release that a script can do; RELEASE.md has all of them.
 *
 *   npm run release:version          gathers the changesets: versions, CHANGELOG.md, the lock file
 *   npm run check:release -- v1.2.3  fails unless the tree is ready to be published as that version
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { released } from './changelog.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const changelog = join(root, 'CHANGELOG.md');
const run = (...command) => execFileSync(command[0], command.slice(1), { cwd: root, stdio: 'inherit' });
const readJson = (path) => JSON.parse(readFileSync(join(root, path), 'utf8'));
const SIZES = ['major', 'minor', 'patch'];

/** The release that the changesets ask for together. */
function plan() {
  const file = '.changeset/plan.json';
  try {
    run('npx', 'changeset', 'status', '--output', file);
    return readJson(file);
  } finally {
    rmSync(join(root, file), { force: true });
  }
}

/** The size of a change is the largest that it has for any package. */
const sizeOf = ({ releases }) => SIZES.find((size) => releases.some(({ type }) => type === size));

function version() {
  const { changesets, releases } = plan();
  if (changesets.length === 0) throw new Error('There are no changesets: nothing to release');
  const [{ newVersion }] = releases;
  const changes = changesets.map((one) => ({ type: sizeOf(one), summary: one.summary }));
  run('npx', 'changeset', 'version');
  const date = new Date().toISOString().slice(0, 10);
  writeFileSync(changelog, released(readFileSync(changelog, 'utf8'), { version: newVersion, date, changes }));
  run('npm', 'install', '--package-lock-only', '--ignore-scripts');
  console.log(`\nReady to be reviewed and merged as ${newVersion}; then: git tag v${newVersion}`);
}

function check(tag) {
  const problems = [];
  const expected = tag.replace(/^v/, '');
  for (const name of ['realtime', 'realtime-protocol', 'realtime-client']) {
    const { version: found } = readJson(`libs/${name}/package.json`);
    if (found !== expected) problems.push(`libs/${name}/package.json has the version ${found}`);
  }
  const { dependencies } = readJson('libs/realtime/package.json');
  if (dependencies['nestjs-realtime-protocol'] !== expected) problems.push('nestjs-realtime needs another protocol');
  if (!readFileSync(changelog, 'utf8').includes(`\n## ${expected} (`))
    problems.push('CHANGELOG.md has no such section');
  const left = readdirSync(join(root, '.changeset')).filter((name) => name.endsWith('.md') && name !== 'README.md');
  if (left.length > 0) problems.push(`changesets are left: ${left.join(', ')}`);
  for (const problem of problems) console.error(`Not ready to be published as ${tag}: ${problem}`);
  if (problems.length > 0) process.exitCode = 1;
  else console.log(`Ready to be published as ${tag}`);
}

const [step, tag = ''] = process.argv.slice(2);
if (step === 'version') version();
else if (step === 'check') check(tag);
else throw new Error('Either: version, or: check <tag>');
