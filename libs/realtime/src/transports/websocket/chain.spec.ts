import { FrameChain } from './chain.js';

const bytes = (size: number, fill: string) => Buffer.alloc(size, fill);

describe('FrameChain', () => {
  it('shares one link among connections that add the same frame after the same frames', () => {
    const start = FrameChain.start();
    const [a, b] = [bytes(10, 'a'), bytes(10, 'b')];
    expect(start.with(a).with(b)).toBe(start.with(a).with(b));
    expect(start.with(a).with(b).join()).toBe(start.with(a).with(b).join());
  });

  it('keeps the frames of two connections apart', () => {
    const start = FrameChain.start();
    const [a, b] = [bytes(1, 'a'), bytes(1, 'b')];
    const ann = start.with(a);
    const bob = start.with(b);
    expect(ann.with(b).join()!.toString()).toBe('ab');
    expect(bob.with(a).join()!.toString()).toBe('ba');
    expect(ann.join()!.toString()).toBe('a');
  });

  it('sends two frames of the same bytes both', () => {
    const chain = FrameChain.start().with(bytes(1, 'a')).with(bytes(1, 'a'));
    expect(chain.size).toBe(2);
    expect(chain.join()!.toString()).toBe('aa');
  });

  it('returns a single frame uncopied', () => {
    const frame = bytes(100_000, 'x');
    expect(FrameChain.start().with(frame).join()).toBe(frame);
  });

  it('joins many small frames to one buffer, but not long frames', () => {
    let small = FrameChain.start();
    for (let i = 0; i < 1000; i++) small = small.with(bytes(60, 'x'));
    expect(small.join()).toHaveLength(60_000);
    const long = FrameChain.start().with(bytes(16_000, 'x')).with(bytes(16_000, 'y'));
    expect(long.join()).toBeUndefined();
    expect(long.frames().map(String)).toEqual(['x'.repeat(16_000), 'y'.repeat(16_000)]);
  });

  it('does not keep the last frame in memory after forget()', () => {
    const start = FrameChain.start();
    const frame = bytes(1, 'a');
    const before = start.with(frame);
    start.forget();
    expect(start.with(frame)).not.toBe(before);
  });
});
