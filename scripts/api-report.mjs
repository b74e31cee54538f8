/**
 * The public types of the packages as they were built, one committed file per entry point: `libs/<package>/api/`.
 *
 *   npm run api:update   builds, and writes the files
 *   npm run check:api    fails when the built types differ from the files
 */
import { spawnSync } from 'node:child_process';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import prettier from 'prettier';
import ts from 'typescript';
import { describe } from './api/describe.mjs';

const { values } = parseArgs({ options: { write: { type: 'boolean' } } });
const root = fileURLToPath(new URL('..', import.meta.url));

/** The packages under `libs/`, each with its entry points that have types. */
async function readPackages() {
  const folders = (await readdir(join(root, 'libs'))).map((name) => join(root, 'libs', name));
  return Promise.all(folders.map(async (folder) => ({ folder, entries: await readEntries(folder) })));
}

async function readEntries(folder) {
  const { name, exports } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  const typed = Object.entries(exports).filter(([, target]) => target.import?.types);
  return typed.map(([subpath, target]) => ({
    name: join(name, subpath),
    types: join(folder, target.import.types),
    report: join(folder, 'api', `${subpath === '.' ? 'index' : basename(subpath)}.api.md`),
  }));
}

/** @throws Error when the build is missing, or older than a source */
async function requireFresh({ folder, entries }) {
  const builtAt = await Promise.all(entries.map(({ types }) => modifiedAt(types)));
  const names = await readdir(join(folder, 'src'), { recursive: true });
  const sources = names.filter((name) => name.endsWith('.ts') && !name.endsWith('.spec.ts'));
  const writtenAt = await Promise.all(sources.map((name) => modifiedAt(join(folder, 'src', name))));
  if (Math.max(...writtenAt) > Math.min(...builtAt)) {
    throw new Error(`${relative(root, folder)} has changed since it was built. Run: npm run build:libs`);
  }
}

const modifiedAt = (file) =>
  stat(file)
    .then(({ mtimeMs }) => mtimeMs)
    .catch(() => 0);

function programOf(packages) {
  const options = {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    types: ['node'],
    // The order of a union's members must not depend on which file the compiler reads first
    stableTypeOrdering: true,
  };
  const entries = packages.flatMap((one) => one.entries);
  return ts.createProgram(
    entries.map(({ types }) => types),
    options,
  );
}

/**
 * An application that does not set `skipLibCheck` compiles our types too. With it, a type that `@internal` took out of
 * them would silently be `any`.
 *
 * @throws Error when the built types do not compile
 */
function requireSound(program) {
  const files = program.getSourceFiles().filter(({ fileName }) => fileName.startsWith(join(root, 'libs')));
  const errors = files.flatMap((file) => program.getSemanticDiagnostics(file));
  if (errors.length === 0) return;
  const host = { getCanonicalFileName: (name) => name, getCurrentDirectory: () => root, getNewLine: () => '\n' };
  throw new Error(`The built types do not compile:\n${ts.formatDiagnostics(errors, host)}`);
}

async function reportOf(program, folder, { name, types, report }) {
  const options = await prettier.resolveConfig(report);
  const code = await prettier.format(describe(program, folder, types), { ...options, parser: 'typescript' });
  const head = `# Public types of \`${name}\`\n\nWritten by \`npm run api:update\`; \`npm run check:api\` compares.\n`;
  return `${head}\n\`\`\`ts\n${code || '\n'}\`\`\`\n`;
}

async function write(reports) {
  for (const folder of new Set(reports.map(({ file }) => dirname(file)))) {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
  }
  for (const { file, text } of reports) await writeFile(file, text);
  console.log(`Written: ${reports.map(({ file }) => relative(root, file)).join(', ')}`);
}

/** Prints the lines that are different. */
function showDifference(file, text) {
  const args = ['diff', '--no-index', '--unified=1', '--', relative(root, file), '-'];
  const { stdout } = spawnSync('git', args, { cwd: root, input: text, encoding: 'utf8' });
  console.error(stdout.split('\n').slice(4).join('\n'));
}

async function check(reports) {
  const isSame = async ({ file, text }) => (await readFile(file, 'utf8').catch(() => '')) === text;
  let changed = 0;
  for (const report of reports) {
    if (await isSame(report)) continue;
    changed++;
    console.error(`\nThe public types are not those of ${relative(root, report.file)}:`);
    showDifference(report.file, report.text);
  }
  if (changed === 0) return console.log(`The public types are those of the ${reports.length} API reports`);
  console.error('Where the change is meant: npm run api:update, commit the report, and npm run changeset.');
  process.exitCode = 1;
}

async function main() {
  const packages = await readPackages();
  await Promise.all(packages.map(requireFresh));
  const program = programOf(packages);
  requireSound(program);
  const reports = [];
  for (const { folder, entries } of packages) {
    for (const entry of entries) reports.push({ file: entry.report, text: await reportOf(program, folder, entry) });
  }
  await (values.write ? write(reports) : check(reports));
}

await main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
