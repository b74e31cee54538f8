import { once } from 'node:events';
import { Socket } from 'node:net';
import { type Duplex, PassThrough } from 'node:stream';
import { frame, Opcode } from '../../../../../test/support/clients/raw-frames.js';
import { READ } from './read-buffer.js';
import { own, reportDrain } from './stream.js';

/** Records what it is called for. */
class RecordingOwner {
  readonly isUnfinished = false;
  readonly chunks: Buffer[] = [];
  readonly events: string[] = [];
  heard = (chunk: Buffer) => void this.chunks.push(chunk);
  drained = () => void this.events.push('drained');
  writeOut = () => void this.events.push('writeOut');
}

/** A member that has a symbol for a name. */
function memberOf<T>(stream: Duplex, name: string): T | undefined {
  const symbol = Object.getOwnPropertySymbols(stream).find(({ description }) => description === name);
  return symbol && ((stream as never)[symbol] as T);
}

const MASKED = frame({ opcode: Opcode.TEXT, payload: 'hello' });

describe('own', () => {
  it('leaves the mask to ws, and keeps no unmasker, where the stream is not read into the common buffer', async () => {
    const stream = new PassThrough();
    const owner = new RecordingOwner();
    own(stream, owner);
    const read = once(stream, 'data');
    stream.write(MASKED);
    await read;
    expect(owner.chunks).toEqual([MASKED]);
    expect(memberOf(stream, 'unmasker')).toBeUndefined();
  });

  it('writes the waiting frames before the stream is ended', () => {
    const stream = new PassThrough();
    const owner = new RecordingOwner();
    own(stream, owner);
    stream.on('finish', () => owner.events.push('finish')).end();
    expect(owner.events[0]).toBe('writeOut');
  });

  it('reports a drain once for each time it is asked to', () => {
    const stream = new PassThrough();
    const owner = new RecordingOwner();
    own(stream, owner);
    reportDrain(stream);
    stream.emit('drain');
    stream.emit('drain');
    expect(owner.events).toEqual(['drained']);
  });

  it('unmasks what a network socket reads into the common buffer', async () => {
    const socket = new Socket();
    Object.assign(socket, { _handle: { useUserBuffer: () => {}, readStart: () => 0, close: () => {} } });
    const owner = new RecordingOwner();
    own(socket, owner);
    const read = once(socket, 'data');
    MASKED.copy(READ);
    memberOf<(length: number) => boolean>(socket, 'kBufferCb')?.call(socket, MASKED.length);
    await read;
    expect(Buffer.concat(owner.chunks).subarray(2).toString()).toBe('\0\0\0\0hello');
    expect(memberOf(socket, 'unmasker')).toBeDefined();
    socket.destroy();
  });
});
