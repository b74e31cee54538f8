import { ConnectedSocket, MessageBody, SubscribeMessage, WebSocketGateway, WsException } from '@nestjs/websockets';
import { Connection, HandshakeRequest, type Identity, type OnHandshake, type OnOpen } from 'nestjs-realtime';
import { Tokens } from './tokens.js';

/** What a connection keeps of its account. */
export interface Member {
  readonly tenant: string;
  /** The notifications that this tab has shown. */
  readonly read: number[];
}

/** The room of a tenant. */
export const roomOf = (tenant: string): string => `tenant:${tenant}`;

@WebSocketGateway({ path: '/notifications', protocols: ['notifications'] })
export class NotificationsGateway implements OnHandshake, OnOpen {
  constructor(private readonly tokens: Tokens) {}

  /** The token comes in `Authorization` or, from a browser, in the list of subprotocols. */
  async onHandshake({ token }: HandshakeRequest): Promise<Identity> {
    const { sub, tenant, exp } = await this.tokens.verify(token);
    const data: Member = { tenant, read: [] };
    return { userId: sub, rooms: [roomOf(tenant)], data, expiresAt: new Date(exp * 1000) };
  }

  onOpen(connection: Connection<Member>): void {
    connection.emit('hello', { user: connection.userId, tenant: connection.data.tenant });
  }

  @SubscribeMessage('read')
  read(@ConnectedSocket() connection: Connection<Member>, @MessageBody() id: unknown): { count: number } {
    if (!Number.isInteger(id)) throw new WsException('The id of an invoice is a whole number');
    connection.data.read.push(id as number);
    return { count: connection.data.read.length };
  }
}
