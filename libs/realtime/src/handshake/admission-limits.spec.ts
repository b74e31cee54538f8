import { fakeRequest } from '../../../../test/support/fakes/fake-socket.js';
import { FakeNode } from '../../../../test/support/fakes/fake-node.js';
import { HandshakeError } from '../errors.js';
import type { RealtimeOptions } from '../settings/options.js';
import { AdmissionLimits } from './admission-limits.js';

const ADDRESS = '192.0.2.7';
const request = fakeRequest();

function limitsOf(options: RealtimeOptions): { node: FakeNode['engine']['node']; limits: AdmissionLimits } {
  const { node } = new FakeNode(options).engine;
  return { node, limits: new AdmissionLimits(node) };
}

/** What a check that refuses answers: status, code, message, and when to come back. */
function refusalOf(check: () => unknown): unknown[] {
  try {
    check();
  } catch (error) {
    expect(error).toBeInstanceOf(HandshakeError);
    const { status, code, message, headers } = error as HandshakeError;
    return [status, code, message, headers['Retry-After']];
  }
  throw new Error('The check refused nothing');
}

it('counts handshakes in progress towards the connections of the process', () => {
  const { limits } = limitsOf({ maxConnections: 2 });
  expect(() => limits.requireRoom(1)).not.toThrow();
  expect(refusalOf(() => limits.requireRoom(2))).toEqual([503, 'limit_connections', 'Too many connections', '5']);
});

it('refuses a handshake while too many others are in progress', () => {
  const { limits } = limitsOf({ maxUnfinishedHandshakes: 2 });
  expect(() => limits.requireCapacity(1)).not.toThrow();
  expect(refusalOf(() => limits.requireCapacity(2))).toEqual([
    ...[503, 'limit_unfinishedHandshakes', 'Too many handshakes in progress', '1'],
  ]);
});

it('refuses an address whose handshakes failed too often', () => {
  const { limits } = limitsOf({ maxFailedHandshakes: 2 });
  limits.failed(request, ADDRESS);
  expect(() => limits.requireAddress(request, ADDRESS)).not.toThrow();
  limits.failed(request, ADDRESS);
  expect(refusalOf(() => limits.requireAddress(request, ADDRESS))).toEqual([
    ...[429, 'limit_failedHandshakes', 'Too many failed handshakes from this address', '60'],
  ]);
});

it('checks the address again when the place is taken, and frees it with the place', () => {
  const { limits } = limitsOf({ maxConnectionsPerAddress: 1 });
  for (const _many of [1, 2]) limits.requireAddress(request, ADDRESS);
  const place = limits.takePlace(request, ADDRESS, {});
  expect(refusalOf(() => limits.takePlace(request, ADDRESS, {}))).toEqual([
    ...[429, 'limit_connectionsPerAddress', 'Too many connections from this address: close one first', '5'],
  ]);
  place.release();
  expect(() => limits.takePlace(request, ADDRESS, {})).not.toThrow();
});

it('checks the user again when the place is taken', () => {
  const { limits } = limitsOf({ maxConnectionsPerUser: 1 });
  limits.takePlace(request, ADDRESS, { userId: 'ann' });
  expect(refusalOf(() => limits.takePlace(request, ADDRESS, { userId: 'ann' }))).toEqual([
    ...[429, 'limit_connectionsPerUser', 'Too many connections of this user: close one first', '5'],
  ]);
  expect(() => limits.takePlace(request, ADDRESS, { userId: 'bob' })).not.toThrow();
});

it('lets a user who replaces older connections have one more', () => {
  const { limits } = limitsOf({ maxConnectionsPerUser: 1 });
  limits.takePlace(request, ADDRESS, { userId: 'ann' });
  expect(() => limits.takePlace(request, ADDRESS, { userId: 'ann', replace: true })).not.toThrow();
});

it('refuses nothing in report-only mode, and counts each limit once', () => {
  const { node, limits } = limitsOf({ limits: 'report', maxConnectionsPerAddress: 1 });
  for (const _both of [1, 2]) {
    limits.requireAddress(request, ADDRESS);
    limits.takePlace(request, ADDRESS, {});
  }
  expect([limits.places.taken, node.limits.counts.connectionsPerAddress]).toEqual([2, 1]);
});

it('does not limit the clients of an unknown proxy as one address, and warns once', () => {
  const { node, limits } = limitsOf({ maxConnectionsPerAddress: 1, maxFailedHandshakes: 1 });
  const proxied = fakeRequest({ remoteAddress: '10.0.0.1', headers: { 'x-forwarded-for': '203.0.113.9' } });
  for (const _each of [1, 2, 3]) {
    limits.failed(proxied, '10.0.0.1');
    limits.requireAddress(proxied, '10.0.0.1');
    limits.takePlace(proxied, '10.0.0.1', {});
  }
  expect(limits.places.taken).toBe(3);
  expect((node.log as unknown as { with(text: string): string[] }).with('proxy at 10.0.0.1')).toHaveLength(1);
});
