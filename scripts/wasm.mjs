/**
 * Compiles the WebAssembly of the library: `unmask.wat` into `unmask-wasm.ts` beside it, which is committed, so that
 * neither the build nor an application needs a compiler.
 *
 *   node scripts/wasm.mjs            writes the module
 *   node scripts/wasm.mjs --check    exit code 1 when what is committed is not what the source gives
 */
import { readFileSync, writeFileSync } from 'node:fs';
import wabt from 'wabt';

const FOLDER = new URL('../libs/realtime/src/transports/websocket/', import.meta.url);
const SOURCE = new URL('unmask.wat', FOLDER);
const TARGET = new URL('unmask-wasm.ts', FOLDER);

const WIDTH = 100;

const { parseWat } = await wabt();
const { buffer } = parseWat('unmask.wat', readFileSync(SOURCE, 'utf8'), { simd: true }).toBinary({});
const lines = Buffer.from(buffer)
  .toString('base64')
  .match(new RegExp(`.{1,${WIDTH}}`, 'g'));
const text = `/** The module of unmask.wat, in base64. Written by \`npm run wasm\`. */
export const UNMASK_WASM =
${lines.map((line) => `  '${line}'`).join(' +\n')};
`;

if (!process.argv.includes('--check')) writeFileSync(TARGET, text);
else if (readFileSync(TARGET, 'utf8') !== text) {
  console.error('unmask-wasm.ts is not what unmask.wat gives: run `npm run wasm`');
  process.exitCode = 1;
}
