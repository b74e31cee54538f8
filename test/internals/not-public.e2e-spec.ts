/** docs/architecture.md lists what this library touches although nobody promises it; here the list is held to the code. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';

const file = (path: string) => new URL(`../../${path}`, import.meta.url);
const text = (path: string) => readFileSync(file(path), 'utf8');

const section = text('docs/architecture.md')
  .split(/^## /m)
  .find((part) => part.startsWith('What is not public'))!;
const [, , ...rows] = section
  .split('\n')
  .filter((line) => line.startsWith('|'))
  .map((line) => line.split('|').map((cell) => cell.trim()));
const plain = (cell = '') => cell.replaceAll('`', '');
const touches = rows.map(([, what, path, reason, fallback, spec, test]) => ({
  ...{ what, path: plain(path), reason, fallback, spec: plain(spec), test: plain(test) },
}));

/** The names of the tests of a spec. */
const testsOf = (spec: string) =>
  [...text(`test/internals/${spec}.e2e-spec.ts`).matchAll(/^ *it\((['"])(.+)\1,/gm)].map(([, , name]) => name);

it('names a file, a reason, a fallback and a test for every private touch', () => {
  expect(touches.length).toBeGreaterThan(12);
  for (const touch of touches) {
    expect(Object.entries(touch).filter(([, cell]) => !cell)).toEqual([]);
    expect([touch.path, existsSync(file(`libs/realtime/src/${touch.path}`))]).toEqual([touch.path, true]);
    expect(testsOf(touch.spec)).toContain(touch.test);
  }
});

it('names every file of the door, and every spec that holds a private touch', () => {
  const doors = readdirSync(file('libs/realtime/src/nest/internals')).map((name) => `nest/internals/${name}`);
  const specs = readdirSync(file('test/internals')).map((name) => name.replace('.e2e-spec.ts', ''));
  const named = new Set(touches.flatMap(({ path, spec }) => [path, spec]));
  expect([...doors, ...specs].filter((name) => !named.has(name))).toEqual(['not-public']);
});
