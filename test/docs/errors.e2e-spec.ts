/** Holds docs/errors.md to the table of close codes. */
import { readFileSync } from 'node:fs';
import { CLOSE_CODES, mayReconnect } from 'nestjs-realtime-protocol';

const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');
const rows = [...page.matchAll(/^\| (\d{4}) +\| `(\w+)` +\| (.*?) +\| (yes|no) +\|$/gm)].map((row) => row.slice(1));

it('docs/errors.md has a row for every close code, with its meaning and whether to come back', () => {
  expect(rows).toEqual(
    CLOSE_CODES.map(({ code, name, meaning }) => [String(code), name, meaning, mayReconnect(code) ? 'yes' : 'no']),
  );
});
