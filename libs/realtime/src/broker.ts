import type { Awaitable } from './awaitable.js';
import type { Channel, Command } from './command.js';

/**
 * Carries commands between nodes by channel name. Road OUT, step 7. A broker that leaves the process encodes the
 * command to bytes; one that stays in the process passes it on unchanged.
 *
 * - `publish` MUST reach every node that subscribes to the command's channel, this one included, and MUST reject when
 *   it cannot confirm that. It returns a promise unless all of this has happened when it returns.
 * - Commands that one node publishes to one channel MUST arrive in the order in which they were published.
 * - `deliver` never throws.
 */
export abstract class Broker {
  /** Shown in the boot table and in log lines. */
  abstract readonly name: string;
  /** Called once, at boot. @param deliver applies a command to its members on this node */
  abstract start(deliver: (command: Command) => void): Promise<void>;
  /** Hands a command to every node that subscribes to its channel. */
  abstract publish(command: Command): Awaitable<void>;
  /** Called when a channel gets its first member on this node. */
  abstract subscribe(channel: Channel): Promise<void>;
  /** Called when a channel has lost its last member on this node. */
  abstract unsubscribe(channel: Channel): Promise<void>;
  /** Called once, after the last connection has ended. */
  abstract stop(): Promise<void>;
}
