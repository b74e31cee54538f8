import { OptionsError } from '../errors.js';
import type { RealtimeOptions } from './options.js';
import { RoomTable } from './room-options.js';
import { RealtimeSettings } from './settings.js';

const history = (size: number) => ({ history: { size, age: 60 } });

function problems(options: object): readonly string[] {
  try {
    RealtimeSettings.from({ envFile: false, ...options } as RealtimeOptions, {});
  } catch (error) {
    if (error instanceof OptionsError) return error.problems;
    throw error;
  }
  return [];
}

describe('the options of a room', () => {
  it('are those of the first pattern that matches its name', () => {
    const table = new RoomTable({ 'chat:vip': history(1), 'chat:*': history(2), 'chat:late': history(3), '*': {} });
    const sizeOf = (room: string) => table.find(room)?.history?.size;
    expect(['chat:vip', 'chat:vip2', 'chat:', 'chat:late', 'chat', 'Chat:1'].map(sizeOf)).toEqual([
      1,
      2,
      2,
      2,
      undefined,
      undefined,
    ]);
    expect(sizeOf('chat:vip')).toBe(1);
  });

  it('are none without patterns, and for names that objects have of themselves', () => {
    expect([new RoomTable().find('a'), new RoomTable().isEmpty]).toEqual([undefined, true]);
    expect([new RoomTable({ a: history(1) }).find('constructor'), new RoomTable({ a: history(1) }).isEmpty]).toEqual([
      undefined,
      false,
    ]);
  });

  it('stay the same when more names were asked for than are remembered', () => {
    const table = new RoomTable({ 'a*': history(7) });
    for (let i = 0; i < 20_001; i++) table.find(`b${i}`);
    expect([table.find('a1')?.history?.size, table.find('b1')]).toEqual([7, undefined]);
  });

  it('are a property of the settings, as those of users are', () => {
    const settings = RealtimeSettings.from({ envFile: false, rooms: { a: history(5) }, users: history(6) }, {});
    expect([settings.rooms.find('a'), settings.users]).toEqual([history(5), history(6)]);
  });
});

it('lists everything that is wrong with the patterns and options at boot', () => {
  const rooms = {
    'a*b': {},
    '': {},
    c: 5,
    d: { histroy: {} },
    e: { history: true },
    f: { history: { size: 0, age: 1e9, ttl: 1 } },
    g: { history: { size: 1.5, age: '60' } },
  };
  const allowed = 'expected { size: 1 to 10000 entries, age: 1 to 31536000 seconds }';
  expect(problems({ rooms, users: { history: { size: 10 } } })).toEqual([
    'forRoot({ rooms: { "a*b" } }): a pattern is a name, or the beginning of names and one * at the end',
    'forRoot({ rooms: { "" } }): a pattern is a name, or the beginning of names and one * at the end',
    'forRoot({ rooms: { "c" } }): expected an object such as { history: { size: 100, age: 3600 } }, got 5',
    'forRoot({ rooms: { "d" } }): there is no option "histroy"; allowed: history, presence',
    `forRoot({ rooms: { "e" } }).history: ${allowed}, got true`,
    `forRoot({ rooms: { "f" } }).history: there is no option "ttl"; ${allowed}`,
    `forRoot({ rooms: { "f" } }).history.size: 0 is not allowed; ${allowed}`,
    `forRoot({ rooms: { "f" } }).history.age: 1000000000 is not allowed; ${allowed}`,
    `forRoot({ rooms: { "g" } }).history.size: 1.5 is not allowed; ${allowed}`,
    `forRoot({ rooms: { "g" } }).history.age: "60" is not allowed; ${allowed}`,
    `forRoot({ users }).history.age: undefined is not allowed; ${allowed}`,
  ]);
  expect(problems({ rooms: ['chat'] })).toEqual(['forRoot({ rooms }): expected an object of patterns, got ["chat"]']);
});
