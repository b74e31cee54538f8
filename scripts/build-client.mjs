/**
 * Builds libs/realtime-client: `nestjs-realtime-protocol` is bundled into it, so that the package has no dependency.
 * `dist/esm` loads SSE and polling when they are needed, `dist/cjs` and the file for a script tag have them inside.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { minify } from '@swc/core';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = `${root}libs/realtime-client/`;

/**
 * Members that no application sees. No minifier may shorten them, since it cannot know that; so they are shortened here.
 * A name of the API, of the wire or of the platform must not be among them; the first is checked.
 */
const INTERNAL = `
  acknowledged address after again allRooms answer ask attempts bearer blocked cancel changed check choose
  clear closeWith counted credential dead dial drop ended environment expires fail failed fetch finish firstMessage
  flush heard hello isAbsent isAccepted isBlocked isOpen isSent isShort isUp isWritable item ledger limit
  listeners liveness moved nextId noticed opened owner page payload present ready received refusal remove
  renew repeated replies retryAfterMs say secret settings size source start stayed steps stop stopped target task
  tell time tries upper via wait wake webSocket words writable write
`
  .trim()
  .split(/\s+/);

const common = {
  absWorkingDir: folder,
  bundle: true,
  target: 'es2022',
  platform: 'neutral',
  chunkNames: '[name]',
  alias: { 'nestjs-realtime-protocol': `${root}libs/realtime-protocol/src/index.ts` },
  tsconfigRaw: { compilerOptions: { useDefineForClassFields: false } },
  mangleProps: new RegExp(`^(${INTERNAL.join('|')})$`),
  minify: true,
  sourcemap: true,
  legalComments: 'none',
  logLevel: 'warning',
  write: false,
};

function checkNames() {
  const api = readFileSync(`${folder}api/index.api.md`, 'utf8').split('```ts')[1];
  const seen = INTERNAL.filter((name) => new RegExp(`\\b${name}\\??[:(<]`).test(api));
  if (seen.length > 0) throw new Error(`Names of the API cannot be shortened: ${seen.join()}`);
}

/** Bundles, and minifies once more: what is published is the smallest that any bundler can make of it. */
async function write(options) {
  const { outputFiles } = await build({ ...common, ...options });
  const [maps, scripts] = [true, false].map((isMap) =>
    outputFiles.filter(({ path }) => path.endsWith('.map') === isMap),
  );
  for (const { path, text } of scripts) {
    const content = maps.find((map) => map.path === `${path}.map`).text;
    const passes = { passes: 3, ecma: 2022, unsafe_arrows: true, pure_getters: true, hoist_props: true };
    const result = await minify(text.replace(/\n\/\/# sourceMappingURL=.*\n$/, '\n'), {
      compress: passes,
      mangle: true,
      module: options.format === 'esm',
      ecma: 2022,
      sourceMap: { content, filename: basename(path) },
    });
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `${result.code}\n//# sourceMappingURL=${basename(path)}.map\n`);
    writeFileSync(`${path}.map`, result.map);
  }
}

function writeTypes() {
  for (const project of ['tsconfig.lib.json', 'tsconfig.cjs.json']) {
    execFileSync(process.execPath, [`${root}node_modules/typescript/bin/tsc`, '-p', project], {
      cwd: folder,
      stdio: 'inherit',
    });
  }
}

checkNames();
rmSync(`${folder}dist`, { recursive: true, force: true });
writeTypes();
await write({ entryPoints: ['src/index.ts', 'src/node.ts'], format: 'esm', splitting: true, outdir: 'dist/esm' });
await write({ entryPoints: ['src/node.ts'], format: 'cjs', outfile: 'dist/cjs/index.js' });
const script = { entryPoints: ['src/script.ts'], format: 'iife', globalName: 'Realtime' };
await write({ ...script, outfile: 'dist/script/realtime-client.js' });
writeFileSync(`${folder}dist/cjs/package.json`, '{"type":"commonjs"}');
