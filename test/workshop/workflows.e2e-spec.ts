/** `npm run check:workflows` with a workflow that has one mistake of each kind. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('../../scripts/workflows.mjs', import.meta.url));
const PIN = 'actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1';
const GOOD = `name: CI
on:
  pull_request:
permissions:
  contents: read
jobs:
  test:
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    strategy:
      matrix:
        node: ['20', latest]
    steps:
      - uses: ${PIN}
      - run: npm run test:unit -- --seed=\${{ matrix.node }}
`;

/** Each row is a mistake, the text that it replaces and puts in, and the line of the report. */
const MISTAKES = [
  ['an unknown event', 'pull_request', 'pull_reqest', "3 Unexpected value 'pull_reqest'"],
  ['an unknown permission', 'contents: read', 'content: read', "5 Unexpected value 'content'"],
  ['no permissions', 'permissions:\n  contents: read\n', '', '1 A workflow names its permissions at the top'],
  ['a runner without a version', 'ubuntu-24.04', 'ubuntu-latest', '8 A job names the version of its runner'],
  ['a job without a bound', '    timeout-minutes: 5\n', '', '8 A job has timeout-minutes in the line after runs-on'],
  ['an unknown key', 'timeout-minutes', 'timeout-minute', "9 Unexpected value 'timeout-minute'"],
  ['an action that is not pinned', PIN, 'actions/checkout@v7', '14 An action is pinned to a commit'],
  ['a value that the matrix does not have', 'matrix.node', 'matrix.nod', '15 Context access might be invalid: nod'],
  ['an unknown context', 'matrix.node', 'matrices.node', "15 Unrecognized named-value: 'matrices'"],
  ['a script that package.json does not have', 'test:unit', 'test:units', '15 package.json has no such script'],
] as const;

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'workflows-'));
});

afterAll(() => rmSync(folder, { recursive: true }));

/** Writes a file for each text, and checks all of them in one run. */
function check(...texts: string[]): { status: number | null; output: string } {
  const files = texts.map((text, index) => {
    const file = join(folder, `${index}.yml`);
    writeFileSync(file, text);
    return file;
  });
  const { status, stdout, stderr } = spawnSync(process.execPath, [SCRIPT, ...files], { encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

it('accepts a workflow without a mistake', () => {
  expect(check(GOOD)).toEqual({ status: 0, output: 'No problems in 0.yml\n' });
});

describe('with a mistake', () => {
  let checked: ReturnType<typeof check>;

  beforeAll(() => {
    checked = check(...MISTAKES.map(([, from, to]) => GOOD.replace(from, to)));
  });

  it('fails when a workflow has a mistake', () => {
    expect(checked.status).toBe(1);
  });

  it.each(MISTAKES.map(([mistake, , , expected], index) => [mistake, `${index}.yml:${expected}`]))(
    'rejects a workflow with %s',
    (_mistake, expected) => {
      expect(checked.output).toContain(expected);
    },
  );
});
