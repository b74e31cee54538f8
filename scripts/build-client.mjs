/**
 * Builds libs/realtime-client: `nestjs-realtime-protocol` is bundled into it, so that the package has no dependency.
 * `dist/esm` loads SSE and polling when they are needed, `dist/cjs` and the file for a script tag have them inside.
 */
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = `${root}libs/realtime-client/`;

const common = {
  absWorkingDir: folder,
  bundle: true,
  target: 'es2022',
  platform: 'neutral',
  alias: { 'nestjs-realtime-protocol': `${root}libs/realtime-protocol/src/index.ts` },
  tsconfigRaw: { compilerOptions: { useDefineForClassFields: false } },
  legalComments: 'none',
  logLevel: 'warning',
};
const entryPoints = ['src/index.ts'];

function writeTypes() {
  for (const project of ['tsconfig.lib.json', 'tsconfig.cjs.json']) {
    execFileSync(process.execPath, [`${root}node_modules/typescript/bin/tsc`, '-p', project], {
      cwd: folder,
      stdio: 'inherit',
    });
  }
}

rmSync(`${folder}dist`, { recursive: true, force: true });
writeTypes();
await build({ ...common, entryPoints, format: 'esm', splitting: true, sourcemap: true, outdir: 'dist/esm' });
await build({ ...common, entryPoints, format: 'cjs', sourcemap: true, outfile: 'dist/cjs/index.js' });
const script = { entryPoints: ['src/script.ts'], format: 'iife', globalName: 'Realtime', minify: true };
await build({ ...common, ...script, outfile: 'dist/script/realtime-client.js' });
writeFileSync(`${folder}dist/cjs/package.json`, '{"type":"commonjs"}');
