/** Gateways that count: they hear the numbers of their client, and push numbers to it. */
import { UnauthorizedException } from '@nestjs/common';
import { WebSocketGateway } from '@nestjs/websockets';
import type { CloseInfo, Connection, HandshakeRequest, Identity, Message } from 'nestjs-realtime';

/** What both gateways do once a client is let in. */
export abstract class Numbers {
  readonly connections: Connection[] = [];
  readonly closes: CloseInfo[] = [];
  readonly faults: string[] = [];
  /** Users who may not connect any more. */
  readonly revoked = new Set<string>();
  expiresAt?: Date;
  opened = 0;
  pushed = 0;
  private heard = 0;
  private waiting: { readonly count: number; readonly done: () => void }[] = [];
  private ended: (() => void)[] = [];

  onOpen(connection: Connection): void {
    this.connections.push(connection);
    this.opened++;
  }
  onMessage(_connection: Connection, message: Message): void {
    const number = Number(message.text());
    if (number !== this.heard + 1) this.faults.push(`heard ${message.text()} after ${this.heard}`);
    this.heard = number;
    for (const { count, done } of this.waiting) if (this.heard >= count) done();
  }
  onClose(_connection: Connection, close: CloseInfo): void {
    this.closes.push(close);
    for (const done of this.ended.splice(0)) done();
  }

  /** Clears its record, so that the next test finds a fresh gateway. */
  renew(): void {
    for (const list of [this.connections, this.closes, this.faults]) list.length = 0;
    this.revoked.clear();
    this.expiresAt = undefined;
    this.opened = this.pushed = this.heard = 0;
  }

  /** Sends the next numbers to the first client. */
  push(count: number): void {
    for (let i = 0; i < count; i++) this.connections[0]!.send(String(++this.pushed));
  }

  /** Resolves when the client has been heard up to this number. */
  hears(count: number): Promise<void> {
    if (this.heard >= count) return Promise.resolve();
    return new Promise((done) => this.waiting.push({ count, done }));
  }

  /** Resolves with the first `onClose`, once there are so many. */
  async closed(count = 1): Promise<CloseInfo> {
    while (this.closes.length < count) await new Promise<void>((done) => this.ended.push(done));
    return this.closes[0]!;
  }

  protected identify(userId: string): Identity {
    if (this.revoked.has(userId)) throw new UnauthorizedException('Revoked');
    return { userId, rooms: ['lobby'], expiresAt: this.expiresAt };
  }
}

/** The header `X-User` names the user. */
@WebSocketGateway({ path: '/ws' })
export class NumberedGateway extends Numbers {
  handshakes = 0;

  onHandshake({ headers }: HandshakeRequest): Identity {
    this.handshakes++;
    return this.identify(String(headers['x-user']));
  }
}

/** The first message names the user: `ann` or, with another token of the same user, `ann 2`. */
@WebSocketGateway({ path: '/ws' })
export class CredentialGateway extends Numbers {
  readonly credentials: string[] = [];

  override renew(): void {
    super.renew();
    this.credentials.length = 0;
  }

  onAuthenticate(message: Message): Identity {
    this.credentials.push(message.text());
    return this.identify(message.text().split(' ')[0]!);
  }
}
