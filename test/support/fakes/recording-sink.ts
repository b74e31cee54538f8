/** A sink for unit specs of sockets: records what the core would be called for. */
import type { Message } from '../../../libs/realtime/src/message.js';
import type { Sink } from '../../../libs/realtime/src/transport.js';

export class RecordingSink implements Sink {
  readonly events: string[] = [];
  lives = 0;
  drains = 0;
  opened = () => void this.events.push('opened');
  received = (message: Message) => void this.events.push(`received ${message.text()}`);
  alive = () => void this.lives++;
  drained = () => void this.drains++;
  failed = () => void this.events.push('failed');
  closed = (code: number, reason: string) => void this.events.push(`closed ${code} ${reason}`);
}
