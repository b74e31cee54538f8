import { crc16, mastersOf, partitionOf, PARTITIONS, SLOT_OF } from './slots.js';

it('computes the CRC that the specification of Redis Cluster gives for 123456789', () => {
  expect(crc16('123456789')).toBe(0x31c3);
});

it('puts a channel into the partition of its bytes', () => {
  expect([partitionOf('r:lobby'), partitionOf('r:ü')]).toEqual([crc16('r:lobby') % 128, crc16('r:ü') % 128]);
});

it('finds the master of each partition, at the host that was asked where a server does not know its own', () => {
  const rows = [
    [8192, 16383, ['10.0.0.2', 7002, 'id'], ['10.0.0.3', 7003, 'replica']],
    [0, 8191, [null, 7001, 'id']],
  ];
  const masters = mastersOf(rows, '10.0.0.1');
  expect(masters).toHaveLength(PARTITIONS);
  for (const [partition, slot] of SLOT_OF.entries()) {
    const expected = slot < 8192 ? { host: '10.0.0.1', port: 7001 } : { host: '10.0.0.2', port: 7002 };
    expect(masters[partition]).toEqual(expected);
  }
});

it.each([[[]], [[[0, 100, ['h', 1]]]], ['nothing']])('refuses an answer in which a slot has no master', (rows) => {
  expect(() => mastersOf(rows, 'h')).toThrow(/The Cluster has no server for slot \d+/);
});
