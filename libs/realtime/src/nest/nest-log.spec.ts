import { ConsoleLogger, Logger } from '@nestjs/common';
import { jest } from '@jest/globals';
import { NestLog } from './nest-log.js';

let lines: string[];

beforeEach(() => {
  jest.useFakeTimers({ now: new Date('2026-11-21T10:00:00.100Z') });
  lines = [];
  jest.spyOn(process.stdout, 'write').mockImplementation((line) => lines.push(String(line)) > 0);
  Logger.overrideLogger(new Logger());
  Logger.overrideLogger(['log']);
});

afterEach(() => {
  jest.restoreAllMocks();
  jest.useRealTimers();
});

/** The lines without the time since the line before, which only one of two loggers shows. */
const shown = () => lines.map((line) => line.replace(/ ?\S*\+\d+ms\S*/, ''));

it('writes the lines of Nest, with the date of their second', () => {
  const [ours, nests] = [new NestLog('Realtime'), new Logger('Realtime')];
  for (const atMs of [0, 899, 1, 60_000]) {
    jest.advanceTimersByTime(atMs);
    ours.log('connection opened');
    nests.log('connection opened');
  }
  const all = shown();
  expect(all).toHaveLength(8);
  expect(all.filter((_, index) => index % 2 === 0)).toEqual(all.filter((_, index) => index % 2 === 1));
  expect(new Set(all).size).toBe(3);
});

it('formats one date for all lines of a second', () => {
  const format = jest.spyOn(ConsoleLogger.prototype as unknown as { getTimestamp(): string }, 'getTimestamp');
  const log = new NestLog('Realtime');
  for (const atMs of [0, 400, 400, 200]) {
    jest.advanceTimersByTime(atMs);
    log.log('connection opened');
  }
  expect(lines).toHaveLength(4);
  expect(format).toHaveBeenCalledTimes(2);
});

it('leaves a logger that the application has chosen as it is', () => {
  const chosen = new ConsoleLogger();
  Logger.overrideLogger(chosen);
  new NestLog('Realtime').log('connection opened');
  expect(lines).toHaveLength(1);
  expect(Object.hasOwn(chosen, 'getTimestamp')).toBe(false);
});

it('writes nothing where the application has switched logging off', () => {
  Logger.overrideLogger(false);
  new NestLog('Realtime').log('connection opened');
  expect(lines).toEqual([]);
});
