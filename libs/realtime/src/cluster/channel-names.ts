/** The names that channels have at the broker: the application's name stands before them. Road OUT, step 7. */
import { type Channel, channelOf } from '../command.js';
import { OptionsError, RealtimeError } from '../errors.js';
import { crc16 } from './crc16.js';
import { isWellFormed, MAX_NAME_BYTES } from './format.js';

/** Into so many parts the channels of a Redis Cluster are divided, so that 128 subscriptions suffice to know the nodes. */
export const PARTITIONS = 128;

const APP = /^[A-Za-z0-9._-]{1,64}$/;
const CHANNEL = /^(?:[rup]:[^]|n:(?:\*|[\w-]{1,64})$|\*$)/;

/** @returns whether a channel exists at a broker: a room, user, path, everyone, one node or all nodes */
export const isBrokerChannel = (channel: Channel): boolean => CHANNEL.test(channel);

/** @returns the part of a Redis Cluster in which a channel is, 0 to 127 */
export const partitionOf = (channel: Channel): number => crc16(channel) % PARTITIONS;

/** The names of one application's channels. */
export class ChannelNames {
  private readonly prefix: string;

  /**
   * @param app the name of the application: 1 to 64 characters of `A-Z a-z 0-9 . _ -`
   * @param isSharded true on a Redis Cluster: the name then carries the partition as its hash tag
   * @throws OptionsError for any other name
   */
  constructor(
    app: string,
    private readonly isSharded = false,
  ) {
    if (!APP.test(app)) {
      throw new OptionsError(
        `The application's name must have 1 to 64 characters of A-Z a-z 0-9 . _ - (REALTIME_APP), got ${JSON.stringify(app)}`,
      );
    }
    this.prefix = isSharded ? `${app}:${PARTITIONS}:{` : `${app}:`;
  }

  /**
   * Returns the name of a channel at the broker.
   *
   * @throws RealtimeError `bad_name` for a name that is longer than 65,535 bytes, or that UTF-8 cannot hold
   * @example new ChannelNames('shop').of('r:chat'); // 'shop:r:chat'
   */
  of(channel: Channel): string {
    const name = this.isSharded ? `${this.prefix}${partitionOf(channel)}}.${channel}` : this.prefix + channel;
    if (!isBrokerChannel(channel) || !isWellFormed(channel)) {
      throw new RealtimeError('bad_name', `${JSON.stringify(channel)} cannot be the name of a channel between nodes`);
    }
    // A character has at most three bytes
    if (name.length > MAX_NAME_BYTES / 3 && Buffer.byteLength(name) > MAX_NAME_BYTES) {
      throw new RealtimeError(
        'bad_name',
        `A channel's name may have ${MAX_NAME_BYTES} bytes, got ${name.length} characters`,
      );
    }
    return name;
  }

  /** @returns the channel that has this name at the broker; undefined when none of this application has */
  channel(name: string): Channel | undefined {
    if (!name.startsWith(this.prefix)) return undefined;
    const channel = this.isSharded ? this.afterPartition(name) : name.slice(this.prefix.length);
    return channel !== undefined && isBrokerChannel(channel) ? channel : undefined;
  }

  private afterPartition(name: string): Channel | undefined {
    const end = name.indexOf('}.', this.prefix.length);
    if (end < 0) return undefined;
    const channel = name.slice(end + 2);
    return name.slice(this.prefix.length, end) === String(partitionOf(channel)) ? channel : undefined;
  }
}

/** @returns whether members of rooms, users, paths or everyone are addressed, not nodes */
export const hasMembers = (channel: Channel): boolean => channel === channelOf.everyone || /^[rup]:/.test(channel);
