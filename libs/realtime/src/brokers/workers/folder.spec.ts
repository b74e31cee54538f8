import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { OptionsError } from '../../errors.js';
import { SocketFolder } from './folder.js';

let parent: string;
let path: string;

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'f-'));
  path = join(parent, 'app');
});
afterEach(() => {
  jest.restoreAllMocks();
  rmSync(parent, { recursive: true });
});

const opened = () => new SocketFolder(path).open();

it('makes a folder for its user alone, and takes it as it is the next time', () => {
  opened();
  opened();
  expect((statSync(path).mode & 0o777).toString(8)).toBe('700');
});

it('refuses a folder that belongs to somebody else, and names both users', () => {
  mkdirSync(path, { mode: 0o700 });
  const me = process.geteuid!();
  jest.spyOn(process, 'geteuid').mockReturnValue(me + 1);
  expect(opened).toThrow(OptionsError);
  expect(opened).toThrow(`${path} belongs to the user ${me}, and this process runs as ${me + 1}. Remove it`);
});

it('refuses a folder that others can use', () => {
  mkdirSync(path);
  chmodSync(path, 0o750);
  expect(opened).toThrow(`${path} can be used by others (its mode is 750, not 700)`);
});

it('refuses a symbolic link, also one to a private folder', () => {
  const target = join(parent, 'target');
  mkdirSync(target, { mode: 0o700 });
  symlinkSync(target, path);
  expect(opened).toThrow(`${path} is not a folder`);
});

it('refuses a path that leaves no place for the name of a socket', () => {
  const long = '/tmp/'.padEnd(80, 'x');
  expect(new SocketFolder(long).socketOf('abcdefghijkl')).toHaveLength(98);
  expect(() => new SocketFolder(`${long}x`)).toThrow('may have 80 bytes. Set REALTIME_WORKERS_FOLDER');
});

it('lists the nodes that have a socket, and forgets one that has gone', () => {
  const folder = new SocketFolder(path);
  folder.open();
  for (const name of ['a.sock', 'b.sock', 'c.sock~', 'd']) writeFileSync(join(path, name), '');
  expect(folder.nodes().sort()).toEqual(['a', 'b']);
  folder.forget('a');
  folder.forget('nobody');
  expect(folder.nodes()).toEqual(['b']);
});
