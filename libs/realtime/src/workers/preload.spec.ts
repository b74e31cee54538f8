import { isOption } from './preload.js';

const URL = 'file:///srv/node_modules/nestjs-realtime/dist/esm/workers/index.js';

it.each([
  [['--import', 'nestjs-realtime/workers']],
  [['--enable-source-maps', '--import=nestjs-realtime/workers']],
  [['--import', './other.mjs', '--import', URL]],
  [['--import', '/srv/node_modules/nestjs-realtime/dist/esm/workers/index.js']],
])('%j asks for workers', (options) => {
  expect(isOption(options, URL)).toBe(true);
});

it.each([[[]], [['--import']], [['--import', './other.mjs']], [['--require', 'nestjs-realtime/workers']]])(
  '%j does not ask for workers',
  (options) => {
    expect(isOption(options, URL)).toBe(false);
  },
);
