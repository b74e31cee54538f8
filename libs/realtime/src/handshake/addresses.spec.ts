import type { IncomingMessage } from 'node:http';
import { jest } from '@jest/globals';
import { fakeRequest } from '../../../../test/support/fakes/fake-socket.js';
import { Addresses, isUnknownProxy } from './addresses.js';

const BOUND = 10_000;

let addresses: Addresses;

beforeEach(() => {
  jest.useFakeTimers();
  addresses = new Addresses(3);
});

afterEach(() => {
  jest.useRealTimers();
});

describe('the connections of an address', () => {
  it('are those that were opened and not closed', () => {
    addresses.opened('192.0.2.1');
    addresses.opened('192.0.2.1');
    addresses.opened('192.0.2.2');
    addresses.closed('192.0.2.1');
    expect(['192.0.2.1', '192.0.2.2', '192.0.2.3'].map((one) => addresses.openOf(one))).toEqual([1, 1, 0]);
  });

  it('are never below zero', () => {
    addresses.closed('192.0.2.1');
    addresses.opened('192.0.2.1');
    addresses.closed('192.0.2.1');
    addresses.closed('192.0.2.1');
    addresses.opened('192.0.2.1');
    expect(addresses.openOf('192.0.2.1')).toBe(1);
  });
});

describe('an IPv6 network', () => {
  const SAME = [
    '2001:db8:1:2::1',
    '2001:db8:1:2:ffff:ffff:ffff:ffff',
    '2001:DB8:1:2::',
    '2001:0db8:0001:0002:0:0:0:9',
    '2001:db8:1:2::192.0.2.1',
  ];

  it('of 64 bits is one customer, however its addresses are written', () => {
    for (const address of SAME) addresses.opened(address);
    expect(SAME.map((one) => addresses.openOf(one))).toEqual(SAME.map(() => SAME.length));
    expect(addresses.size).toBe(1);
  });

  it('is not its neighbour', () => {
    addresses.opened('2001:db8:1:2::1');
    for (const other of ['2001:db8:1:3::1', '2001:db8::1', '2001:db8:1::2', '::1', '::']) {
      expect(addresses.openOf(other)).toBe(0);
    }
  });

  it('is taken for one also where the address has a zone', () => {
    addresses.opened('fe80::1%eth0');
    expect(addresses.openOf('fe80::2%eth1')).toBe(1);
  });

  it('does not concern IPv4 addresses and what is no address', () => {
    addresses.opened('192.0.2.1');
    addresses.opened('unknown');
    expect(['192.0.2.2', 'unknown', ''].map((one) => addresses.openOf(one))).toEqual([0, 1, 0]);
  });
});

describe('the rate of an address', () => {
  it('is its own', () => {
    expect([1, 2, 3, 4].map(() => addresses.mayOpen('192.0.2.1'))).toEqual([true, true, true, false]);
    expect(addresses.mayOpen('192.0.2.2')).toBe(true);
    jest.advanceTimersByTime(999);
    expect(addresses.mayOpen('192.0.2.1')).toBe(false);
    jest.advanceTimersByTime(101);
    expect([1, 2, 3, 4].map(() => addresses.mayOpen('192.0.2.1'))).toEqual([true, true, true, false]);
  });

  it('is remembered over the end of its connection', () => {
    for (let opened = 0; opened < 3; opened++) addresses.mayOpen('192.0.2.1');
    addresses.opened('192.0.2.1');
    addresses.closed('192.0.2.1');
    expect(addresses.mayOpen('192.0.2.1')).toBe(false);
  });
});

describe('failed handshakes', () => {
  it('are counted over one minute from the first', () => {
    addresses.failed('192.0.2.1');
    jest.advanceTimersByTime(59_000);
    addresses.failed('192.0.2.1');
    expect(addresses.failuresOf('192.0.2.1')).toBe(2);
    jest.advanceTimersByTime(1000);
    expect(addresses.failuresOf('192.0.2.1')).toBe(0);
    addresses.failed('192.0.2.1');
    expect(addresses.failuresOf('192.0.2.1')).toBe(1);
  });

  it('are counted also while the address has connections', () => {
    addresses.opened('192.0.2.1');
    addresses.failed('192.0.2.1');
    expect(addresses.failuresOf('192.0.2.1')).toBe(1);
    addresses.closed('192.0.2.1');
    expect(addresses.failuresOf('192.0.2.1')).toBe(1);
  });

  it('are nobody else’s', () => {
    addresses.failed('192.0.2.1');
    expect(addresses.failuresOf('192.0.2.2')).toBe(0);
  });
});

describe('the memory', () => {
  const numbered = (number: number) => `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`;

  it('holds a bounded number of addresses that are not connected, whatever they did', () => {
    for (let number = 0; number < 3 * BOUND; number++) {
      addresses.mayOpen(numbered(number));
      addresses.failed(numbered(number));
    }
    expect(addresses.size).toBe(BOUND);
  });

  it('forgets who did nothing for longest', () => {
    for (let number = 0; number < BOUND; number++) addresses.failed(numbered(number));
    addresses.failed(numbered(0));
    addresses.failed('192.0.2.1');
    expect([0, 1, 2].map((number) => addresses.failuresOf(numbered(number)))).toEqual([2, 0, 1]);
  });

  it('forgets nobody who is connected', () => {
    for (let number = 0; number < 2 * BOUND; number++) addresses.opened(numbered(number));
    addresses.failed('192.0.2.1');
    expect([addresses.openOf(numbered(0)), addresses.size]).toEqual([1, 2 * BOUND + 1]);
    for (let number = 0; number < 2 * BOUND; number++) addresses.closed(numbered(number));
    expect(addresses.size).toBe(BOUND);
  });

  it('costs a new address no more when it is full of connected ones', () => {
    jest.useRealTimers();
    for (let number = 0; number < 5 * BOUND; number++) addresses.opened(numbered(number));
    const start = performance.now();
    for (let number = 0; number < BOUND; number++) addresses.failed(numbered(5 * BOUND + number));
    // A walk over all of them for each took more than 10 s
    expect(performance.now() - start).toBeLessThan(1000);
  });
});

describe('a proxy that the application does not know', () => {
  const from = (peer: string, headers: Record<string, string>): IncomingMessage =>
    fakeRequest({ remoteAddress: peer, headers });
  const FORWARDED = { 'x-forwarded-for': '203.0.113.9' };

  it.each(['10.0.0.1', '127.0.0.1', '172.16.0.1', '172.31.9.9', '192.168.1.1', '169.254.0.1', '::1', 'fd00::1'])(
    'is one with the private address %s that forwards',
    (peer) => {
      expect(isUnknownProxy(from(peer, FORWARDED), peer)).toBe(true);
      expect(isUnknownProxy(from(peer, { forwarded: 'for=203.0.113.9' }), peer)).toBe(true);
      expect(isUnknownProxy(from(peer, {}), peer)).toBe(false);
    },
  );

  it.each(['203.0.113.5', '172.15.0.1', '172.32.0.1', '11.0.0.1', '2001:db8::1', 'unknown'])(
    'is never one with the address %s: anybody could leave the bounds by a header',
    (peer) => {
      expect(isUnknownProxy(from(peer, FORWARDED), peer)).toBe(false);
    },
  );

  it('is none when the application trusts it, also where its client has a private address', () => {
    expect(isUnknownProxy(from('10.0.0.1', { 'x-forwarded-for': '10.0.7.7' }), '10.0.7.7')).toBe(false);
  });

  it('may be an IPv4 peer of an IPv6 socket', () => {
    expect(isUnknownProxy(from('::ffff:10.0.0.1', FORWARDED), '10.0.0.1')).toBe(true);
  });
});
