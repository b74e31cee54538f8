/** The short run of the fuzzer of hooks; `npm run fuzz:hooks -- --minutes 60` is the long one. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { seed } from '../../support/random.js';

const SCRIPT = fileURLToPath(new URL('../hooks.mjs', import.meta.url));

async function fuzz(...more: string[]) {
  const args = ['--expose-gc', SCRIPT, `--seed=${seed}`, ...more];
  const run = spawn(process.execPath, args, { env: { ...process.env, NODE_OPTIONS: '', NO_COLOR: '1' } });
  let output = '';
  for (const stream of [run.stdout, run.stderr]) stream.on('data', (chunk) => (output += chunk));
  const [code] = await once(run, 'close');
  return { output, code };
}

it('hooks that send, pause, end, throw and hang at every await leave nothing, whatever clients and middleware do', async () => {
  const result = await fuzz('--cases=100');
  expect(result).toEqual({ output: expect.stringContaining('100 cases, 0 findings'), code: 0 });
});

/** What a case does, as far as it is not drawn (plan.mjs). */
const PLAN = { path: '/plain', middleware: 'none', store: 'works', era: { hasSessions: true } };
const step = (act: string, more = {}) => ({ wait: 'none', act, room: 'a', code: 3000, ms: 1, ...more });
const hooks = { guard: [], onHandshake: [], onClose: [] };
const client = { waitsForOpen: true, acts: [], leave: 'stay', answersPings: true };

const HARMLESS: [string, object][] = [
  [
    // Node does not notice either, without this library, that the client of an unread body has left
    'a client that has left while its body waits for a store that hangs',
    {
      ...{ ...PLAN, store: 'hangs', transport: 'polling' },
      hooks: { ...hooks, onHandshake: [step('session')] },
      client: { ...client, acts: ['large', 'ping'].map((act) => ({ after: 200, act })), leave: 'destroy' },
    },
  ],
  ...['websocket', 'polling'].map((transport): [string, object] => [
    `what an onOpen that hangs has sent before a close, with a session over ${transport}`,
    {
      ...{ ...PLAN, transport, client, era: { ...PLAN.era, settings: { slowConsumer: 'close' } } },
      hooks: { ...hooks, onOpen: [step('send'), step('close', { isLoose: true }), step('hang')] },
    },
  ]),
];

it.each(HARMLESS)('the fuzzer does not report %s', async (_what, plan) => {
  // The first era is one of Express
  const result = await fuzz('--case=0', `--with=${JSON.stringify(plan)}`);
  expect(result).toEqual({ output: expect.not.stringContaining('FINDING'), code: 0 });
});
