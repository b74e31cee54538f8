/** What a connection was let in with: when that expires, and the guards that are asked about it again. */
import type { Connection } from '../connection.js';
import type { CloseInitiator } from '../close-info.js';
import type { Admission } from '../handshake/admission.js';
import type { RealtimeSettings } from '../settings/settings.js';
import { Expiry } from './expiry.js';
import type { Recheck, Rechecks } from './rechecks.js';

/** The connection that ends with its credential. */
interface Credited extends Pick<Connection, 'id' | 'path' | 'transport' | 'isOpen' | 'emit'> {
  end(code: number, reason: string, initiator: CloseInitiator): void;
}

export class Credential {
  private expiry: Expiry | undefined = undefined;
  private guards: Recheck | undefined;

  constructor(
    private readonly connection: Credited,
    private readonly settings: Pick<RealtimeSettings, 'expiryNotice'>,
    private readonly rechecks: Rechecks,
    admission: Admission,
  ) {
    this.guards = rechecks.of(connection, admission);
  }

  /** The client has another credential; what is not said of it is not so. */
  renew(admission: Admission): void {
    if (this.guards) this.rechecks.delete(this.guards);
    this.guards = this.rechecks.of(this.connection, admission);
    const { expiresAt } = admission.identity;
    if (this.expiry || expiresAt) this.expireAt(expiresAt);
  }

  expireAt(date: Date | undefined): void {
    this.expiry ??= new Expiry(this.connection, this.settings.expiryNotice * 1000);
    this.expiry.at(date);
  }

  /** @returns false when the guards refused it; undefined where they cannot be asked */
  recheck(): Promise<boolean> | undefined {
    return this.guards && this.rechecks.ask(this.guards);
  }

  /** The connection has ended. */
  end(): void {
    this.expiry?.stop();
    if (this.guards) this.rechecks.delete(this.guards);
  }
}
