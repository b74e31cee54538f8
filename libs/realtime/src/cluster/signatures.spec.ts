import { createHmac } from 'node:crypto';
import { OptionsError } from '../errors.js';
import { Signatures, TRAILER } from './signatures.js';

const OLD = 'o'.repeat(32);
const NEW = 'n'.repeat(32);

function signed(signatures: Signatures): Buffer {
  const frame = Buffer.concat([Buffer.from('a frame'), Buffer.alloc(TRAILER)]);
  signatures.sign(frame);
  return frame;
}

it('signs everything up to the number of the key', () => {
  const frame = signed(new Signatures([OLD]));
  expect(frame.subarray(8).toString('hex')).toBe(createHmac('sha256', OLD).update(frame.subarray(0, 8)).digest('hex'));
});

it('verifies its own signature, and none of a frame with another byte', () => {
  const signatures = new Signatures([OLD]);
  const frame = signed(signatures);
  expect(signatures.problem(frame)).toBeUndefined();
  for (let at = 0; at < frame.length; at++) {
    const changed = Buffer.from(frame);
    changed[at]! ^= 1;
    expect(signatures.problem(changed)).toBe(at === 7 ? 'unknown_key' : 'bad_signature');
  }
});

it('verifies both keys and signs with the first, so that keys are exchanged without a pause', () => {
  const before = new Signatures([OLD]);
  const [first, second] = [new Signatures([OLD, NEW]), new Signatures([NEW, OLD])];
  const after = new Signatures([NEW]);
  for (const [one, other] of [
    [before, first],
    [first, second],
    [second, after],
  ] as const) {
    expect(other.problem(signed(one))).toBeUndefined();
    expect(one.problem(signed(other))).toBeUndefined();
  }
  expect(after.problem(signed(before))).toBe('unknown_key');
});

it('tries both keys when they have the same number', () => {
  const numberOf = (key: string) => signed(new Signatures([key]))[7];
  const other = Array.from({ length: 5000 }, (_, index) => `${index}`.padStart(32, 'x')).find(
    (key) => numberOf(key) === numberOf(OLD),
  )!;
  const both = new Signatures([NEW, other]);
  expect(new Signatures([other, OLD]).problem(signed(new Signatures([OLD])))).toBeUndefined();
  expect(new Signatures([OLD, other]).problem(signed(new Signatures([other])))).toBeUndefined();
  expect(both.problem(signed(new Signatures([OLD])))).toBe('bad_signature');
});

it.each([[[]], [[OLD, NEW, 'x'.repeat(32)]]])('does not accept %j: one key, or two', (keys) => {
  expect(() => new Signatures(keys)).toThrow(OptionsError);
});

it('does not accept a short key, and does not repeat it in the error', () => {
  expect(() => new Signatures([OLD, 'secret'])).toThrow(
    /^Key 2 of REALTIME_CLUSTER_KEYS must have at least 32 bytes, got 6/,
  );
  expect(() => new Signatures(['secret'])).toThrow(/^(?!.*secret)/);
});
