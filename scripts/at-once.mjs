/**
 * Runs npm scripts at the same time, as many as there are cores, in the given order. What each of them prints is shown
 * when it ends, in one piece. All of them run to their end; where one fails, so does this command, and it names it.
 *
 *   node scripts/at-once.mjs check:lint check:types 'build --workspace nestjs-realtime'
 */
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { performance } from 'node:perf_hooks';

const waiting = process.argv.slice(2);
const failed = [];

/** @returns true if the script has succeeded */
function run(script) {
  const since = performance.now();
  const child = spawn('npm', ['run', '--silent', ...script.split(' ')], { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => output.push(chunk));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      const seconds = ((performance.now() - since) / 1000).toFixed(1);
      const end = code === 0 ? 'done' : `FAILED with ${signal ?? `exit code ${code}`}`;
      process.stdout.write(`\n> ${script}: ${end} after ${seconds} s\n${Buffer.concat(output)}`);
      resolve(code === 0);
    });
  });
}

async function work() {
  for (let script = waiting.shift(); script !== undefined; script = waiting.shift()) {
    if (!(await run(script))) failed.push(script);
  }
}

await Promise.all(Array.from({ length: Math.max(2, availableParallelism()) }, work));
if (failed.length > 0) {
  console.error(`\nFailed: ${failed.map((script) => `npm run ${script}`).join(', ')}`);
  process.exitCode = 1;
}
