/**
 * Which transport is tried: the first, until it is known that HTTP arrives and it does not. A server that is away does
 * not change it.
 */
import type { Transport } from './wire.js';

/** How much of the library's wire an attempt offers: all, no hello because a proxy may cut long lines, or nothing. */
export const Mode = { FULL: 0, SHORT: 1, PLAIN: 2 } as const;
export type Mode = (typeof Mode)[keyof typeof Mode];

export class Ladder {
  mode: Mode = Mode.FULL;
  transport: Transport;
  #blocked = 0;
  #hasSession = false;

  constructor(private readonly transports: readonly Transport[]) {
    this.transport = transports[0]!;
  }

  /** The transport to go back to, when there is a better one than the present. */
  get better(): Transport | undefined {
    return this.transport === this.transports[0] ? undefined : this.transports[0];
  }

  choose(transport: Transport): void {
    this.transport = transport;
    this.#blocked = 0;
  }

  opened(transport: Transport, isSession: boolean): void {
    this.choose(transport);
    this.#hasSession ||= isSession;
    if (this.mode === Mode.SHORT) this.mode = Mode.FULL;
  }

  /** The server is away, or has refused: that says nothing of the transport. */
  refused(): void {
    this.#blocked = 0;
  }

  /** @param isLong the hello is so long that a proxy may have refused it */
  blocked(isLong: boolean): void {
    const isWebSocket = this.transport === 'websocket';
    if (isWebSocket && ++this.#blocked < 2) return;
    const isUntried = isWebSocket && this.mode === Mode.FULL && (isLong || !this.#hasSession);
    if (isUntried) this.mode = isLong ? Mode.SHORT : Mode.PLAIN;
    else {
      this.mode = Mode.FULL;
      this.choose(this.transports[this.transports.indexOf(this.transport) + 1] ?? this.transports[0]!);
    }
  }
}
