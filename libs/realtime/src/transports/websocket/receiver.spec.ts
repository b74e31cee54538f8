/** What test/conformance does not see: memory, counts, and a receiver whose limits are only reported. */
import { frame, Opcode } from '../../../../../test/support/clients/raw-frames.js';
import type { Message } from '../../message.js';
import type { BrokenRule } from './broken-rule.js';
import { HEADROOM, MEMORY, READ } from './read-buffer.js';
import { Receiver, type ReceiverOwner } from './receiver.js';

const BOUNDS = { maxMessageBytes: 1_000_000, maxFragments: 3, maxBufferedChunks: 5 };

class RecordingOwner implements ReceiverOwner {
  isPaused = false;
  readonly messages: Buffer[] = [];
  readonly broken: (string | number)[] = [];

  constructor(private readonly isReportOnly = false) {}

  received = (message: Message) => void this.messages.push(message.bytes());
  pinged = () => {};
  ponged = () => {};
  closing = () => {};
  broke({ code, limit }: BrokenRule): boolean {
    this.broken.push(limit ?? code);
    return !this.isReportOnly;
  }
}

function open(isReportOnly = false) {
  const owner = new RecordingOwner(isReportOnly);
  const receiver = new Receiver(owner, BOUNDS);
  const read = (bytes: Buffer) => receiver.read(HEADROOM + bytes.copy(READ));
  return { owner, receiver, read };
}

const binary = (payload: Buffer, fin = true) => frame({ opcode: Opcode.BINARY, payload, fin });

it('gives each message memory that later reads do not change', () => {
  const { owner, read } = open();
  const sizes = [0, 1, 40, 100, 5000, 60_000];
  for (const size of sizes) read(binary(Buffer.alloc(size, size % 251)));
  MEMORY.fill(0xee);
  expect(owner.messages.map((message) => message.equals(Buffer.alloc(message.length, message.length % 251)))).toEqual(
    sizes.map(() => true),
  );
});

it('allocates for what has arrived, not for what a header declares', () => {
  const { receiver, read } = open();
  read(frame({ opcode: Opcode.BINARY, declaredLength: 999_999, payload: 'x'.repeat(10) }));
  const { message } = receiver as unknown as { message: { bytes: Buffer } };
  expect(message.bytes.length).toBeLessThanOrEqual(1024);
});

it('reports an unfinished message at every byte of it but the last', () => {
  const { receiver, read } = open();
  const bytes = Buffer.concat([
    frame({ fin: false, payload: 'a'.repeat(130) }),
    frame({ opcode: Opcode.PING, payload: 'p' }),
    frame({ opcode: Opcode.CONTINUATION }),
  ]);
  for (const at of bytes.keys()) {
    read(bytes.subarray(at, at + 1));
    // Chunks are counted per frame, and this frame has more than its limit
    if (receiver.isDone) break;
    expect([at, receiver.isUnfinished]).toEqual([at, at < bytes.length - 1]);
  }
});

it('stops between two messages when its owner is paused, and returns the place', () => {
  const { owner, receiver, read } = open();
  const one = frame({ payload: 'one' });
  owner.received = (message) => {
    owner.messages.push(message.bytes());
    owner.isPaused = true;
  };
  expect(read(Buffer.concat([one, frame({ payload: 'two' })]))).toBe(HEADROOM + one.length);
  expect(owner.messages).toHaveLength(1);
  expect(receiver.isUnfinished).toBe(false);
});

it('forgets an unfinished message when a rule is broken', () => {
  const { receiver, read } = open();
  read(binary(Buffer.alloc(100), false));
  expect(receiver.isUnfinished).toBe(true);
  read(frame({ rsv: 7 }));
  expect([receiver.isDone, receiver.isUnfinished]).toEqual([true, false]);
});

describe('the limits of a receiver', () => {
  const spread = (read: (bytes: Buffer) => void, count: number) => {
    const bytes = binary(Buffer.alloc(count));
    read(bytes.subarray(0, bytes.length - count));
    for (let at = bytes.length - count; at < bytes.length; at++) read(bytes.subarray(at, at + 1));
  };
  const split = (read: (bytes: Buffer) => void, count: number) => {
    for (let index = 0; index < count; index++)
      read(frame({ opcode: index === 0 ? Opcode.BINARY : Opcode.CONTINUATION, fin: index === count - 1 }));
  };

  it('let through as many chunks and fragments as the settings allow', () => {
    const { owner, read } = open();
    spread(read, BOUNDS.maxBufferedChunks);
    split(read, BOUNDS.maxFragments);
    expect([owner.broken, owner.messages.length]).toEqual([[], 2]);
  });

  it('are enforced at one more', () => {
    const [chunks, fragments] = [open(), open()];
    spread(chunks.read, BOUNDS.maxBufferedChunks + 1);
    split(fragments.read, BOUNDS.maxFragments + 1);
    expect([chunks.owner.broken, fragments.owner.broken]).toEqual([['chunks'], ['fragments']]);
    expect([...chunks.owner.messages, ...fragments.owner.messages]).toEqual([]);
  });

  it('are counted once per message while they are only reported', () => {
    const { owner, read } = open(true);
    spread(read, 30);
    split(read, 30);
    spread(read, 1);
    expect([owner.broken, owner.messages.length]).toEqual([['chunks', 'fragments'], 3]);
  });
});
