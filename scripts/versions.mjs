/**
 * Runs the tests that a new version of Node, Nest, Express, Fastify or ws can break, because the tested code relies on
 * behaviour that those do not promise. A test is marked by its folder, and this is the only list of such folders.
 *
 *   npm run test:versions [-- <options of jest>]
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const FOLDERS = [
  'libs/realtime-client/src/',
  'libs/realtime/src/http/',
  'libs/realtime/src/transports/websocket/',
  'test/client/',
  'test/conformance/',
  'test/fuzz/hooks/',
  'test/handshake/',
  'test/hostile/',
  'test/internals/',
  'test/transports/',
  'test/wire/',
];

const root = fileURLToPath(new URL('..', import.meta.url));
const gone = FOLDERS.filter((folder) => !existsSync(join(root, folder)));
if (gone.length > 0) throw new Error(`scripts/versions.mjs names folders that do not exist: ${gone.join(', ')}`);

console.log(`Node ${process.version}: the tests in ${FOLDERS.join(', ')}`);
const jest = ['--experimental-vm-modules', '--no-warnings', 'node_modules/jest/bin/jest.js', '--errorOnDeprecated'];
const args = [...jest, '--testPathPatterns', ...FOLDERS, '--selectProjects', 'unit', 'e2e', ...process.argv.slice(2)];
process.exitCode = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' }).status ?? 1;
