/** Holds a reader to a case, at the splits of its bytes. */
import { cut } from './frames.mjs';

/** From this many bytes on, a sample of splits leaves most places out. */
const LONG_BYTES = 1200;

/**
 * The ways in which the bytes of a case are cut: whole, in two at every place, and in single bytes.
 *
 * @param isSample true for fewer places in long cases: around headers and ends, and some in between
 */
export function* splitsOf(bytes, isSample) {
  yield [bytes];
  const isLong = bytes.length > LONG_BYTES;
  const step = isSample && isLong ? Math.ceil(bytes.length / 40) : 1;
  for (let place = 1; place < bytes.length; place++) {
    const isNearAnEnd = place < 20 || bytes.length - place < 12;
    if (place % step === 0 || isNearAnEnd) yield cut(bytes, [place]);
  }
  if (!isSample || !isLong) yield singleBytes(bytes);
}

const singleBytes = (bytes) => cut(bytes, [...bytes.keys()].slice(1));

/** @returns whether the reader `name` can be held to the case */
export const isFor = (name, { isCompressed, isPlainOnly }) => !(name === 'plain' ? isCompressed : isPlainOnly);

/**
 * @param open makes a reader
 * @throws Error for a split at which the events are others than those of the case
 */
export async function checkSplits(open, one, isSample) {
  let count = 0;
  for (const chunks of splitsOf(one.bytes, isSample)) {
    const reader = open();
    for (const chunk of chunks) await reader.feed(chunk);
    same(
      reader.events,
      one.events,
      `${one.family}: ${one.name}, cut at ${chunks.map(({ length }) => length).slice(0, 9)}`,
    );
    count++;
  }
  return count;
}

/**
 * @param isLate true for a reader that looks at the payload of a text only at its end
 * @throws Error when a failure is seen before or after the byte that causes it
 */
export async function checkPlace(open, one, isLate) {
  if (!one.failsAfter || (isLate && one.isLateWithWs)) return;
  const reader = open();
  await reader.feed(one.bytes.subarray(0, one.failsAfter - 1));
  same(reader.events, one.events.slice(0, -1), `${one.family}: ${one.name}, without the byte that breaks the rule`);
  await reader.feed(one.bytes.subarray(one.failsAfter - 1, one.failsAfter));
  same(reader.events, one.events, `${one.family}: ${one.name}, with the byte that breaks the rule`);
}

function same(found, expected, where) {
  const [one, other] = [JSON.stringify(found), JSON.stringify(expected)];
  if (one !== other) throw new Error(`${where}:\n  expected ${other.slice(0, 500)}\n  found    ${one.slice(0, 500)}`);
}
