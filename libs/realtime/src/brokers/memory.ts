import type { Command } from '../command.js';
import { Broker } from '../broker.js';

/** The broker of a single node. It delivers each command at once. */
export class MemoryBroker extends Broker {
  readonly name = 'memory (this node only)';
  private deliver: (command: Command) => void = () => {};

  async start(deliver: (command: Command) => void): Promise<void> {
    this.deliver = deliver;
  }

  publish(command: Command): void {
    this.deliver(command);
  }

  async subscribe(): Promise<void> {}

  async unsubscribe(): Promise<void> {}

  async stop(): Promise<void> {
    this.deliver = () => {};
  }
}
