/**
 * For .ci/run: known vulnerabilities of production dependencies, and the floor of `ws`. Where the registry has no audit
 * endpoint the first cannot be known: that is said loudly, and does not fail the build.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** From here on `ws` bounds fragments, and counts empty ones. */
const WS_FLOOR = [8, 22, 0];
const root = new URL('../', import.meta.url);
const problems = [];

const json = (path) => JSON.parse(readFileSync(new URL(path, root), 'utf8'));

/** The lowest version that a caret range or a plain version allows. */
function lowest(range) {
  const found = /^[\^~]?(\d+)\.(\d+)\.(\d+)$/.exec(range);
  if (!found) throw new Error(`The range of ws cannot be read: ${range}`);
  return found.slice(1).map(Number);
}

function isBelow(version, floor) {
  const at = version.findIndex((part, index) => part !== floor[index]);
  return at >= 0 && version[at] < floor[at];
}

const range = json('libs/realtime/package.json').dependencies.ws;
const installed = json('node_modules/ws/package.json').version;
for (const [what, version] of [
  ['libs/realtime/package.json allows', range],
  ['installed is', installed],
]) {
  if (isBelow(lowest(version), WS_FLOOR)) problems.push(`${what} ws ${version}, below ${WS_FLOOR.join('.')}`);
  else console.log(`${what} ws ${version}: at least ${WS_FLOOR.join('.')}`);
}

const { stdout, stderr } = spawnSync('npm', ['audit', '--omit=dev', '--json'], { encoding: 'utf8', cwd: root });
const report = (() => {
  try {
    return JSON.parse(stdout);
  } catch {
    return undefined;
  }
})();
const counts = report?.metadata?.vulnerabilities;
if (!counts) {
  const why = report?.error?.summary || report?.message || stderr.trim().split('\n').at(-1) || 'no answer';
  console.error('\n  !!  NOT CHECKED: the registry gave no audit of the production dependencies');
  console.error(`  !!  ${String(why).replaceAll(/https?:\/\/\S+/g, 'the registry')}\n`);
} else if (counts.total > 0) {
  problems.push(`npm audit finds in production dependencies: ${JSON.stringify(counts)}`);
} else console.log('npm audit finds nothing in production dependencies');

for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;
