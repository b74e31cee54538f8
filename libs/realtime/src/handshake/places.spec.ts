import { Addresses } from './addresses.js';
import { Places } from './places.js';

const ADDRESS = '192.0.2.1';

let addresses: Addresses;
let places: Places;

beforeEach(() => {
  addresses = new Addresses(Infinity);
  places = new Places(addresses);
});

/** Places that are taken in all, at the address, by Ann and by Bob. */
const counts = () => [places.taken, addresses.openOf(ADDRESS), places.ofUser('ann'), places.ofUser('bob')];

it('counts each place once, at its address and for its user', () => {
  places.take(ADDRESS, 'ann');
  places.take(ADDRESS, 'ann');
  places.take(ADDRESS);
  places.take('192.0.2.2', 'bob');
  expect(counts()).toEqual([4, 3, 2, 1]);
});

it('counts a place for a user from the moment that it is bound', () => {
  const place = places.take(ADDRESS);
  expect(counts()).toEqual([1, 1, 0, 0]);
  place.bind('ann');
  expect(counts()).toEqual([1, 1, 1, 0]);
});

it('moves the count of a place that is bound to another user', () => {
  const place = places.take(ADDRESS, 'ann');
  place.bind('bob');
  expect(counts()).toEqual([1, 1, 0, 1]);
  place.release();
  expect(counts()).toEqual([0, 0, 0, 0]);
});

it('counts a place once that is bound to the same user again', () => {
  const place = places.take(ADDRESS, 'ann');
  place.bind('ann');
  expect(counts()).toEqual([1, 1, 1, 0]);
  place.release();
  expect(counts()).toEqual([0, 0, 0, 0]);
});

it('releases a place once, however often it is asked to', () => {
  places.take(ADDRESS, 'ann');
  const place = places.take(ADDRESS, 'ann');
  place.release();
  place.release();
  expect(counts()).toEqual([1, 1, 1, 0]);
});

it('binds no user to a place that was released', () => {
  const place = places.take(ADDRESS);
  place.release();
  place.bind('ann');
  expect(counts()).toEqual([0, 0, 0, 0]);
});
