import type { Channel, Command } from './command.js';

/**
 * Carries commands between nodes by channel name. Road OUT, step 7. A broker that leaves the process encodes the
 * command to bytes; one that does not hands it over as it is.
 *
 * - `publish` MUST reach every node that subscribes to the command's channel, this one included, and MUST reject when
 *   it cannot say so.
 * - Commands of one node to one channel MUST arrive in the order they were published in.
 * - `deliver` never throws.
 */
export abstract class Broker {
  /** For the boot table. */
  abstract readonly name: string;
  abstract start(deliver: (command: Command) => void): Promise<void>;
  abstract publish(command: Command): Promise<void>;
  /** The first member of a channel came on this node. */
  abstract subscribe(channel: Channel): Promise<void>;
  /** The last one left. */
  abstract unsubscribe(channel: Channel): Promise<void>;
  abstract stop(): Promise<void>;
}
