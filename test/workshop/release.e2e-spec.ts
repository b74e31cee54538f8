/** The texts of a release: its section of the changelog, and the commit messages that are accepted. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { released } from '../../scripts/changelog.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BEFORE = `# Changelog

## Unreleased

### Added

- By hand.

## 0.1.0 (2026-01-01)

- The first.
`;

it('puts a version under an empty section for the next one, changes by size', () => {
  const changes = [
    { type: 'patch', summary: 'One fault\nof two lines.' },
    { type: 'major', summary: 'Breaks.' },
    { type: 'patch', summary: 'Another fault.' },
  ] as const;
  expect(released(BEFORE, { version: '0.2.0', date: '2026-02-03', changes })).toBe(`# Changelog

## Unreleased

## 0.2.0 (2026-02-03)

### Added

- By hand.

### Breaking

- Breaks.

### Fixed

- One fault
  of two lines.
- Another fault.

## 0.1.0 (2026-01-01)

- The first.
`);
});

it('refuses a changelog without a section for what is not released', () => {
  const act = () => released('# Changelog\n', { version: '0.2.0', date: '2026-02-03', changes: [] });
  expect(act).toThrow('CHANGELOG.md has no section "## Unreleased"');
});

/** Runs commitlint on a message. */
function lint(message: string): { status: number | null; stdout: string } {
  const script = fileURLToPath(import.meta.resolve('@commitlint/cli/cli.js'));
  return spawnSync(process.execPath, [script], { cwd: ROOT, input: message, encoding: 'utf8' });
}

it.each([`feat(broker): ${'x'.repeat(100 - 'feat(broker): '.length)}`, 'docs: what reading into one buffer brings'])(
  'accepts the commit message %s',
  (message) => expect(lint(message)).toMatchObject({ status: 0, stdout: '' }),
);

it.each([
  ['a header of 101 characters', `fix: ${'x'.repeat(96)}`, 'header-max-length'],
  ['a capital behind the colon', 'fix: Answer with 429', 'subject-case'],
  ['an unknown type', 'feature: answer with 429', 'type-enum'],
  ['no type', 'Answer with 429', 'type-empty'],
])('rejects a commit message with %s', (_mistake, message, rule) => {
  const { status, stdout } = lint(message);
  expect(stdout).toContain(`[${rule}]`);
  expect(status).toBe(1);
});
