import { once } from 'node:events';
import { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { closeFrame, frame, Opcode } from '../../../../../test/support/clients/raw-frames.js';
import { RecordingLog } from '../../../../../test/support/fakes/recording-log.js';
import { RecordingSink } from '../../../../../test/support/fakes/recording-sink.js';
import { Limits } from '../../limits/limits.js';
import { RealtimeSettings } from '../../settings/settings.js';
import { Flusher } from './flusher.js';
import { PlainSocket } from './plain-socket.js';
import { READ } from './read-buffer.js';
import { Slab } from './slab.js';

/** A stream that is not a network socket: its client's bytes are pushed, and what the server writes is kept. */
class FakeStream extends Duplex {
  written = Buffer.alloc(0);

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.written = Buffer.concat([this.written, chunk]);
    done();
  }
}

const settings = RealtimeSettings.from({ envFile: false }, {});
const limits = new Limits(new RecordingLog(), false);
let streams: Duplex[] = [];

function open<S extends Duplex>(stream: S, onMessage: (socket: PlainSocket, sink: RecordingSink) => void = () => {}) {
  streams.push(stream);
  const shared = { settings, limits, flusher: new Flusher(), slab: new Slab(), bounds: settings };
  const socket = new PlainSocket(stream, shared, '');
  const sink = new RecordingSink();
  const { received } = sink;
  sink.received = (message) => {
    received(message);
    onMessage(socket, sink);
  };
  socket.attach(sink);
  return { socket, stream, sink };
}

afterEach(async () => {
  for (const stream of streams) stream.destroy();
  streams = [];
  await turn();
});

const said = (...texts: string[]) => Buffer.concat(texts.map((payload) => frame({ payload })));

/** A network socket without a network: `read()` is a read into the common buffer. */
function networkSocket() {
  const handle = {
    isReading: true,
    useUserBuffer: () => {},
    readStart: () => 0,
    readStop: () => 0,
    close: (done: () => void) => done(),
  };
  const stream = new Socket();
  Object.assign(stream, { _handle: handle });
  const member = Object.getOwnPropertySymbols(stream).find(({ description }) => description === 'kBufferCb')!;
  const read = (bytes: Buffer) => {
    bytes.copy(READ);
    return (stream as unknown as Record<symbol, (length: number) => boolean>)[member]!.call(stream, bytes.length);
  };
  return { stream, read };
}

it('leaves the common buffer to other connections when a message causes an exception', async () => {
  const failing = networkSocket();
  open(failing.stream, () => {
    throw new Error('a log that throws');
  });
  expect(() => failing.read(said('one'))).toThrow('a log that throws');
  const { stream, read } = networkSocket();
  const { sink } = open(stream);
  read(said('two'));
  expect(sink.events).toEqual(['received two']);
});

const pauseAtFirst = (socket: PlainSocket, { events }: RecordingSink) => {
  if (events.length === 1) socket.pause();
};

describe('a paused connection', () => {
  it('gets no further message of a read that has arrived, until it is resumed', async () => {
    const { stream, read } = networkSocket();
    const { socket, sink } = open(stream, (one) => one.pause());
    expect(read(said('one', 'two', 'three'))).toBe(false);
    expect(sink.events).toEqual(['received one']);
    socket.resume();
    expect(sink.events).toEqual(['received one']);
    await turn();
    expect(sink.events).toEqual(['received one', 'received two']);
    socket.resume();
    await turn();
    expect(sink.events).toEqual(['received one', 'received two', 'received three']);
  });

  it('keeps the order when more bytes are read before those that waited', async () => {
    const { stream, read } = networkSocket();
    const { socket, sink } = open(stream, pauseAtFirst);
    const last = said('last');
    read(said('one', 'two'));
    // A TLS socket reads on within a turn although it was paused
    read(last.subarray(0, 3));
    socket.resume();
    read(last.subarray(3));
    await turn();
    expect(sink.events).toEqual(['received one', 'received two', 'received last']);
  });

  it('does not keep the common buffer: another read does not change what waits', async () => {
    const { stream, read } = networkSocket();
    const { socket, sink } = open(stream, pauseAtFirst);
    read(said('one', 'two'));
    READ.fill(0);
    socket.resume();
    await turn();
    expect(sink.events).toEqual(['received one', 'received two']);
  });

  it('stops in the middle of a chunk of a stream that is not a network socket', async () => {
    const { socket, stream, sink } = open(new FakeStream(), (one) => one.pause());
    stream.push(said('one', 'two'));
    await turn();
    expect(sink.events).toEqual(['received one']);
    socket.resume();
    await turn();
    expect(sink.events).toEqual(['received one', 'received two']);
  });

  it('is handed what had arrived before its end is reported', async () => {
    const { stream, sink } = open(new FakeStream(), (one) => one.pause());
    stream.push(said('one', 'two'));
    await turn();
    await once(stream.destroy(), 'close');
    expect(sink.events).toEqual(['received one', 'received two', 'closed 1006 ']);
  });
});

it('a read that another one is nested in keeps its bytes', async () => {
  const inner = open(new FakeStream());
  const { stream, read } = networkSocket();
  const outer = open(stream, () => inner.stream.push(said('inner')));
  // It flows, so that a push is read at once
  await turn();
  read(said('one', 'two'));
  expect(outer.sink.events).toEqual(['received one', 'received two']);
  await turn();
  expect(inner.sink.events).toEqual(['received inner', 'received inner']);
});

describe('the closing handshake', () => {
  const closedBy = async (bytes: Buffer, first?: (socket: PlainSocket) => void) => {
    const { socket, stream, sink } = open(new FakeStream());
    first?.(socket);
    stream.push(bytes);
    await turn();
    stream.push(null);
    if (!stream.destroyed) await once(stream, 'close');
    return { written: stream.written.toString('hex'), events: sink.events };
  };

  it('answers a close frame with its code and reason, and ignores what follows', async () => {
    const { written, events } = await closedBy(Buffer.concat([closeFrame(4000, 'bye'), said('late')]));
    expect(written).toBe(`88050fa0${Buffer.from('bye').toString('hex')}`);
    expect(events).toEqual(['closed 4000 bye']);
  });

  it('answers a close frame without a code with one without', async () => {
    expect(await closedBy(closeFrame())).toEqual({ written: '8800', events: ['closed 1005 '] });
  });

  it('sends one close frame when both sides close', async () => {
    const { written, events } = await closedBy(closeFrame(1000), (socket) => socket.close(4001, ''));
    expect([written, events]).toEqual(['88020fa1', ['closed 1000 ']]);
  });

  it('names a broken rule, and reads nothing more', async () => {
    const { written, events } = await closedBy(Buffer.concat([frame({ rsv: 1 }), said('late')]));
    expect(written.slice(4, 8)).toBe((1002).toString(16).padStart(4, '0'));
    expect(events).toEqual(['failed', 'closed 1006 ']);
  });

  it('reports 1006 for an end without a close frame', async () => {
    expect(await closedBy(said('one'))).toEqual({ written: '', events: ['received one', 'closed 1006 '] });
  });
});

it('closes with 1007 while the text that is not UTF-8 still arrives', async () => {
  const { stream, sink } = open(new FakeStream());
  const bytes = frame({ payload: Buffer.concat([Buffer.from([0xff]), Buffer.alloc(1000, 'x')]) });
  stream.push(bytes.subarray(0, 9));
  await turn();
  expect(sink.events).toEqual(['failed']);
  expect(stream.written.readUInt16BE(2)).toBe(1007);
});

it('answers a ping between the fragments of a message', async () => {
  const { stream, sink } = open(new FakeStream());
  stream.push(Buffer.concat([frame({ fin: false, payload: 'a' }), frame({ opcode: Opcode.PING, payload: 'p' })]));
  await turn();
  expect(stream.written.toString('hex')).toBe('8a0170');
  stream.push(frame({ opcode: Opcode.CONTINUATION, payload: 'b' }));
  await turn();
  expect(sink.events).toEqual(['received ab']);
});
