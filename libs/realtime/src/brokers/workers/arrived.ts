import { detached } from '../../async-context.js';
import { owned } from '../../owned.js';

/**
 * Hands on the messages that this worker wants, in their order and outside the call that has brought them: one of its own
 * may not arrive before its publish has returned.
 */
export class Arrived {
  private waiting: [channel: string, bytes: Buffer][] = [];

  constructor(private readonly message: (channel: string, bytes: Buffer) => void) {}

  add(channel: string, bytes: Buffer): void {
    if (this.waiting.length === 0) detached(() => queueMicrotask(() => this.handOn()));
    this.waiting.push([channel, owned(bytes)]);
  }

  private handOn(): void {
    const messages = this.waiting;
    this.waiting = [];
    for (const [channel, bytes] of messages) this.message(channel, bytes);
  }
}
