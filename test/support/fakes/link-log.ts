/** Takes the events of a link, and waits for them. */
import type { LinkEvents } from '../../../libs/realtime/src/cluster/link.js';
import { until } from '../process-guard.js';

export class LinkLog implements LinkEvents {
  /** Each message as `<channel> <text>`. */
  readonly messages: string[] = [];
  readonly bytes: Buffer[] = [];
  /** `up`, `down` and `gap` in the order in which they were reported. */
  readonly states: string[] = [];
  readonly reasons: string[] = [];
  readonly gaps: (readonly string[] | 'all')[] = [];
  /** The nodes whose end was noticed. */
  readonly ended: string[] = [];

  message(channel: string, bytes: Buffer): void {
    this.bytes.push(bytes);
    this.messages.push(`${channel} ${bytes.toString()}`);
  }
  up(): void {
    this.states.push('up');
  }
  down(reason: string): void {
    this.states.push('down');
    this.reasons.push(reason);
  }
  gap(channels: readonly string[] | 'all'): void {
    this.states.push('gap');
    this.gaps.push(channels);
  }

  gone(node: string): void {
    this.ended.push(node);
  }

  /** Waits for so many messages in all. */
  async received(count: number): Promise<string[]> {
    await until(
      `${count} messages`,
      () => this.messages.length,
      (length) => length >= count,
    );
    return this.messages;
  }

  /** Waits until exactly these states have been reported. */
  async reported(...states: string[]): Promise<void> {
    await until(
      states.join(),
      () => this.states.join(),
      (all) => all === states.join(),
      20_000,
    );
  }
}
