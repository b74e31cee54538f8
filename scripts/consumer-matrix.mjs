/**
 * Installs the packed packages into bare applications, as a user would, and runs each: Nest 11 and 12, ESM and
 * CommonJS, Node 20, 22 and 24, types included. It needs the npm registry and takes minutes: `npm run check:consumers`.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import ts from 'typescript';

const run = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));

const NEST = ['11', '12'];
const NODE = ['20', '22', '24'];
const FORMATS = ['esm', 'cjs'];
const PACKAGES = ['common', 'core', 'platform-express', 'platform-ws', 'testing', 'websockets'];

const EXPECTED = {
  refused: 403,
  heard: ['Welcome ann', 'hello from /ws', '{"event":"sum","data":6}', '{"event":"pushed","data":7}'],
  code: 1001,
  closes: [1001],
  isKnown: true,
};

const npm = (cwd, ...args) => run('npm', [...args, '--no-audit', '--no-fund', '--ignore-scripts'], { cwd });

async function newFolder(...path) {
  const folder = join(...path);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'package.json'), '{"private":true}');
  return folder;
}

/** The packed packages, as they would be published. */
async function pack(folder) {
  const packed = ['realtime-protocol', 'realtime-client', 'realtime'].map(async (name) => {
    const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], {
      cwd: join(root, 'libs', name),
    });
    // Scripts of the package write before the JSON
    const [{ filename, entryCount, size, files }] = JSON.parse(stdout.slice(stdout.indexOf('[\n')));
    requireLean(files.map(({ path }) => path));
    console.log(`${filename}: ${entryCount} files, ${size} bytes packed`);
    return join(folder, filename);
  });
  return Promise.all(packed);
}

/** Compiled code with its types and maps, and what npm wants beside it: nothing else is published. */
const NEEDED =
  /^(package\.json|README\.md|LICENSE|dist\/cjs\/package\.json|dist\/(esm|cjs|script)\/.+\.(js|js\.map|d\.ts))$/;

function requireLean(paths) {
  const tooMuch = paths.filter((path) => !NEEDED.test(path) || path.includes('.spec.'));
  const missing = ['README.md', 'LICENSE', 'dist/esm/index.js', 'dist/cjs/index.js', 'dist/cjs/package.json'].filter(
    (path) => !paths.includes(path),
  );
  if (tooMuch.length + missing.length > 0) throw new Error(`too much: ${tooMuch}; missing: ${missing}`);
}

/** Binaries of Node itself, without the `node` package's install script. */
async function installNode(folder) {
  const platform = `node-${process.platform}-${process.arch}`;
  await npm(folder, 'install', ...NODE.map((major) => `node${major}@npm:${platform}@${major}`));
  return Object.fromEntries(NODE.map((major) => [major, join(folder, 'node_modules', `node${major}`, 'bin', 'node')]));
}

async function installConsumer(folder, nest, tarballs) {
  const packages = PACKAGES.map((name) => `@nestjs/${name}@${nest}`);
  const types = ['@types/node@20', 'typescript@~5.9'];
  await npm(folder, 'install', ...packages, 'reflect-metadata@0.2', 'rxjs@7', ...types, ...tarballs);
  const source = await readFile(join(root, 'test/support/apps/consumer-app.ts'), 'utf8');
  for (const format of FORMATS) await writeConsumer(await newFolder(folder, format), format, source);
}

async function writeConsumer(folder, format, source) {
  const isEsm = format === 'esm';
  const compilerOptions = {
    target: 'ES2022',
    module: isEsm ? 'esnext' : 'commonjs',
    experimentalDecorators: true,
    emitDecoratorMetadata: true,
  };
  const { outputText } = ts.transpileModule(source, { compilerOptions });
  await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true, type: isEsm ? 'module' : 'commonjs' }));
  await writeFile(join(folder, 'app.ts'), source);
  await writeFile(join(folder, 'app.js'), outputText);
}

/** @returns what went wrong, in one line; undefined when all is well */
async function trouble(task) {
  try {
    await task();
    return undefined;
  } catch (error) {
    return String(error.stdout || error.stderr || error.message)
      .trim()
      .split('\n')
      .slice(0, 8)
      .join(' | ');
  }
}

async function checkRun(node, folder) {
  const { stdout } = await run(node, ['app.js'], { cwd: folder, timeout: 60_000 });
  const seen = stdout.trim().split('\n').at(-1);
  if (seen !== JSON.stringify(EXPECTED)) throw new Error(`saw ${stdout}`);
}

/** Types, those of all packages included, with the oldest TypeScript in wide use. */
async function checkTypes(folder) {
  const flags = ['--noEmit', '--strict', '--experimentalDecorators', '--emitDecoratorMetadata', '--target', 'ES2022'];
  const modules = ['--module', 'nodenext', '--types', 'node'];
  await run(process.execPath, ['../node_modules/typescript/bin/tsc', ...flags, ...modules, 'app.ts'], { cwd: folder });
}

/** Every deep import of ours from Nest, from both kinds of module. */
async function checkDeepImports(node, folder) {
  const dist = join(folder, '../node_modules/nestjs-realtime/dist/esm/nest');
  const { stdout } = await run('grep', ['-rhoE', "from '@nestjs/[^']+'", dist, '--include=*.js']);
  const paths = [...new Set(stdout.match(/@nestjs\/[^']+/g))].filter((path) => path.endsWith('.js'));
  if (paths.length < 5) throw new Error(`expected deep imports, found ${paths}`);
  const load = folder.endsWith('esm') ? 'await import' : 'require';
  const code = `require('reflect-metadata');(async()=>{${paths.map((path) => `${load}('${path}');`).join('')}})()`;
  await run(node, ['-e', code, '--input-type=commonjs'], { cwd: folder });
}

async function main(temporary) {
  const tarballs = await pack(temporary);
  const nodes = await installNode(await newFolder(temporary, 'node'));
  const rows = [];
  for (const nest of NEST) {
    const folder = await newFolder(temporary, `nest${nest}`);
    await installConsumer(folder, nest, tarballs);
    for (const format of FORMATS) {
      const app = join(folder, format);
      rows.push({ nest, format, what: 'types', failed: await trouble(() => checkTypes(app)) });
      for (const [major, node] of Object.entries(nodes)) {
        const { stdout: version } = await run(node, ['--version']);
        const what = `Node ${major} (${version.trim()})`;
        const failed = (await trouble(() => checkDeepImports(node, app))) ?? (await trouble(() => checkRun(node, app)));
        rows.push({ nest, format, what, failed });
        console.log(`Nest ${nest}  ${format}  ${what}  ${failed ?? 'ok'}`);
      }
    }
  }
  return rows;
}

const temporary = await mkdtemp(join(tmpdir(), 'consumers-'));
try {
  const rows = await main(temporary);
  const columns = [...new Set(rows.map(({ what }) => what))];
  console.log(`\n| | ${columns.join(' | ')} |\n|---|${columns.map(() => '---|').join('')}`);
  for (const nest of NEST) {
    for (const format of FORMATS) {
      const cells = rows.filter((row) => row.nest === nest && row.format === format);
      console.log(
        `| Nest ${nest} ${format.toUpperCase()} | ${cells.map(({ failed }) => failed ?? 'ok').join(' | ')} |`,
      );
    }
  }
  if (rows.some(({ failed }) => failed)) process.exitCode = 1;
} finally {
  await rm(temporary, { recursive: true, force: true });
}
