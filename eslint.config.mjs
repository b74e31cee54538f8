import eslint from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import prettier from 'eslint-config-prettier';
import { createNodeResolver, importX } from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

const node = { process: 'readonly', console: 'readonly', URL: 'readonly', setTimeout: 'readonly', Buffer: 'readonly' };
const browser = {
  window: 'readonly',
  document: 'readonly',
  location: 'readonly',
  WebSocket: 'readonly',
  fetch: 'readonly',
  sessionStorage: 'readonly',
  setTimeout: 'readonly',
  clearTimeout: 'readonly',
  setInterval: 'readonly',
  clearInterval: 'readonly',
};

export default defineConfig(
  globalIgnores(['**/dist/**', '**/coverage/**', 'test/fixtures/**']),
  eslint.configs.recommended,
  { files: ['**/*.mjs'], languageOptions: { globals: node } },
  { files: ['src/public/**/*.js'], languageOptions: { globals: browser } },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommended],
    plugins: { 'import-x': importX },
    settings: {
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
    // ARCHITECTURE §3: imports point from nest/, transports/ and brokers/ to the core, never back
    files: ['libs/realtime/src/**/*.ts'],
    ignores: ['libs/realtime/src/{nest,testing,health}/**', 'libs/realtime/src/index.ts', '**/*.spec.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            { group: ['@nestjs/*'], message: 'Only nest/, testing/ and feature modules know Nest.' },
            { group: ['**/nest/*'], message: 'The core does not import nest/: imports point to the core.' },
          ],
        },
      ],
    },
  },
  prettier,
);
