/**
 * The size of libs/realtime-client in a page: what a bundler makes of `import { connect }` from the built package,
 * compressed. Build it first: npm run build:libs.
 *
 *   npm run check:size
 */
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * Bytes, compressed with gzip -9: the WebSocket core, and what is loaded for SSE and polling, whose promise is 2,048. Lower
 * them when the client becomes smaller.
 */
const LIMITS = { core: 6144, requests: 1680 };

const { outputFiles, metafile } = await build({
  stdin: { contents: "export { connect } from './libs/realtime-client/dist/esm/index.js';", resolveDir: root },
  absWorkingDir: root,
  bundle: true,
  minify: true,
  splitting: true,
  format: 'esm',
  target: 'es2022',
  outdir: 'out',
  metafile: true,
  write: false,
});

const isRequests = ({ path }) => /requests-/.test(path);
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
