import type { Command } from '../command.js';
import { Broker, type LocalNode } from '../broker.js';
import { EVERYWHERE, NOBODY_ELSE, type Reached } from '../question.js';
import { type BrokerStats, brokerStats } from '../stats.js';

/** The broker of a single node. It delivers each command at once. */
export class MemoryBroker extends Broker {
  readonly name = 'memory (this node only)';
  readonly isShared = false;
  readonly isDegraded = false;
  private local?: LocalNode;

  async start(local: LocalNode): Promise<void> {
    this.local = local;
  }

  publish(command: Command): Reached {
    this.local?.deliver(command);
    return EVERYWHERE;
  }

  hold(): undefined {}

  release(): void {}

  prepare(): undefined {}

  ask(): typeof NOBODY_ELSE {
    return NOBODY_ELSE;
  }

  async share(): Promise<void> {}

  nodes(): [] {
    return [];
  }

  stats(): BrokerStats {
    return brokerStats(this.name);
  }

  async stop(): Promise<void> {
    this.local = undefined;
  }
}
