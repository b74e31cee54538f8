/** `scripts/at-once.mjs`, by which `npm test` and `npm run build` use both cores. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('../../scripts/at-once.mjs', import.meta.url));

/** Writes `<own>`, and ends once the other file is there: alone, it would wait for ever. */
const meet = (own: string, other: string) =>
  `node -e "console.log('${own} began');fs.writeFileSync('${own}','');const wait=()=>fs.existsSync('${other}')?console.log('${own} ended'):setTimeout(wait,5);wait()"`;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'at-once-'));
  const scripts = { a: meet('a', 'b'), b: meet('b', 'a'), bad: 'echo wrong >&2; exit 3', last: 'echo $0 last' };
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ scripts }));
});
afterAll(() => rmSync(folder, { recursive: true }));

function atOnce(...scripts: string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [SCRIPT, ...scripts], { cwd: folder }, (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), output: stdout + stderr }),
    );
  });
}

it('at-once runs scripts at the same time, and shows the output of each in one piece', async () => {
  const { code, output } = await atOnce('a', 'b');
  expect(code).toBe(0);
  for (const name of ['a', 'b'])
    expect(output).toMatch(new RegExp(`> ${name}: done after [\\d.]+ s\\n(.*\\n)*?${name} began\\n${name} ended\\n`));
});

it('at-once runs the other scripts too when one fails, names it and fails', async () => {
  const { code, output } = await atOnce('bad', 'last', 'missing');
  expect(code).toBe(1);
  expect(output).toMatch(/> bad: FAILED with exit code 3 after [\d.]+ s\n(.*\n)*?wrong\n/);
  expect(output).toMatch(/> last: done after/);
  expect(output).toMatch(/\nFailed: npm run (bad, npm run missing|missing, npm run bad)\n$/);
});
