/**
 * The long run of streams.mjs: random streams for receiver.ts and for the reader of ws.
 *
 *   npm run conformance:streams -- --runs 10000000 [--seed 42]
 *
 * When they differ, it prints the stream and the command that repeats it.
 */
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { brokenRule } from '../../libs/realtime/dist/esm/transports/websocket/broken-rule.js';
import { HEADROOM, READ } from '../../libs/realtime/dist/esm/transports/websocket/read-buffer.js';
import { Receiver } from '../../libs/realtime/dist/esm/transports/websocket/receiver.js';
import { compare, seeded, streamOf } from './streams.mjs';

const { values } = parseArgs({
  options: { runs: { type: 'string', default: '1000000' }, seed: { type: 'string' } },
});
const runs = Number(values.runs);
const seed = Number(values.seed ?? Date.now() % 2 ** 31);
console.log(`conformance:streams seed=${seed} runs=${runs} Node ${process.version}`);

// ws makes an error for each broken rule; its stack is of no use here
Error.stackTraceLimit = 0;
const modules = { Receiver, READ, HEADROOM, brokenRule };
const counts = {};
const start = performance.now();
for (let run = 0; run < runs; run++) {
  // Each stream has a seed of its own, so that it can be repeated alone
  const chunks = streamOf(seeded(seed + run));
  try {
    const result = compare(modules, chunks);
    counts[result] = (counts[result] ?? 0) + 1;
  } catch (error) {
    console.error(`${error.message}\nRepeat: npm run conformance:streams -- --runs 1 --seed ${seed + run}`);
    process.exitCode = 1;
    break;
  }
}
console.log(`${JSON.stringify(counts)} in ${((performance.now() - start) / 1000).toFixed(0)} s`);
