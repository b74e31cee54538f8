/** How a connection ends: the side that ends it first decides code, reason and initiator; then the wire ends. */
import { CloseCode } from 'nestjs-realtime-protocol';
import { CloseInfo, type CloseInitiator } from '../close-info.js';
import { ReadyState } from '../connection.js';

export class Ending {
  readyState: ReadyState = ReadyState.OPEN;
  /** How this side decided to end it. */
  private decided?: Pick<CloseInfo, 'code' | 'reason' | 'initiator'>;
  private aborter?: AbortController;

  /** It is aborted when the wire is gone, and created when it is first read. */
  get signal(): AbortSignal {
    this.aborter ??= new AbortController();
    if (this.readyState === ReadyState.CLOSED) this.aborter.abort();
    return this.aborter.signal;
  }

  /** This side ends the connection. @returns false when it is ending already: the first decision holds */
  decide(code: number, reason: string, initiator: CloseInitiator): boolean {
    if (this.decided || this.readyState !== ReadyState.OPEN) return false;
    this.decided = { code, reason, initiator };
    this.readyState = ReadyState.CLOSING;
    return true;
  }

  /** The wire is gone. @returns how the connection ended; undefined when that was reported before */
  complete(code: number, reason: string): CloseInfo | undefined {
    if (this.readyState === ReadyState.CLOSED) return undefined;
    this.readyState = ReadyState.CLOSED;
    const how = this.decided ?? { code, reason, initiator: 'client' };
    return new CloseInfo(how.code, how.reason, code !== CloseCode.ABNORMAL, how.initiator);
  }

  abort(): void {
    this.aborter?.abort();
  }
}
