import { availableParallelism } from 'node:os';

const swc = [
  '@swc/jest',
  {
    swcrc: false,
    jsc: {
      target: 'es2022',
      parser: { syntax: 'typescript', decorators: true },
      transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
      keepClassNames: true,
    },
    module: { type: 'es6' },
    sourceMaps: 'inline',
  },
];

const shared = {
  rootDir: import.meta.dirname,
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': swc },
  moduleNameMapper: {
    '^nestjs-realtime$': '<rootDir>/libs/realtime/src/index.ts',
    '^nestjs-realtime/(testing|health)$': '<rootDir>/libs/realtime/src/$1/index.ts',
    '^nestjs-realtime-protocol$': '<rootDir>/libs/realtime-protocol/src/index.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  setupFiles: ['reflect-metadata'],
  modulePathIgnorePatterns: ['/dist/'],
};

export default {
  // A hang guard, not a measure: a busy machine must not make a test red
  testTimeout: 60_000,
  // Jest would leave one core free, and end-to-end tests wait for a third of their time: three at once on two cores
  maxWorkers: Math.max(3, availableParallelism() - 1),
  // The modules of a file that has ended stay in memory, 30 MB of each. A worker that holds too many of them is started
  // anew, before it spends its time on collecting garbage among them
  workerIdleMemoryLimit: '400MB',
  // Every random choice in a test follows from the seed of the run (test/support/random.ts)
  showSeed: true,
  reporters: ['default', '<rootDir>/scripts/seed-reporter.mjs'],
  projects: [
    { ...shared, displayName: 'unit', testMatch: ['<rootDir>/{src,libs}/**/*.spec.ts'] },
    { ...shared, displayName: 'e2e', testMatch: ['<rootDir>/test/**/*.e2e-spec.ts'] },
  ],
  collectCoverageFrom: ['libs/*/src/**/*.ts', '!**/*.spec.ts'],
  coverageProvider: 'v8',
};
