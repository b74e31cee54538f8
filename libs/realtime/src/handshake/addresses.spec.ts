import type { IncomingMessage } from 'node:http';
import { jest } from '@jest/globals';
import { fakeRequest } from '../../../../test/support/fakes/fake-socket.js';
import { Addresses, isUnknownProxy } from './addresses.js';

const MAX_IDLE = 10_000;

let addresses: Addresses;

beforeEach(() => {
  jest.useFakeTimers();
  addresses = new Addresses(3);
});

afterEach(() => {
  jest.useRealTimers();
});

describe('the connections of an address', () => {
  it('counts connections that were opened and not closed', () => {
    addresses.opened('192.0.2.1');
    addresses.opened('192.0.2.1');
    addresses.opened('192.0.2.2');
    addresses.closed('192.0.2.1');
    expect(['192.0.2.1', '192.0.2.2', '192.0.2.3'].map((one) => addresses.openOf(one))).toEqual([1, 1, 0]);
  });

  it('never counts fewer than no connections of an address', () => {
    addresses.closed('192.0.2.1');
    addresses.opened('192.0.2.1');
    addresses.closed('192.0.2.1');
    addresses.closed('192.0.2.1');
    addresses.opened('192.0.2.1');
    expect(addresses.openOf('192.0.2.1')).toBe(1);
  });
});

describe('IPv6 networks', () => {
  const SAME = [
    '2001:db8:1:2::1',
    '2001:db8:1:2:ffff:ffff:ffff:ffff',
    '2001:DB8:1:2::',
    '2001:0db8:0001:0002:0:0:0:9',
    '2001:db8:1:2::192.0.2.1',
  ];

  it('counts all addresses of an IPv6 /64 network as one, however they are written', () => {
    for (const address of SAME) addresses.opened(address);
    expect(SAME.map((one) => addresses.openOf(one))).toEqual(SAME.map(() => SAME.length));
    expect(addresses.size).toBe(1);
  });

  it('counts a neighbouring IPv6 network as another one', () => {
    addresses.opened('2001:db8:1:2::1');
    for (const other of ['2001:db8:1:3::1', '2001:db8::1', '2001:db8:1::2', '::1', '::']) {
      expect(addresses.openOf(other)).toBe(0);
    }
  });

  it('ignores the zone of an IPv6 address', () => {
    addresses.opened('fe80::1%eth0');
    expect(addresses.openOf('fe80::2%eth1')).toBe(1);
  });

  it('does not group IPv4 addresses, or text that is not an address', () => {
    addresses.opened('192.0.2.1');
    addresses.opened('unknown');
    expect(['192.0.2.2', 'unknown', ''].map((one) => addresses.openOf(one))).toEqual([0, 1, 0]);
  });
});

describe('the rate of new connections', () => {
  it('limits the rate of new connections of each address on its own', () => {
    expect([1, 2, 3, 4].map(() => addresses.mayOpen('192.0.2.1'))).toEqual([true, true, true, false]);
    expect(addresses.mayOpen('192.0.2.2')).toBe(true);
    jest.advanceTimersByTime(999);
    expect(addresses.mayOpen('192.0.2.1')).toBe(false);
    jest.advanceTimersByTime(101);
    expect([1, 2, 3, 4].map(() => addresses.mayOpen('192.0.2.1'))).toEqual([true, true, true, false]);
  });

  it('remembers the rate of an address when its connection ends', () => {
    for (let opened = 0; opened < 3; opened++) addresses.mayOpen('192.0.2.1');
    addresses.opened('192.0.2.1');
    addresses.closed('192.0.2.1');
    expect(addresses.mayOpen('192.0.2.1')).toBe(false);
  });
});

describe('failed handshakes', () => {
  it('counts failed handshakes over one minute from the first', () => {
    addresses.failed('192.0.2.1');
    jest.advanceTimersByTime(59_000);
    addresses.failed('192.0.2.1');
    expect(addresses.failuresOf('192.0.2.1')).toBe(2);
    jest.advanceTimersByTime(1000);
    expect(addresses.failuresOf('192.0.2.1')).toBe(0);
    addresses.failed('192.0.2.1');
    expect(addresses.failuresOf('192.0.2.1')).toBe(1);
  });

  it('counts failed handshakes of an address that has connections', () => {
    addresses.opened('192.0.2.1');
    addresses.failed('192.0.2.1');
    expect(addresses.failuresOf('192.0.2.1')).toBe(1);
    addresses.closed('192.0.2.1');
    expect(addresses.failuresOf('192.0.2.1')).toBe(1);
  });

  it('does not count the failed handshakes of another address', () => {
    addresses.failed('192.0.2.1');
    expect(addresses.failuresOf('192.0.2.2')).toBe(0);
  });
});

describe('the memory', () => {
  const numbered = (number: number) => `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`;

  it('remembers a limited number of addresses without a connection, whatever they did', () => {
    for (let number = 0; number < 3 * MAX_IDLE; number++) {
      addresses.mayOpen(numbered(number));
      addresses.failed(numbered(number));
    }
    expect(addresses.size).toBe(MAX_IDLE);
  });

  it('forgets the address that has been inactive for longest', () => {
    for (let number = 0; number < MAX_IDLE; number++) addresses.failed(numbered(number));
    addresses.failed(numbered(0));
    addresses.failed('192.0.2.1');
    expect([0, 1, 2].map((number) => addresses.failuresOf(numbered(number)))).toEqual([2, 0, 1]);
  });

  it('forgets no address that has a connection', () => {
    for (let number = 0; number < 2 * MAX_IDLE; number++) addresses.opened(numbered(number));
    addresses.failed('192.0.2.1');
    expect([addresses.openOf(numbered(0)), addresses.size]).toEqual([1, 2 * MAX_IDLE + 1]);
    for (let number = 0; number < 2 * MAX_IDLE; number++) addresses.closed(numbered(number));
    expect(addresses.size).toBe(MAX_IDLE);
  });

  it('takes a new address at the same cost when it is full of connected ones', () => {
    jest.useRealTimers();
    for (let number = 0; number < 5 * MAX_IDLE; number++) addresses.opened(numbered(number));
    const start = performance.now();
    for (let number = 0; number < MAX_IDLE; number++) addresses.failed(numbered(5 * MAX_IDLE + number));
    // A walk over all of them for each took more than 10 s
    expect(performance.now() - start).toBeLessThan(1000);
  });
});

describe('isUnknownProxy', () => {
  const from = (peer: string, headers: Record<string, string>): IncomingMessage =>
    fakeRequest({ remoteAddress: peer, headers });
  const nobody = () => false;
  const FORWARDED = { 'x-forwarded-for': '203.0.113.9' };

  it.each(['10.0.0.1', '127.0.0.1', '172.16.0.1', '172.31.9.9', '192.168.1.1', '169.254.0.1', '::1', 'fd00::1'])(
    'takes the peer %s, which is private and forwards, for an unknown proxy',
    (peer) => {
      expect(isUnknownProxy(from(peer, FORWARDED), peer, nobody)).toBe(true);
      expect(isUnknownProxy(from(peer, { forwarded: 'for=203.0.113.9' }), peer, nobody)).toBe(true);
      expect(isUnknownProxy(from(peer, {}), peer, nobody)).toBe(false);
    },
  );

  it.each(['203.0.113.5', '172.15.0.1', '172.32.0.1', '11.0.0.1', '2001:db8::1', 'unknown'])(
    'never takes the peer %s for a proxy, or anybody could evade the limits with a header',
    (peer) => {
      expect(isUnknownProxy(from(peer, FORWARDED), peer, nobody)).toBe(false);
    },
  );

  it('does not report a proxy that the application trusts, even if its client has a private address', () => {
    expect(isUnknownProxy(from('10.0.0.1', { 'x-forwarded-for': '10.0.7.7' }), '10.0.7.7', nobody)).toBe(false);
  });

  it('asks whether the proxy is trusted where its client is on the same machine', () => {
    expect(isUnknownProxy(from('127.0.0.1', { 'x-forwarded-for': '127.0.0.1' }), '127.0.0.1', () => true)).toBe(false);
    expect(isUnknownProxy(from('127.0.0.1', { 'x-forwarded-for': '127.0.0.1' }), '127.0.0.1', nobody)).toBe(true);
  });

  it('recognises an unknown proxy that is an IPv4 peer of an IPv6 socket', () => {
    expect(isUnknownProxy(from('::ffff:10.0.0.1', FORWARDED), '10.0.0.1', nobody)).toBe(true);
  });
});
