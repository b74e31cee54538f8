/**
 * Which transport is tried: the first, until it is known that HTTP arrives and it does not. A server that is away does
 * not change it.
 */
import type { Transport } from './wire.js';

export class Ladder {
  via: Transport;
  /** The next attempt leaves out the hello: a proxy may have cut the long line. */
  isShort: boolean | undefined;
  /** How many attempts in turn were blocked. */
  tries = 0;

  constructor(/** The best first. */ readonly steps: readonly Transport[]) {
    this.via = steps[0]!;
  }

  /** It is used from now on: it is open, or the application wants it. */
  choose(transport: Transport): void {
    this.via = transport;
    this.isShort = false;
    this.tries = 0;
  }

  /**
   * @param isSure one attempt is enough to give the transport up, else two in turn
   * @param isLong the hello is so long that a proxy may have refused it
   */
  blocked(isSure: boolean | undefined, isLong: boolean): void {
    if (!isSure && ++this.tries < 2) return;
    if (!isSure && isLong && !this.isShort && this.via === 'websocket') this.isShort = true;
    else this.choose(this.steps[this.steps.indexOf(this.via) + 1] ?? this.steps[0]!);
  }
}
