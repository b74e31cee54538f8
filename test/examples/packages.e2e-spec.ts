/** The examples as packages: they name what they use, in the versions with which they are tested here. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { folderOf } from '../support/apps/example-app.js';
import { linksOf, read, ROOT } from '../support/docs.js';

interface Package {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}
const packageOf = (folder: string) => JSON.parse(read(`${folder}/package.json`)) as Package;
const NAMES = readdirSync(join(ROOT, 'examples'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

it('examples/README.md links every example', () => {
  expect(NAMES).toHaveLength(2);
  const linked = linksOf('examples/README.md').map(({ file }) => file);
  expect(linked).toEqual(expect.arrayContaining(NAMES.map((name) => `examples/${name}/README.md`)));
});

it.each(NAMES)('examples/%s has the versions with which it is tested', (name) => {
  const own = packageOf(`examples/${name}`);
  const root = packageOf('.');
  const tested: Record<string, string> = {
    ...root.dependencies,
    ...root.devDependencies,
    'nestjs-realtime': `^${packageOf('libs/realtime').version}`,
  };
  const named = Object.entries({ ...own.dependencies, ...own.devDependencies });
  // `npm run check:latest` tests with what is newer than that
  expect(named.filter(([each, range]) => ![range, 'latest'].includes(tested[each]!))).toEqual([]);
});

it.each(NAMES)('examples/%s names every package that it imports, and uses every one that it names', (name) => {
  const files = readdirSync(folderOf(name), { recursive: true, encoding: 'utf8' }).filter((file) =>
    /^(src|test)\/.*\.ts$/.test(file),
  );
  const code = files.map((file) => read(`examples/${name}/${file}`)).join('\n');
  const used = [...code.matchAll(/from '((?:@[\w-]+\/)?[\w-]+)[^']*'/g)].map(([, found]) => found!);
  const { dependencies, devDependencies } = packageOf(`examples/${name}`);
  const named = Object.keys({ ...dependencies, ...devDependencies });
  expect(used.length).toBeGreaterThan(20);
  expect([...new Set(used)].filter((found) => !/^(node|@jest)/.test(found) && !named.includes(found))).toEqual([]);
  // Nest loads its platforms and the metadata by itself
  const byNest = ['@nestjs/platform-express', '@nestjs/platform-ws', 'reflect-metadata', 'rxjs'];
  expect(Object.keys(dependencies).filter((each) => !used.includes(each) && !byNest.includes(each))).toEqual([]);
});
