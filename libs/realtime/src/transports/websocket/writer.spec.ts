import { PassThrough } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { Frame } from '../../frame.js';
import { encodeFrame } from './encode.js';
import { Flusher } from './flusher.js';
import { Slab } from './slab.js';
import { FrameWriter } from './writer.js';

/** Makes the half that a WebSocket uses callable. */
class OpenWriter extends FrameWriter {
  begin = () => this.beginChunk();
  end = () => this.endChunk();
  push = (text: string) => this.enqueue(encodeFrame(new Frame(text)));
  reply = (text: string) => this.append(new Frame(text));
  long = (data: string | Buffer) => this.writeLong(new Frame(data));
  drop = () => this.dropWaiting();
  get waiting() {
    return this.waitingBytes;
  }
}

/** A writer, and the payloads of each write to its network socket. */
function create(flusher = new Flusher(), slab = new Slab()) {
  const stream = new PassThrough();
  const chunks: Buffer[] = [];
  const writes: string[] = [];
  stream.write = ((bytes: Buffer) => {
    chunks.push(bytes);
    writes.push(payloadsOf(bytes));
    return true;
  }) as typeof stream.write;
  return { writer: new OpenWriter(stream, flusher, slab), chunks, writes };
}

/** The payloads of short frames, which have a header of two bytes; other bytes as they are. */
function payloadsOf(bytes: Buffer): string {
  const texts: string[] = [];
  for (let at = 0; at < bytes.length; at += 2 + bytes[at + 1]!) {
    if (bytes[at] !== 0x81 || bytes[at + 1]! > 125) return `${bytes.length} bytes`;
    texts.push(bytes.toString('latin1', at + 2, at + 2 + bytes[at + 1]!));
  }
  return texts.join();
}

describe('FrameWriter', () => {
  it('writes all frames of a turn in one write at its end, in the order they were sent', async () => {
    const { writer, writes } = create();
    writer.push('a');
    writer.reply('b');
    writer.push('c');
    expect(writes).toEqual([]);
    await turn();
    expect(writes).toEqual(['a,b,c']);
  });

  it('writes the answer to a single message when its chunk ends', () => {
    const { writer, writes } = create();
    writer.begin();
    writer.reply('a');
    expect([writer.waiting, writes]).toEqual([3, []]);
    writer.end();
    expect([writer.waiting, writes]).toEqual([0, ['a']]);
  });

  it('writes the answers to several messages of a chunk at the end of the turn', async () => {
    const { writer, writes } = create();
    for (const text of ['a', 'b']) {
      writer.begin();
      writer.reply(text);
    }
    writer.end();
    writer.push('c');
    expect(writes).toEqual([]);
    await turn();
    expect(writes).toEqual(['a,b,c']);
  });

  it('writes the answer to a single message behind frames that wait for the end of the turn', async () => {
    const { writer, writes } = create();
    writer.push('a');
    writer.begin();
    writer.reply('b');
    writer.end();
    expect(writes).toEqual([]);
    await turn();
    expect(writes).toEqual(['a,b']);
  });

  it('counts the messages of each chunk anew', async () => {
    const { writer, writes } = create();
    writer.begin();
    writer.begin();
    writer.end();
    writer.begin();
    writer.reply('a');
    writer.end();
    expect(writes).toEqual(['a']);
    await turn();
    expect(writes).toEqual(['a']);
  });

  it('writes nothing when the messages of a chunk are not answered', async () => {
    const { writer, writes } = create();
    for (const count of [1, 2]) {
      for (let i = 0; i < count; i++) writer.begin();
      writer.end();
    }
    await turn();
    expect(writes).toEqual([]);
  });

  it('writes many bytes without waiting for the end of the chunk or of the turn', () => {
    const { writer, chunks } = create();
    writer.begin();
    for (let i = 0; i < 327; i++) writer.reply('x'.repeat(98));
    expect([chunks.length, writer.waiting]).toEqual([0, 32_700]);
    writer.reply('x'.repeat(98));
    expect([Buffer.concat(chunks).length, writer.waiting]).toEqual([32_800, 0]);
  });

  it('writes long bytes at once, uncopied, behind the frames that wait', () => {
    const { writer, chunks, writes } = create();
    const data = Buffer.alloc(40_000, 'x');
    writer.push('a');
    writer.long(data);
    expect(writes).toEqual(['a', '4 bytes', '40000 bytes']);
    expect([chunks[2] === data, writer.waiting]).toEqual([true, 0]);
  });

  it('writes a text of 8 KiB at once behind the frames that wait, and collects shorter ones', async () => {
    const { writer, writes } = create();
    writer.push('a');
    writer.long('x'.repeat(8192));
    writer.long('y'.repeat(8191));
    expect([writes, writer.waiting]).toEqual([['a', '8196 bytes'], 8195]);
    await turn();
    expect(writes).toEqual(['a', '8196 bytes', '8195 bytes']);
  });

  it('writes the waiting frames before anything else where it is asked to, and each of them once', async () => {
    const { writer, writes } = create();
    writer.push('a');
    writer.writeOut();
    expect(writes).toEqual(['a']);
    await turn();
    expect(writes).toEqual(['a']);
  });

  it('writes nothing that was dropped', async () => {
    const { writer, writes } = create();
    writer.push('a');
    writer.reply('b');
    writer.drop();
    await turn();
    expect([writer.waiting, writes]).toEqual([0, []]);
  });

  it('keeps the replies of two connections apart that share memory', async () => {
    const [flusher, slab] = [new Flusher(), new Slab()];
    const [ann, bob] = [create(flusher, slab), create(flusher, slab)];
    ann.writer.reply('a');
    bob.writer.reply('x');
    ann.writer.reply('b');
    await turn();
    expect([ann.writes, bob.writes]).toEqual([['a,b'], ['x']]);
  });
});
