import { Replaces } from './replaces.js';

let replaces: Replaces;

beforeEach(() => {
  replaces = new Replaces(3);
});

it('spares a connection from its begin to its end, and no other', () => {
  replaces.begin('u', 'a');
  replaces.begin('u', 'b');
  replaces.begin('v', 'c');
  expect(replaces.spared('u')).toEqual(['a', 'b']);
  replaces.end('u', 'a');
  expect(replaces.spared('u')).toEqual(['b']);
  expect([replaces.isPending('u', 'a'), replaces.isPending('u', 'b'), replaces.isPending('v', 'b')]).toEqual([
    false,
    true,
    false,
  ]);
});

it('forgets what has ended, also what ends twice or never began', () => {
  replaces.begin('u', 'a');
  replaces.end('u', 'z');
  replaces.end('v', 'a');
  expect(replaces.size).toBe(1);
  replaces.end('u', 'a');
  replaces.end('u', 'a');
  expect([replaces.size, replaces.spared('u')]).toEqual([0, []]);
});

it('moves a connection that begins again for another user', () => {
  replaces.begin('u', 'a');
  replaces.begin('v', 'a');
  expect([replaces.size, replaces.spared('u'), replaces.spared('v')]).toEqual([1, [], ['a']]);
});

it('is bounded: the oldest ends first', () => {
  for (const id of ['a', 'b', 'c', 'd']) replaces.begin('u', id);
  expect([replaces.size, replaces.spared('u')]).toEqual([3, ['b', 'c', 'd']]);
});

it('gives away a copy of its list', () => {
  replaces.begin('u', 'a');
  const spared = replaces.spared('u');
  replaces.end('u', 'a');
  expect(spared).toEqual(['a']);
});
