import { UseGuards } from '@nestjs/common';
import { ConnectedSocket, MessageBody, SubscribeMessage, WebSocketGateway, WsException } from '@nestjs/websockets';
import { CloseInfo, Connection, HandshakeRequest, Message, RealtimeServer } from 'nestjs-realtime';
import type { OnClose, OnMessage, OnOpen } from 'nestjs-realtime';
import { LoggedIn, type Visitor } from './logged-in.guard.js';

/** The chat: a line of text is said to everyone, and a `whisper` goes to all tabs of one person. */
@UseGuards(LoggedIn)
@WebSocketGateway({ path: '/ws' })
export class WebSocketService implements OnOpen, OnMessage, OnClose {
  constructor(private readonly server: RealtimeServer) {}

  async onOpen(connection: Connection, request: HandshakeRequest): Promise<void> {
    const { user } = request.session as Visitor;
    connection.emit('welcome', { name: user!.id, people: await this.people() });
    const isFirstTab = (await this.server.toUser(user!.id).count()) === 1;
    if (isFirstTab) await this.tellOthers(connection, 'joined');
  }

  async onMessage(connection: Connection, message: Message): Promise<void> {
    await this.server.toEveryone('/ws').emit('said', { from: connection.userId, text: checked(message.text()) });
  }

  @SubscribeMessage('whisper')
  async whisper(@ConnectedSocket() connection: Connection, @MessageBody() { to, text }: { to: string; text: string }) {
    const person = this.server.toUser(String(to));
    if ((await person.count()) === 0) throw new WsException(`${to} is not here`);
    await person.emit('whispered', { from: connection.userId, text: checked(text) });
    return { event: 'delivered', data: { to } };
  }

  async onClose(connection: Connection, { code }: CloseInfo): Promise<void> {
    const wasLastTab = (await this.server.toUser(connection.userId!).count()) === 0;
    if (wasLastTab) await this.tellOthers(connection, 'left', { code });
  }

  private async tellOthers(connection: Connection, event: string, more?: object): Promise<void> {
    const news = { name: connection.userId, people: await this.people(), ...more };
    await this.server.toEveryone('/ws').except(connection.id).emit(event, news);
  }

  private async people(): Promise<string[]> {
    const members = await this.server.toEveryone('/ws').members();
    return [...new Set(members.map(({ userId }) => userId!))].sort();
  }
}

function checked(text: unknown): string {
  if (typeof text === 'string' && text.trim() !== '' && text.length <= 2000) return text;
  throw new WsException('A text has 1 to 2000 characters');
}
