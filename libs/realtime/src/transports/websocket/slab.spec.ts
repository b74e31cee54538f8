import { type Run, Slab } from './slab.js';

/** Writes a text of some length through a slab. */
function write(slab: Slab, text: string, run?: Run): Run {
  const grown = slab.reserve(text.length, run);
  grown.memory.bytes.write(text, grown.end - text.length, 'latin1');
  return grown;
}

describe('Slab', () => {
  it('gives one connection one piece for all that it writes', () => {
    const slab = new Slab();
    const run = write(slab, 'a');
    expect(write(slab, 'bc', run)).toBe(run);
    expect([run.size, run.view().toString()]).toEqual([3, 'abc']);
  });

  it('takes back the end of a piece, which the next frame gets', () => {
    const slab = new Slab();
    const run = slab.reserve(10, undefined);
    run.memory.bytes.write('ab', run.end - 10);
    slab.shorten(run, run.end - 8);
    expect([run.size, run.view().toString()]).toEqual([2, 'ab']);
    expect(write(slab, 'cd', run)).toBe(run);
    expect(run.view().toString()).toBe('abcd');
    expect(write(slab, 'x').view().toString()).toBe('x');
  });

  it('gives a connection a new piece after another one has written', () => {
    const slab = new Slab();
    const mine = write(slab, 'a');
    const other = write(slab, 'x');
    const next = write(slab, 'b', mine);
    expect([mine, other, next].map((run) => run.view().toString())).toEqual(['a', 'x', 'b']);
  });

  it('never gives the same memory twice: the network may still wait for it', () => {
    const slab = new Slab();
    const views = new Map<string, Buffer>();
    for (let i = 0; i < 1000; i++) {
      const text = `${i}`.padEnd(100, '.');
      views.set(text, write(slab, text).view());
    }
    for (const [text, view] of views) expect(view.toString()).toBe(text);
  });

  it('starts new memory where the rest is too short', () => {
    const slab = new Slab();
    const run = write(slab, 'x'.repeat(16_000));
    const next = write(slab, 'y'.repeat(400), run);
    expect(next).not.toBe(run);
    expect([run.view().toString(), next.view().toString()]).toEqual(['x'.repeat(16_000), 'y'.repeat(400)]);
  });
});
