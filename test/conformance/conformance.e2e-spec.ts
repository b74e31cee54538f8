/**
 * RFC 6455 and RFC 7692, held against both readers: receiver.ts, and ws for connections with compression. Long messages
 * are cut at a sample of places; `npm run conformance` cuts them everywhere.
 */
import { brokenRule } from '../../libs/realtime/src/transports/websocket/broken-rule.js';
import { HEADROOM, READ } from '../../libs/realtime/src/transports/websocket/read-buffer.js';
import { Receiver } from '../../libs/realtime/src/transports/websocket/receiver.js';
import { seed } from '../support/random.js';
import { BOUNDS, cases } from './cases.mjs';
import { checkPlace, checkSplits, isFor } from './check.mjs';
import { PlainReader, WsReader } from './readers.mjs';
import { compare, seeded, streamOf } from './streams.mjs';

const families = [...new Set(cases.map(({ family }) => family))];

describe.each(['plain', 'ws'] as const)('the reader of %s connections', (name) => {
  const open = () =>
    name === 'plain' ? new PlainReader({ Receiver, READ, HEADROOM }, BOUNDS) : new WsReader({ brokenRule }, BOUNDS);
  const own = cases.filter((one) => isFor(name, one));

  it.each(families.filter((family) => own.some((one) => one.family === family)))(
    'sees the same events wherever the bytes are cut: %s',
    async (family) => {
      for (const one of own) if (one.family === family) await checkSplits(open, one, true);
    },
  );

  it('fails at the byte that breaks the rule', async () => {
    for (const one of own) await checkPlace(open, one, name === 'ws');
  });
});

it('has cases of every family, and a name for each', () => {
  expect(families).toEqual([
    'framing',
    'pings',
    'reserved bits',
    'opcodes',
    'fragmentation',
    'UTF-8',
    'closing',
    'limits',
    'compression',
  ]);
  expect(new Set(cases.map(({ family, name }) => `${family}: ${name}`)).size).toBe(cases.length);
});

it('both readers see the same events in random streams, but for the differences that are intended', () => {
  const counts: Record<string, number> = {};
  for (let run = 0; run < 5000; run++) {
    const result = compare({ Receiver, READ, HEADROOM, brokenRule }, streamOf(seeded(seed + run)));
    counts[result] = (counts[result] ?? 0) + 1;
  }
  expect(Object.keys(counts).sort()).toEqual(['chunks', 'early', 'same']);
});
