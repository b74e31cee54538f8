/**
 * The size of libs/realtime-client in a page: what a bundler makes of an import from the built package, compressed. Build
 * it first: npm run build:libs.
 *
 *   npm run check:size
 */
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * Bytes, compressed with gzip -9: the WebSocket core, what is loaded for SSE and polling, whose promise is 2,048, and one
 * error class alone, which shows that a bundler can leave out the rest. Lower them when the client becomes smaller.
 */
const LIMITS = { core: 6144, requests: 1680, error: 128 };

async function bundled(name) {
  const { outputFiles, metafile } = await build({
    stdin: { contents: `export { ${name} } from './libs/realtime-client/dist/esm/index.js';`, resolveDir: root },
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
  const foreign = Object.keys(metafile.inputs).filter((input) => input !== '<stdin>' && !input.startsWith('libs/'));
  const isRequests = ({ path }) => /requests-/.test(path);
  const loaded = outputFiles.filter((file) => !isRequests(file));
  return { loaded, later: outputFiles.filter(isRequests), foreign };
}

const sizeOf = (files) => gzipSync(Buffer.concat(files.map(({ contents }) => contents)), { level: 9 }).length;
const { loaded, later, foreign } = await bundled('connect');
const { loaded: alone } = await bundled('ClientError');
const sizes = { core: sizeOf(loaded), requests: sizeOf(later), error: sizeOf(alone) };
const problems = Object.entries(LIMITS).filter(([name, limit]) => sizes[name] > limit || sizes[name] < 100);
for (const [name, limit] of Object.entries(LIMITS)) console.log(`${name}: ${sizes[name]} of ${limit} bytes`);
for (const [name] of problems) console.error(`The client is larger than it may be, or empty: ${name}`);
if (foreign.length > 0) console.error(`The client must not depend on ${foreign}`);
process.exitCode = problems.length + foreign.length > 0 ? 1 : 0;
