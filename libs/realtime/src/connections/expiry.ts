/** When the credential of a connection expires: the client is told before, if it should be, and is then closed with 4502. */
import { CloseCode, EXPIRES_EVENT } from 'nestjs-realtime-protocol';
import { detached } from '../async-context.js';
import type { CloseInitiator } from '../close-info.js';
import { NoticeFrame } from '../frame.js';
import type { Outbox } from './outbox.js';

/** The longest delay that a Node timer can have, in milliseconds. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** The connection whose credential expires. */
interface Expiring {
  end(code: number, reason: string, initiator: CloseInitiator): void;
}

export class Expiry {
  /** In milliseconds since 1970. */
  private endsAt = Infinity;
  private isNoticed = false;
  private timer?: NodeJS.Timeout;

  constructor(
    private readonly connection: Expiring,
    private readonly outbox: Pick<Outbox, 'send'>,
    /** How long before the end the client is told; 0 for not at all. */
    private readonly noticeMs: number,
  ) {}

  /** Moves the end. A notice that was sent already is sent again before the new one. */
  at(date: Date | undefined): void {
    this.stop();
    this.endsAt = date?.getTime() ?? Infinity;
    this.isNoticed = this.noticeMs === 0;
    if (date) this.wait();
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  private look(): void {
    const remaining = this.endsAt - Date.now();
    if (remaining <= 0) {
      this.connection.end(CloseCode.EXPIRED, 'credential expired', 'limit');
      return;
    }
    if (!this.isNoticed && remaining <= this.noticeMs) {
      this.isNoticed = true;
      this.outbox.send(new NoticeFrame(EXPIRES_EVENT, { inMs: remaining }));
    }
    this.wait();
  }

  private wait(): void {
    const remaining = this.endsAt - Date.now() - (this.isNoticed ? 0 : this.noticeMs);
    const ms = Math.max(0, Math.min(remaining, MAX_DELAY_MS));
    this.timer = detached(() => setTimeout(() => this.look(), ms));
    this.timer.unref();
  }
}
