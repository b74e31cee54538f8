/**
 * Holds both readers of WebSockets, our own and that of ws for connections with compression, to the cases of RFC 6455:
 * every case, cut at every place.
 *
 *   npm run conformance [-- --family UTF-8] [--reader plain]
 */
import { parseArgs } from 'node:util';
import { brokenRule } from '../../libs/realtime/dist/esm/transports/websocket/broken-rule.js';
import { HEADROOM, READ } from '../../libs/realtime/dist/esm/transports/websocket/read-buffer.js';
import { Receiver } from '../../libs/realtime/dist/esm/transports/websocket/receiver.js';
import { BOUNDS, cases } from './cases.mjs';
import { checkPlace, checkSplits, isFor } from './check.mjs';
import { PlainReader, WsReader } from './readers.mjs';

const { values } = parseArgs({ options: { family: { type: 'string' }, reader: { type: 'string' } } });
const readers = {
  plain: () => new PlainReader({ Receiver, READ, HEADROOM }, BOUNDS),
  ws: () => new WsReader({ brokenRule }, BOUNDS),
};
const families = [...new Set(cases.map(({ family }) => family))].filter((one) => one === (values.family ?? one));

for (const [name, open] of Object.entries(readers)) {
  if (name !== (values.reader ?? name)) continue;
  for (const family of families) {
    const own = cases.filter((one) => one.family === family && isFor(name, one));
    let runs = 0;
    for (const one of own) {
      try {
        // Each split of a long message takes ws a promise per chunk: a sample will do, as we do not change ws
        runs += await checkSplits(open, one, name === 'ws');
        await checkPlace(open, one, name === 'ws');
      } catch (error) {
        console.error(`${name}: ${error.message}`);
        process.exitCode = 1;
      }
    }
    console.log(`${name.padEnd(6)} ${family.padEnd(15)} ${own.length} cases, cut in ${runs} ways`);
  }
}
console.log(process.exitCode ? 'Cases failed' : `Every case passed on Node ${process.version}`);
