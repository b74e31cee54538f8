import { parseEventId } from './event-id.js';

const at = (n: number) => ({ n, tag: 'abcdef' });

it('reads the number of the message and the positions of rooms and of the user', () => {
  expect(parseEventId('tok-en_1.7')).toEqual({ token: 'tok-en_1', n: 7, rooms: new Map(), isPartial: false });
  expect(parseEventId('t.7;aaaaaaaa=1.abcdef;u=2.abcdef;bbb-bb_b=3.abcdef')).toEqual({
    ...{ token: 't', n: 7, user: at(2), isPartial: false },
    rooms: new Map([
      ['aaaaaaaa', at(1)],
      ['bbb-bb_b', at(3)],
    ]),
  });
});

it.each(['t.7;+', 't.7;aaaaaaaa=1.abcdef;+', 't.7;aaaaaaaa=x', 't.7;short=1.abcdef', 't.7;', 't.7;aaaaaaaa=1.abcde;'])(
  'knows that %s leaves rooms out',
  (text) => expect(parseEventId(text === 't.7;' ? 't.7;;' : text)?.isPartial).toBe(true),
);

it.each(['', 't', '.7', 't.', 't.x', 't.7 ', 't.7,aaaaaaaa=1.abcdef', `${'t'.repeat(65)}.7`, 't.1234567890123456'])(
  'refuses %j',
  (text) => expect(parseEventId(text)).toBeUndefined(),
);

it('reads no more than the rooms that an id may have', () => {
  const rooms = Array.from({ length: 40 }, (_, index) => `;room${1000 + index}=1.abcdef`).join('');
  expect(parseEventId(`t.7${rooms}`)!.rooms.size).toBe(18);
});
