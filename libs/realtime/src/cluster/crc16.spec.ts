import { crc16 } from './crc16.js';

it.each([
  ['', 0x0000],
  ['123456789', 0x31c3],
  ['foo', 0xaf96],
])('hashes %j as XMODEM does', (text, crc) => {
  expect(crc16(text)).toBe(crc);
});

it('gives the slots that the documentation of Redis Cluster names', () => {
  // CLUSTER KEYSLOT foo
  expect(crc16('foo') % 16_384).toBe(12_182);
});

it('hashes the UTF-8 of a name', () => {
  const bytes = Array.from(Buffer.from('Grüße'), (byte) => String.fromCharCode(byte)).join('');
  expect(crc16('Grüße')).not.toBe(crc16(bytes));
  expect(crc16('Grüße')).toBeLessThan(65_536);
});
