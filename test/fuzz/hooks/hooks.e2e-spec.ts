/** The short run of the fuzzer of hooks; `npm run fuzz:hooks -- --minutes 60` is the long one. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { seed } from '../../support/random.js';

const SCRIPT = fileURLToPath(new URL('../hooks.mjs', import.meta.url));

it('hooks that send, pause, end, throw and hang at every await leave nothing, whatever clients and middleware do', async () => {
  const args = ['--expose-gc', SCRIPT, `--seed=${seed}`, '--cases=100'];
  const run = spawn(process.execPath, args, { env: { ...process.env, NODE_OPTIONS: '', NO_COLOR: '1' } });
  let output = '';
  for (const stream of [run.stdout, run.stderr]) stream.on('data', (chunk) => (output += chunk));
  const [code] = await once(run, 'close');
  expect({ output, code }).toEqual({ output: expect.stringContaining('100 cases, 0 findings'), code: 0 });
});
