import { ChannelNames, PARTITIONS, partitionOf } from '../../cluster/channel-names.js';
import { EXACT_OPTIONS, type RedisConstructor } from './client.js';
import { mastersOf, SLOT_OF } from './slots.js';
import { topologyOf } from './topology.js';

/** A client that is never connected. */
const Client = class {
  options = { ...EXACT_OPTIONS, protocol: 3 };
} as unknown as RedisConstructor;

it.each([
  ['redis://h', false],
  ['redis+cluster://h', true],
])('the names of %s are those that other publishers use', (url, isSharded) => {
  const topology = topologyOf(url, Client, 1000);
  const names = new ChannelNames('app', isSharded);
  for (const channel of ['r:lobby', 'u:ü', '*', 'n:1']) {
    const prefix = topology.prefixOf('app', topology.partitionOf(channel));
    expect(prefix + channel).toBe(names.of(channel));
  }
});

it('puts the channels of a partition into the slot of its number', () => {
  expect(SLOT_OF[partitionOf('r:lobby')]).toBeLessThan(16_384);
  expect(new Set(SLOT_OF).size).toBe(PARTITIONS);
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
