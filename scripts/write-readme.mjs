/**
 * Writes libs/realtime/README.md; `prepack` of that package runs it. The file stays there, ignored by git, because
 * `npm publish` reads the text for the registry after `postpack`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { packageReadme } from './package-readme.mjs';

const root = new URL('../', import.meta.url);
writeFileSync(
  new URL('libs/realtime/README.md', root),
  packageReadme(readFileSync(new URL('README.md', root), 'utf8')),
);
