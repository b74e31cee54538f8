/**
 * The size of libs/realtime-client in a page: what a bundler makes of `import { connect }`, minified and compressed.
 * The aim is 6,144 bytes for the WebSocket core and 2,048 more for SSE and polling; the limits hold what is reached.
 *
 *   npm run check:size
 */
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Bytes, compressed with gzip -9. Lower them when the client becomes smaller. */
const LIMITS = { core: 7680, requests: 2176 };

const { outputFiles, metafile } = await build({
  stdin: { contents: "export { connect } from './libs/realtime-client/src/index.ts';", resolveDir: root },
  absWorkingDir: root,
  bundle: true,
  minify: true,
  splitting: true,
  format: 'esm',
  target: 'es2022',
  alias: { 'nestjs-realtime-protocol': './libs/realtime-protocol/src/index.ts' },
  tsconfigRaw: { compilerOptions: { useDefineForClassFields: false } },
  outdir: 'out',
  metafile: true,
  write: false,
});

const isRequests = ({ path }) => /requests-\w+\.js$/.test(path);
const sizeOf = (files) => gzipSync(Buffer.concat(files.map(({ contents }) => contents)), { level: 9 }).length;
const sizes = {
  core: sizeOf(outputFiles.filter((file) => !isRequests(file))),
  requests: sizeOf(outputFiles.filter(isRequests)),
};
const foreign = Object.keys(metafile.inputs).filter((name) => name !== '<stdin>' && !name.startsWith('libs/'));
const problems = Object.entries(LIMITS).filter(([name, limit]) => sizes[name] > limit || sizes[name] < 100);
for (const [name, limit] of Object.entries(LIMITS)) console.log(`${name}: ${sizes[name]} of ${limit} bytes`);
for (const [name] of problems) console.error(`The client is larger than it may be, or empty: ${name}`);
if (foreign.length > 0) console.error(`The client must not depend on ${foreign}`);
process.exitCode = problems.length + foreign.length > 0 ? 1 : 0;
