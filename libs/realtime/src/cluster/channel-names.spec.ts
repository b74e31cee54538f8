import { fc } from '../../../../test/support/properties.js';
import { OptionsError } from '../errors.js';
import { ChannelNames, isBrokerChannel, partitionOf } from './channel-names.js';

const channels = fc.oneof(
  fc
    .tuple(fc.constantFrom('r:', 'u:', 'p:'), fc.string({ unit: 'binary', minLength: 1 }))
    .map((parts) => parts.join('')),
  fc.constantFrom('*', 'n:*', 'n:Xq3_-a'),
);

it('puts the name of the application before a channel', () => {
  const names = new ChannelNames('shop');
  expect(['r:chat', 'u:7', 'p:/ws', '*', 'n:Yk0', 'n:*'].map((each) => names.of(each))).toEqual([
    ...['shop:r:chat', 'shop:u:7', 'shop:p:/ws', 'shop:*', 'shop:n:Yk0', 'shop:n:*'],
  ]);
});

it('puts the partition into the name of a sharded channel', () => {
  const names = new ChannelNames('shop', true);
  expect(names.of('r:chat')).toBe(`shop:128:{${partitionOf('r:chat')}}.r:chat`);
  expect(names.channel('shop:128:{80}.r:chat')).toBe('r:chat');
});

it.each([true, false])('finds every channel again by its name (sharded: %p)', (isSharded) => {
  const names = new ChannelNames('a.B_c-1', isSharded);
  fc.assert(fc.property(channels, (channel) => expect(names.channel(names.of(channel))).toBe(channel)));
});

it('puts every channel into one of 128 partitions', () => {
  const partitions = Array.from({ length: 5000 }, (_, index) => partitionOf(`r:${index}`));
  expect(new Set(partitions).size).toBe(128);
  expect(Math.max(...partitions)).toBe(127);
});

it.each(['', 'a b', 'a:b', 'é', 'x'.repeat(65), '{a}', 'a\n', '*'])('does not accept the application %j', (app) => {
  expect(() => new ChannelNames(app)).toThrow(OptionsError);
  expect(() => new ChannelNames(app)).toThrow('REALTIME_APP');
});

it.each(['shop', 'Shop.2_a-b', 'x'.repeat(64)])('accepts the application %j', (app) => {
  expect(new ChannelNames(app).of('*')).toBe(`${app}:*`);
});

it.each(['', 'r:', 'u:', 'p:', 'c:abc.1', 'x:1', '**', 'n:', 'n:a.b', 'n:**', `n:${'x'.repeat(65)}`, 'r'])(
  'has no name for %j, which is not a channel between nodes',
  (channel) => {
    expect(isBrokerChannel(channel)).toBe(false);
    expect(() => new ChannelNames('shop').of(channel)).toThrow(expect.objectContaining({ code: 'bad_name' }));
    expect(new ChannelNames('shop').channel(`shop:${channel}`)).toBeUndefined();
  },
);

it('has no name for a room that UTF-8 cannot hold, because it would be that of another room', () => {
  expect(() => new ChannelNames('shop').of('r:\ud800')).toThrow(expect.objectContaining({ code: 'bad_name' }));
  expect(new ChannelNames('shop').of('r:\ud83d\ude00')).toBe('shop:r:😀');
});

it('has no name for a room whose name is longer than two bytes of length can say', () => {
  const names = new ChannelNames('shop');
  expect(names.of(`r:${'x'.repeat(65_528)}`)).toHaveLength(65_535);
  expect(() => names.of(`r:${'x'.repeat(65_529)}`)).toThrow(expect.objectContaining({ code: 'bad_name' }));
  expect(() => names.of(`r:${'€'.repeat(21_843)}`)).toThrow(expect.objectContaining({ code: 'bad_name' }));
});

it.each([
  ...['r:chat', 'shopr:chat', 'shop2:r:chat', 'Shop:r:chat', 'shop:128:{80}.r:chat', ''],
  ...['shop:', 'shop:c:abc.1'],
])('does not know %j as the name of a channel', (name) => {
  expect(new ChannelNames('shop').channel(name)).toBeUndefined();
});

it.each([
  ...['shop:r:chat', 'shop:128:{81}.r:chat', 'shop:128:{080}.r:chat', 'shop:128:{80.r:chat', 'shop:128:{80}r:chat'],
  ...['shop:64:{80}.r:chat', 'shop:128:{}.r:chat', 'shop:128:{80}.'],
])('does not know %j as the name of a sharded channel', (name) => {
  expect(new ChannelNames('shop', true).channel(name)).toBeUndefined();
});
