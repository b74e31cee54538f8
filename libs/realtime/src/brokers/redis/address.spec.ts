import { OptionsError } from '../../errors.js';
import { parseAddress, redactor, shownAddress } from './address.js';

it.each([
  ['redis://localhost', { kind: 'single', tls: false, hosts: [{ host: 'localhost', port: 6379 }], db: 0 }],
  ['redis://10.0.0.1:7000/3', { kind: 'single', tls: false, hosts: [{ host: '10.0.0.1', port: 7000 }], db: 3 }],
  ['rediss://[::1]:7000', { kind: 'single', tls: true, hosts: [{ host: '::1', port: 7000 }], db: 0 }],
  [
    'redis://ann:p%40ss@h',
    { kind: 'single', tls: false, hosts: [{ host: 'h', port: 6379 }], db: 0, username: 'ann', password: 'p@ss' },
  ],
  ['redis://:a/b:c@h', { kind: 'single', tls: false, hosts: [{ host: 'h', port: 6379 }], db: 0, password: 'a/b:c' }],
  [
    'redis+sentinel://a:1,b/main/2',
    {
      ...{ kind: 'sentinel', tls: false, masterName: 'main', db: 2 },
      hosts: [
        { host: 'a', port: 1 },
        { host: 'b', port: 26379 },
      ],
    },
  ],
  [
    'rediss+cluster://:x@a:1,b:2',
    {
      ...{ kind: 'cluster', tls: true, db: 0, password: 'x' },
      hosts: [
        { host: 'a', port: 1 },
        { host: 'b', port: 2 },
      ],
    },
  ],
])('reads %s', (url, address) => {
  expect(parseAddress(url)).toEqual(address);
});

it.each([
  ['http://user:secret@host', 'it has none of these forms'],
  ['redis://user:secret@', 'it has none of these forms'],
  ['redis://user:secret@host?db=1', 'it has none of these forms'],
  ['redis://user:secret@ho st', 'a host or a port cannot be read'],
  ['redis://user:secret@host:66000', 'a host or a port cannot be read'],
  ['redis://user:secret@a,b', 'several hosts need redis+sentinel:// or redis+cluster://'],
  ['redis://user:secret@host/main', 'the database is not a number'],
  ['redis://user:secret@host/1/2', 'the database is not a number'],
  ['redis+cluster://user:secret@host/1', 'a Cluster has no database but 0'],
  ['redis+sentinel://user:secret@host', 'the name of the master is missing after the sentinels'],
  ['redis://user:secret%@host', 'a percent sign is not followed by two hexadecimal digits'],
])('refuses %s without repeating it', (url, problem) => {
  const refuse = () => parseAddress(url);
  expect(refuse).toThrow(OptionsError);
  expect(refuse).toThrow(`REALTIME_REDIS_URL is not the address of a Redis: ${problem}`);
  expect(refuse).not.toThrow(/secret/);
});

it('shows an address without user name and password', () => {
  expect(shownAddress(parseAddress('redis+sentinel://u:p@a:1,[::1]:2/main'))).toBe('redis+sentinel://a:1,[::1]:2/main');
  expect(shownAddress(parseAddress('rediss://u:p@a'))).toBe('rediss://a:6379');
});

it('takes user name and password out of a text, as they are and encoded', () => {
  const redact = redactor('ann', 'ann@1', undefined, '');
  expect(redact('User ann with ann@1, in a URL ann:ann%401')).toBe('User *** with ***, in a URL ***:***');
});
