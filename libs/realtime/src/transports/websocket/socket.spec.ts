import { once } from 'node:events';
import { Duplex } from 'node:stream';
import { RecordingLog } from '../../../../../test/support/fakes/recording-log.js';
import { RecordingSink } from '../../../../../test/support/fakes/recording-sink.js';
import { Frame } from '../../frame.js';
import { Limits } from '../../limits/limits.js';
import { RealtimeSettings } from '../../settings/settings.js';
import { Flusher } from './flusher.js';
import { PlainSocket } from './plain-socket.js';
import { Slab } from './slab.js';
import type { WebSocketSocket } from './socket.js';

/** A network socket whose peer reads nothing until the test says so. */
class StuckStream extends Duplex {
  private readonly stuck: (() => void)[] = [];
  private isReading = false;

  override _read(): void {}

  override _write(_chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (this.isReading) done();
    else this.stuck.push(done);
  }

  reads(): void {
    this.isReading = true;
    for (const done of this.stuck.splice(0)) done();
  }
}

const settings = RealtimeSettings.from({ envFile: false }, {});
const limits = new Limits(new RecordingLog(), false);

let streams: Duplex[] = [];

function open(highWaterMark: number) {
  const stream = new StuckStream({ highWaterMark });
  streams.push(stream);
  const shared = { settings, limits, flusher: new Flusher(), slab: new Slab(), bounds: settings };
  const socket = new PlainSocket(stream, shared, '');
  const sink = new RecordingSink();
  socket.attach(sink);
  return { socket, stream, sink };
}

afterEach(async () => {
  for (const stream of streams) await once(stream.destroy(), 'close');
  streams = [];
});

/** The high-water marks of Node 20, of Node 22 and later, and of a server that sets its own. */
const HIGH_WATER_MARKS = [16_384, 65_536, 1_048_576];

describe.each(HIGH_WATER_MARKS)('a WebSocket over a stream with a high-water mark of %i bytes', (highWaterMark) => {
  it.each([100, 1000, 10_000, 40_000])('reports a drain after it was full of messages of %i bytes', async (bytes) => {
    const { socket, stream, sink } = open(highWaterMark);
    const limit = highWaterMark + 200_000;
    while (!socket.isFull && socket.bufferedBytes < limit) socket.send(new Frame('x'.repeat(bytes)));
    expect([socket.isFull, stream.writableNeedDrain]).toEqual([true, true]);
    expect(sink.drains).toBe(0);
    stream.reads();
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    expect([sink.drains, socket.isFull]).toEqual([1, false]);
  });

  it('is not full below 64 KiB', () => {
    const { socket } = open(highWaterMark);
    socket.send(new Frame('x'.repeat(60_000)));
    expect(socket.isFull).toBe(false);
  });
});

describe('pongs', () => {
  const flood = (socket: WebSocketSocket) => {
    for (let count = 0; count < 200; count++) socket.ponged();
  };

  it('that answer pings do not count as control frames of the client, however many arrive at once', () => {
    const { socket, sink } = open(16_384);
    for (let count = 0; count < 200; count++) socket.ping();
    flood(socket);
    expect(sink.events).toEqual([]);
  });

  it('that answer nothing close the connection with 4002', () => {
    const { socket, sink } = open(16_384);
    flood(socket);
    expect(sink.events).toEqual(['failed']);
  });
});
