/** The code of the documentation compiles, and the sample of a spec is the one that runs. */
import { join } from 'node:path';
import { codeOf, problemsOf, read, ROOT } from '../support/docs.js';

/** Pages whose samples are complete; those of docs/handshake.md are run by a spec of their own. */
const PAGES = [
  ...['README.md', 'docs/gateways.md', 'docs/enhancers.md', 'docs/testing.md', 'docs/migrating.md'],
  ...['docs/scaling.md', 'docs/client.md', 'docs/presence.md'],
];
const folder = join(ROOT, 'test');

it('the TypeScript samples of the documentation compile, and one that does not is found', () => {
  const sources = new Map<string, string>([
    [join(folder, 'app.module.ts'), 'export class AppModule {}'],
    [join(folder, 'broken.ts'), "import { Nothing } from 'nestjs-realtime';"],
  ]);
  for (const page of PAGES) {
    const name = page.replace(/\W/g, '-');
    for (const [index, code] of codeOf(page, 'ts').entries()) sources.set(join(folder, `${name}-${index}.ts`), code);
  }
  expect(sources.size).toBeGreaterThanOrEqual(12);
  expect(problemsOf(sources)).toEqual([expect.stringMatching(/broken\.ts: .* has no exported member/)]);
}, 120_000);

it('docs/testing.md shows the specs that run, and no other code', () => {
  const specs = ['user-spec', 'user-client', 'user-unit'].map((name) => `test/docs/${name}.e2e-spec.ts`).map(read);
  expect(codeOf('docs/testing.md', 'ts')).toEqual(specs.map((spec) => spec.slice(spec.indexOf('\n') + 1)));
});
