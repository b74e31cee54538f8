/**
 * Runs the tests that hold what this library touches inside Nest (the enhancer matrix, message methods, request scope,
 * compatibility, kinds of applications, the handshake through the platform) against Nest 11, which is installed into a
 * temporary folder: `npm run check:nest11`. `npm test` runs the same files against Nest 12.
 */
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import config from '../jest.config.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const nest = ['common', 'core', 'platform-express', 'platform-fastify', 'platform-ws', 'websockets'];
const packages = [...nest, 'microservices', 'testing'].map((name) => `@nestjs/${name}@11`);
const others = ['rxjs@7', 'reflect-metadata@0.2', 'class-validator@0.15', 'class-transformer@0.5'];
const files = [
  'internals/nest',
  'internals/nest-enhancers',
  'internals/express',
  'internals/fastify',
  'gateways/enhancers',
  'gateways/message-methods',
  'gateways/request-scope',
  'gateways/compatibility',
  'gateways/application-kinds',
  'docs/user-spec',
  'handshake/handshake',
  'handshake/paths',
  'handshake/context',
];

/** jest's own configuration, with Nest and what shares state with it from another folder. */
function configFor(modules) {
  const e2e = config.projects.find(({ displayName }) => displayName === 'e2e');
  const moved = {
    '^(@nestjs/(?!cli|schematics).+|rxjs|rxjs/.+|class-validator|class-transformer)$': join(modules, '$1'),
  };
  return {
    ...e2e,
    displayName: 'nest11',
    moduleNameMapper: { ...moved, ...e2e.moduleNameMapper },
    setupFiles: [join(modules, 'reflect-metadata')],
    testMatch: files.map((name) => `<rootDir>/test/${name}.e2e-spec.ts`),
    testTimeout: config.testTimeout,
    showSeed: config.showSeed,
    reporters: config.reporters,
  };
}

function test(configFile) {
  const flags = ['--experimental-vm-modules', '--no-warnings', 'node_modules/jest/bin/jest.js', '--errorOnDeprecated'];
  const env = { ...process.env, NEST_MAJOR: '11' };
  const args = [...flags, '--config', configFile, ...process.argv.slice(2)];
  const jest = spawn(process.execPath, args, { cwd: root, env, stdio: 'inherit' });
  return new Promise((resolve) => jest.once('exit', resolve));
}

const folder = await mkdtemp(join(tmpdir(), 'nest11-'));
try {
  await writeFile(join(folder, 'package.json'), '{"private":true}');
  const install = ['install', '--no-audit', '--no-fund', '--ignore-scripts', ...packages, ...others];
  await promisify(execFile)('npm', install, { cwd: folder });
  const configFile = join(folder, 'jest.config.json');
  await writeFile(configFile, JSON.stringify(configFor(join(folder, 'node_modules'))));
  process.exitCode = await test(configFile);
} finally {
  await rm(folder, { recursive: true, force: true });
}
