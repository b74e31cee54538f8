import { fc } from '../../../../../test/support/properties.js';
import {
  doneFrame,
  FrameReader,
  header,
  jsonFrame,
  Kind,
  messageHead,
  publishHead,
  readDone,
  readMessage,
  readPublished,
} from './frames.js';

type Read = [kind: number, body: string];

/** @returns the frames that are read from bytes which arrive in pieces of these lengths */
function read(bytes: Buffer, lengths: readonly number[], maxBytes = 1000): Read[] {
  const frames: Read[] = [];
  const reader = new FrameReader(maxBytes, (kind, body) => frames.push([kind, body.toString('latin1')]));
  let at = 0;
  for (const length of lengths) {
    reader.read(bytes.subarray(at, at + length));
    at += length;
  }
  reader.read(bytes.subarray(at));
  return frames;
}

const publish = (counter: number, channel: string, bytes: Buffer): Buffer => {
  const head = publishHead(counter, channel);
  return Buffer.concat([header(Kind.PUBLISH, head.length + bytes.length), head, bytes]);
};

describe('frames between workers', () => {
  it('are read as they were written, wherever the bytes are cut', () => {
    const bodies = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 });
    fc.assert(
      fc.property(bodies, fc.array(fc.nat(40), { maxLength: 60 }), (all, lengths) => {
        const frames = all.map((body) => publish(1, 'r:ü', Buffer.from(body)));
        const texts = read(Buffer.concat(frames), lengths);
        expect(texts).toEqual(frames.map((frame) => [Kind.PUBLISH, frame.subarray(5).toString('latin1')]));
      }),
    );
  });

  it('carry counter, channel and bytes of a publish, and its publisher', () => {
    const max = 2 ** 48 - 1;
    const body = publish(max, 'r:ü🎉', Buffer.from([0, 255])).subarray(5);
    expect(readPublished(body)).toEqual({ counter: max, channel: 'r:ü🎉', bytes: Buffer.from([0, 255]) });
    const message = Buffer.concat([messageHead('node', body.length), body]);
    const [[kind, text]] = read(message, []) as [Read];
    const { publisher, published } = readMessage(Buffer.from(text, 'latin1'));
    expect([kind, publisher, published]).toEqual([Kind.MESSAGE, 'node', body]);
    expect(readDone(doneFrame(max, 3).subarray(5))).toEqual({ counter: max, receivers: 3 });
    expect(read(jsonFrame(Kind.ON, { a: 1 }), [])).toEqual([[Kind.ON, '{"a":1}']]);
  });

  it('are refused when they are too long, empty, or of an unknown kind', () => {
    for (const bytes of ['000003e901', '0000000001', '00000001ff', 'ffffffff06'])
      expect(() => read(Buffer.from(bytes, 'hex'), [], 1000)).toThrow(/There is no frame|A frame has/);
    expect(read(Buffer.from('0000000209ff', 'hex'), [], 1000)).toEqual([[Kind.PING, '\xff']]);
  });

  it('are refused when they end inside what they say they have', () => {
    expect(() => readPublished(Buffer.from('000000000001000561', 'hex'))).toThrow(/bounds|longer than its frame|range/);
    expect(() => readPublished(Buffer.from('0000', 'hex'))).toThrow(/bounds|longer than its frame|range/);
    expect(() => readMessage(Buffer.alloc(0))).toThrow(/bounds|longer than its frame|range/);
    expect(() => readDone(Buffer.alloc(3))).toThrow(/bounds|longer than its frame|range/);
  });
});
