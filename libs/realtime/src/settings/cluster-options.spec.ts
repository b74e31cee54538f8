import { RealtimeSettings } from './settings.js';

const keys = (text: string) => RealtimeSettings.from({ envFile: false }, { REALTIME_CLUSTER_KEYS: text }).clusterKeys;

it('takes one key of 32 bytes, or two with a comma between them', () => {
  const [one, other] = ['k'.repeat(32), 'ü'.repeat(16)];
  expect(keys(one)).toEqual([one]);
  expect(keys(`${one}, ${other}`)).toEqual([one, other]);
});

it.each(['k'.repeat(31), `${'k'.repeat(32)},short`, Array(3).fill('k'.repeat(32)).join()])(
  'refuses the keys %j at boot, and does not repeat them',
  (text) => {
    expect(() => keys(text)).toThrow(
      /^REALTIME_CLUSTER_KEYS: the value is not allowed; expected one key of at least 32/,
    );
  },
);
