/** The documentation as a whole: every page is in the index, every link leads somewhere, every named file exists. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { anchorsOf, EXAMPLES, FRONT, INDEX, linksOf, PAGES, proseOf, read, ROOT } from '../support/docs.js';

const ALL = [...FRONT, INDEX, ...PAGES, ...EXAMPLES];

it('docs/README.md links every page exactly once', () => {
  const pages = linksOf(INDEX).map(({ file }) => file);
  expect(pages.filter((file) => file.startsWith('docs/')).sort()).toEqual([...PAGES].sort());
});

it('docs/README.md says in one line what a page is about', () => {
  const lines = read(INDEX).replace(/\n +/g, ' ').split('\n');
  const described = lines.filter((line) => /^\d+\. \[[^\]]+\]\([^)]+\): [a-z`\d].{30,}\.$/.test(line));
  expect(described).toHaveLength(PAGES.length);
});

it('docs/README.md has a path for each of three readers', () => {
  const headings = [...read(INDEX).matchAll(/^## (.*)$/gm)].map(([, heading]) => heading);
  expect(headings).toEqual(['Drop it in', 'Run it in production', 'Look under the hood']);
});

it.each(ALL)('every relative link of %s leads to a file and a heading that exist', (page) => {
  const broken = linksOf(page).filter(
    ({ file, anchor }) => !existsSync(join(ROOT, file)) || (anchor && !anchorsOf(file).includes(anchor)),
  );
  expect(broken).toEqual([]);
});

it('the check of links finds a missing file, a missing heading and a missing image', () => {
  const page = 'docs/hooks.md';
  expect(linksOf(page).length).toBeGreaterThan(1);
  expect(anchorsOf(page)).toContain('onhandshake');
  expect(anchorsOf('docs/settings.md')).toContain('realtime_path');
  expect(linksOf('README.md').map(({ file }) => file)).toContain('docs/images/demo.png');
  expect(anchorsOf(page)).not.toContain('nowhere');
});

const PACKAGE = 'libs/realtime-protocol/README.md';
it.each(['README.md', PACKAGE, INDEX, ...PAGES, ...EXAMPLES])(
  'every line of prose in %s has at most 120 characters',
  (page) => {
    const lines = proseOf(page).split('\n');
    const isProse = (line: string) => !/^(\||!?\[!?\[|!\[|<!--)/.test(line);
    expect(lines.filter((line) => isProse(line) && line.length > 120)).toEqual([]);
  },
);

it('docs/architecture.md names only files and folders that exist', () => {
  const tables = read('docs/architecture.md')
    .match(/^\| .*$/gm)!
    .join('\n');
  const named = [...tables.matchAll(/`([\w./-]+(?:\.ts|\/))`/g)].map(([, path]) => path!);
  expect(named.length).toBeGreaterThan(25);
  expect(named.filter((path) => !existsSync(join(ROOT, 'libs/realtime/src', path)))).toEqual([]);
});

it.each(['brokers', 'brokers/redis', 'brokers/workers', 'cluster', 'workers'])(
  'docs/architecture.md names every file of %s/',
  (folder) => {
    const files = readdirSync(join(ROOT, 'libs/realtime/src', folder)).filter((name) => /(?<!\.spec)\.ts$/.test(name));
    expect(files.length).toBeGreaterThan(0);
    const text = read('docs/architecture.md');
    expect(files.filter((name) => !text.includes(`\`${folder}/${name}\``))).toEqual([]);
  },
);
