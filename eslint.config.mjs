import eslint from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import prettier from 'eslint-config-prettier';
import { createNodeResolver, importX } from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

const node = {
  process: 'readonly',
  console: 'readonly',
  URL: 'readonly',
  setTimeout: 'readonly',
  Buffer: 'readonly',
  fetch: 'readonly',
};
const browser = {
  window: 'readonly',
  document: 'readonly',
  location: 'readonly',
  WebSocket: 'readonly',
  fetch: 'readonly',
  btoa: 'readonly',
  sessionStorage: 'readonly',
  setTimeout: 'readonly',
  clearTimeout: 'readonly',
  setInterval: 'readonly',
  clearInterval: 'readonly',
};

/**
 * The floors of libs/realtime/src, from the top: a file imports from its own floor's folder and from floors below, never
 * from above (docs/architecture.md).
 */
const FLOORS = [
  ['index.ts', 'testing', 'workers'],
  ['nest', 'health'],
  ['server.ts'],
  ['typed-target.ts'],
  ['engine.ts'],
  ['transports', 'connections'],
  ['handshake'],
  ['gateway.ts'],
  ['hooks.ts'],
  ['handshake-request.ts'],
  ['http', 'target.ts'],
  ['node'],
  ['brokers', 'hub.ts'],
  ['history', 'presence'],
  ['cluster'],
  ['roll.ts'],
  ['broker.ts'],
  ['question.ts', 'history.ts', 'relay.ts'],
  ['presence.ts'],
  ['transport.ts', 'connection.ts', 'command.ts'],
  ['contract.ts'],
  ['frame.ts'],
  ['limits'],
  ['settings', 'message.ts'],
  ['errors.ts', 'position.ts', 'log.ts', 'close-info.ts', 'async-context.ts', 'awaitable.ts', 'owned.ts'],
];

/** Families of variants: only nest/, which puts them together, imports one, and none of them imports another. */
const FAMILIES = { transports: ['websocket', 'requests'], brokers: ['memory.ts', 'redis', 'workers'] };

const at = (...names) => ['./libs/realtime/src', ...names].join('/');

function floorZones() {
  return FLOORS.flatMap((floor, index) =>
    floor.map((name) => ({
      target: at(name),
      from: [...FLOORS.slice(0, index).flat(), ...floor.filter((other) => other !== name)].map((other) => at(other)),
      message: 'Imports point to lower floors: see FLOORS in eslint.config.mjs.',
    })),
  );
}

function familyZones() {
  return Object.entries(FAMILIES)
    .flatMap(([family, variants]) => [
      ...FLOORS.flat()
        .filter((name) => !['index.ts', 'nest', 'testing', family].includes(name))
        .map((name) => ({
          target: at(name),
          from: variants.map((variant) => at(family, variant)),
          message: `The core imports the contract of ${family}, none of its variants.`,
        })),
      ...variants.map((variant) => ({
        target: at(family, variant),
        from: variants.filter((other) => other !== variant).map((other) => at(family, other)),
        message: `One variant of ${family} does not import another.`,
      })),
    ])
    .filter(({ from }) => from.length > 0);
}

export default defineConfig(
  globalIgnores(['**/dist/**', '**/coverage/**', 'test/fixtures/**']),
  eslint.configs.recommended,
  { files: ['**/*.mjs'], languageOptions: { globals: node } },
  { files: ['src/public/**/*.js', 'examples/*/public/**/*.js'], languageOptions: { globals: browser } },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommended],
    plugins: { 'import-x': importX },
    settings: {
      // No cycle of ours goes through a package or a build, and their files are many
      'import-x/ignore': ['/node_modules/', '/dist/'],
      'import-x/parsers': { '@typescript-eslint/parser': ['.ts'] },
      'import-x/resolver-next': [
        createNodeResolver({ extensions: ['.ts', '.js'], extensionAlias: { '.js': ['.ts', '.js'] } }),
      ],
    },
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      // the type-aware rules that find real bugs in a server; the no-unsafe-* family drowns in Nest's `any`s
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/return-await': ['error', 'in-try-catch'],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { disallowTypeAnnotations: false }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_|_TYPE$' }],
      'import-x/no-cycle': 'error',
      'max-lines': ['error', { max: 250 }],
      'max-lines-per-function': ['error', { max: 30, skipBlankLines: true, skipComments: true }],
    },
  },
  {
    // a spec is read test by test: its describe blocks and its file may be longer
    files: ['**/*.spec.ts', '**/*.e2e-spec.ts', '**/*.contract.ts'],
    rules: {
      'max-lines': 'off',
      'max-lines-per-function': 'off',
      '@typescript-eslint/no-explicit-any': 'off',
    },
  },
  {
    // What Nest does not promise comes in through one door, where a test holds it (docs/architecture.md)
    files: ['src/**/*.ts', 'libs/**/*.ts'],
    ignores: ['libs/realtime/src/nest/internals/**'],
    rules: {
      'no-restricted-imports': [
        'error',
        { patterns: [{ group: ['@nestjs/*/**'], message: 'Deep imports of Nest belong into nest/internals/.' }] },
      ],
    },
  },
  {
    files: ['libs/realtime/src/**/*.ts'],
    ignores: ['**/*.spec.ts'],
    rules: { 'import-x/no-restricted-paths': ['error', { zones: [...floorZones(), ...familyZones()] }] },
  },
  {
    // Only nest/ and the feature modules know Nest, so that the core is tested with fake sockets and a fake clock
    files: ['libs/realtime/src/**/*.ts'],
    ignores: ['libs/realtime/src/{nest,testing,health}/**', 'libs/realtime/src/index.ts', '**/*.spec.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        { patterns: [{ group: ['@nestjs/*'], message: 'Only nest/, testing/ and health/ know Nest.' }] },
      ],
    },
  },
  prettier,
);
