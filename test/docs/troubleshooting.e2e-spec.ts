/** docs/troubleshooting.md quotes lines of the log; these tests hold them to the code. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LIMIT_NAMES, Limits } from '../../libs/realtime/src/limits/limits.js';
import type { Log } from '../../libs/realtime/src/log.js';
import { read, ROOT } from '../support/docs.js';

/** Lines that Nest writes. */
const OF_NEST = /^(No driver|Nest can't resolve|\[ExceptionsHandler\])/;

const blocks = [...read('docs/troubleshooting.md').matchAll(/```text\n([^]*?)```/g)].map(([, text]) => text!);
const lines = blocks.flatMap((block) => block.trim().split('\n')).filter((line) => !OF_NEST.test(line));

const folder = join(ROOT, 'libs/realtime/src');
const files = (readdirSync(folder, { recursive: true }) as string[]).filter((path) => /(?<!\.spec)\.ts$/.test(path));
const source = files.map((path) => readFileSync(join(folder, path), 'utf8')).join('\n');

it('docs/troubleshooting.md quotes lines of the log', () => {
  expect(lines.length).toBeGreaterThan(6);
});

it.each(lines.filter((line) => !line.startsWith('Realtime limit')))('a source file writes the line %s', (line) => {
  const parts = line
    .replace(/^WebSocket /, '')
    .split(/…|\b\w+=|["()]/)
    .map((part) => part.trim());
  for (const part of parts.filter((text) => text.length > 5)) expect(source).toContain(part);
});

it.each(lines.filter((line) => line.startsWith('Realtime limit')))('a limit writes the line %s', (line) => {
  const [, name, at] = /limit=(\w+) (.*) setting=/.exec(line)!;
  const written: string[] = [];
  const limits = new Limits({ warn: (text: string) => void written.push(text) } as Log, false);
  limits.reached(
    LIMIT_NAMES.find((each) => each === name)!,
    at!,
  );
  expect(written).toEqual([line]);
});
