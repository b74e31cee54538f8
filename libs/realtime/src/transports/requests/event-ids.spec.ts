import { parseEventId } from '../../http/event-id.js';
import { EventIds } from './event-ids.js';

const moved = (ids: EventIds, key: string, position: string | undefined, hasLeft?: true) => {
  ids.moved({ key, position, ...(hasLeft && { hasLeft }) });
  return ids.suffix;
};

it('says where the client stands in each room, and nothing without rooms', () => {
  const ids = new EventIds();
  expect(ids.suffix).toBe('');
  expect(moved(ids, 'roomroom', '1.abcdef')).toBe(';roomroom=1.abcdef');
  expect(moved(ids, 'u', '7.abcdef')).toBe(';roomroom=1.abcdef;u=7.abcdef');
  expect(moved(ids, 'u', '8.abcdef')).toBe(';roomroom=1.abcdef;u=8.abcdef');
  expect(moved(ids, 'roomroom', '2.abcdef')).toBe(';u=8.abcdef;roomroom=2.abcdef');
});

it('leaves out the room that has been silent for longest above sixteen, and says so', () => {
  const ids = new EventIds();
  for (let i = 0; i < 16; i++) moved(ids, `room-${100 + i}`, `${i + 1}.abcdef`);
  expect(ids.suffix).not.toContain('+');
  moved(ids, 'room-100', '50.abcdef');
  const { rooms, isPartial } = parseEventId(`t.1${moved(ids, 'room-new', '9.abcdef')}`)!;
  expect([rooms.size, rooms.has('room-101'), rooms.get('room-100')?.n, isPartial]).toEqual([16, false, 50, true]);
});

it('forgets a room that was left, and says so of one whose position is not known', () => {
  const ids = new EventIds();
  moved(ids, 'roomroom', '1.abcdef');
  moved(ids, 'room-two', '1.abcdef');
  expect(moved(ids, 'room-two', undefined, true)).toBe(';roomroom=1.abcdef');
  expect(moved(ids, 'roomroom', undefined)).toBe(';+');
  expect(moved(ids, 'roomroom', '3.abcdef')).toBe(';roomroom=3.abcdef;+');
});
