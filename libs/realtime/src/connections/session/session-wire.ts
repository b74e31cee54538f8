/**
 * Road IN, between steps 1 and 4: what one wire of a session reports. As soon as another wire has taken its place it is
 * not heard any more, so that no message counts twice.
 */
import type { Message } from '../../message.js';
import type { ClientMessage, Counted, Sink, Socket } from '../../transport.js';
import type { ReceivedMessages } from './received-messages.js';

/** The session of a wire. */
export interface WireOwner extends Pick<Sink, 'opened' | 'failed'> {
  readonly connection?: Pick<Sink, 'alive' | 'drained'>;
  readonly incoming: Pick<ReceivedMessages, 'received' | 'take'>;
  acknowledged(n: number): void;
  /** @param absentSince when the client was last heard of, if that was before */
  wireClosed(code: number, reason: string, absentSince: number | undefined): void;
}

export class SessionWire implements Sink, Counted {
  private owner?: WireOwner;

  constructor(
    readonly socket: Socket,
    readonly transport: string,
    owner: WireOwner,
  ) {
    this.owner = owner;
  }

  get counted(): Counted {
    return this;
  }

  opened(): void {
    this.owner?.opened();
  }

  received(message: Message): void {
    this.owner?.incoming.received(message);
  }

  take(first: number, messages: readonly ClientMessage[]): boolean {
    return this.owner?.incoming.take(first, messages) ?? false;
  }

  acknowledged(n: number): void {
    this.owner?.acknowledged(n);
  }

  alive(): void {
    this.owner?.connection?.alive();
  }

  drained(): void {
    this.owner?.connection?.drained();
  }

  failed(...how: Parameters<Sink['failed']>): void {
    this.owner?.failed(...how);
  }

  closed(code: number, reason: string): void {
    const { owner } = this;
    this.owner = undefined;
    owner?.wireClosed(code, reason, this.socket.absentSince);
  }

  /** From now on nothing that happens on it matters; it is cut. */
  cut(): void {
    this.owner = undefined;
    this.socket.terminate();
  }
}
