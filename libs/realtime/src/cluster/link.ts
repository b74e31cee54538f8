/**
 * What a broker of several nodes is built on: bytes on channels, confirmed subscriptions that outlive a connection, and an
 * honest word about when it works. The bytes are not looked at. Road OUT, step 7.
 */
import type { Channel } from '../command.js';
import { OptionsError, RealtimeError } from '../errors.js';
import type { History } from '../history.js';

export interface LinkEvents {
  /** A message on a channel. @param bytes belong to the receiver */
  message(channel: string, bytes: Buffer): void;
  /** Everything that was subscribed is subscribed again. Called once after `start`, and once after each `down`. */
  up(): void;
  /** @param reason one line for people, without user name and password */
  down(reason: string): void;
  /** Messages on these channels may have been lost. Called after they are subscribed again. */
  gap(channels: readonly string[] | 'all'): void;
  /** Another node was cut off, so that this one does not wait for it. @param reason what is wrong with it */
  cut?(node: string, reason: string): void;
  /** The process of another node has ended, and did not say so. Not every link notices. */
  gone?(node: string): void;
}

/** All in milliseconds. */
export interface LinkTimes {
  /** How long a publish may take, and how long a connection may take to be made. */
  readonly timeoutMs: number;
  /** How often the link publishes to itself. */
  readonly probeIntervalMs: number;
  /** How long its own message, or the answer to a subscription, may take before the connection is given up. */
  readonly probeTimeoutMs: number;
  /** The upper bound of the first pause before a connection is made again. It doubles with each failure. */
  readonly backoffMs: number;
  /** The upper bound of all pauses. */
  readonly maxBackoffMs: number;
}

export const LINK_TIMES: LinkTimes = {
  timeoutMs: 2000,
  probeIntervalMs: 10_000,
  probeTimeoutMs: 5000,
  backoffMs: 100,
  maxBackoffMs: 5000,
};

/** A history of bytes whose appends may wait for the end of the turn. */
export interface BatchedHistory extends History {
  /** True while appends of this turn wait. */
  readonly isWaiting: boolean;
  /** Sends them. MUST be called before a publish on the channel, which is to arrive after them. */
  flush(channel: Channel): void;
  /** Resolves when everything that was appended to a subscribed channel before this call has arrived. @throws LinkError */
  arrived(channel: Channel): Promise<void>;
}

export interface Link {
  /** Keeps what is published; undefined when this link cannot. */
  readonly history?: BatchedHistory;
  /** Where it leads, for the boot table and log lines: without user name and password. */
  readonly name: string;
  readonly isUp: boolean;
  /** True when channels are divided into partitions, as on a Redis Cluster. */
  readonly isSharded: boolean;
  /** How long the last message of the link to itself took, in milliseconds; undefined before the first. */
  readonly lagMs: number | undefined;
  /** How many channels are subscribed. */
  readonly size: number;
  /**
   * Called once. Resolves after the first attempt to connect, also when it failed: `down` has been called then, and
   * further attempts follow.
   *
   * @throws OptionsError when no attempt can succeed: a package is missing, the version of Redis is too old
   */
  start(events: LinkEvents): Promise<void>;
  /**
   * Messages of one channel arrive in the order of these calls.
   *
   * @returns how many links had subscribed; on a Cluster it counts those at one server, and is a hint
   * @throws LinkError within the deadline
   */
  publish(channel: string, bytes: Buffer): Promise<number>;
  /** Resolves when confirmed. @throws LinkError when none of the channels is subscribed by this call */
  subscribe(channels: readonly string[]): Promise<void>;
  /** Resolves when confirmed. @throws LinkError when all of the channels are still subscribed */
  unsubscribe(channels: readonly string[]): Promise<void>;
  /** Ends the connections. No event is reported afterwards. */
  stop(): Promise<void>;
}

/**
 * - `unavailable`: nothing was sent.
 * - `unknown`: it was sent and may have been done; the answer did not come in time, or the connection was lost.
 * - `refused`: Redis answered with an error.
 */
export type LinkErrorCode = 'unavailable' | 'unknown' | 'refused';

/** Its message has neither the user name nor the password, and it carries no error of the client, which may. */
export class LinkError extends RealtimeError {
  declare readonly code: LinkErrorCode;

  constructor(code: LinkErrorCode, message: string) {
    super(code, message);
  }
}

/** @returns the error of a boot with `REALTIME_BROKER_REQUIRED` while the broker is away */
export function requiredBroker(name: string, reason: string): OptionsError {
  return new OptionsError(
    `The broker is away (${name}): ${reason}. REALTIME_BROKER_REQUIRED is true: start the broker first, or let nodes start without it`,
  );
}
