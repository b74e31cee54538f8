import { BadRequestException, Logger } from '@nestjs/common';
import { ConnectedSocket, MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { CloseInfo, Connection, HandshakeRequest, MessageError, RealtimeServer } from 'nestjs-realtime';
import type { Identity, OnClose, OnHandshake, OnMessage, OnOpen } from 'nestjs-realtime';
import type { Chat } from './chat.contract.js';
import { isText, wordsOf } from './words.js';

/** The room of everybody who has a name; app.module.ts gives it a history and presence. */
export const LOBBY = 'lobby';
/** How many of its last messages a newcomer is sent. */
const BACKLOG = 50;
const LONGEST_NAME = 40;

/** A chat: the hooks of a connection, and a method for each event of the contract. */
@WebSocketGateway({ path: '/ws' })
export class WebSocketService implements OnHandshake, OnOpen, OnMessage, OnClose {
  private readonly logger = new Logger(WebSocketService.name);

  constructor(private readonly server: RealtimeServer<Chat>) {}

  /** In this demo a person is a name in the address; an application would ask its session or a token. */
  onHandshake({ query }: HandshakeRequest): Identity | undefined {
    const name = query.get('name');
    if (name === null) return undefined;
    if (!isText(name, LONGEST_NAME))
      throw new BadRequestException(`The name must have 1 to ${LONGEST_NAME} characters`);
    return { userId: name };
  }

  async onOpen(connection: Connection<Chat>): Promise<void> {
    const { id, userId: name, address } = connection;
    this.logger.log(`${id} opened from ${address}`);
    connection.emit('welcome', { id, name });
    if (name === undefined) return;
    await connection.join(LOBBY, { last: BACKLOG });
    await this.countDevices(name);
  }

  /** Runs for whatever is not an event of the contract, for example the text of a bare WebSocket. */
  onMessage(connection: Connection<Chat>): void {
    connection.send(`The server's time is ${new Date().toISOString()}`);
  }

  async onClose({ id, userId: name }: Connection<Chat>, { code }: CloseInfo): Promise<void> {
    this.logger.log(`${id} closed with ${code}`);
    if (name !== undefined) await this.countDevices(name);
  }

  @SubscribeMessage('say')
  async say(@ConnectedSocket() connection: Connection<Chat>, @MessageBody() body: unknown): Promise<void> {
    const from = nameOf(connection);
    const { text, key } = wordsOf(body);
    const line = { from, text, key, at: Date.now() };
    await this.server.to(LOBBY).emit('message', line, once(from, key)).catch(notKept);
  }

  /** All devices of both get it, so a private message is there on the phone as well. */
  @SubscribeMessage('whisper')
  async whisper(@ConnectedSocket() connection: Connection<Chat>, @MessageBody() body: unknown): Promise<void> {
    const from = nameOf(connection);
    const { text, key, to } = wordsOf(body);
    const isHere = isText(to, LONGEST_NAME) && (await this.server.toUser(to).isOnline());
    if (!isHere) throw new MessageError('not_here', 'This person has left');
    const line = { from, to, text, key, at: Date.now() };
    for (const user of new Set([to, from])) {
      await this.server.toUser(user).emit('private', line, once(from, key)).catch(notKept);
    }
  }

  /** Typing, or away: presence hands it to everybody in the room, and forgets it with the connection. */
  @SubscribeMessage('present')
  present(@ConnectedSocket() connection: Connection<Chat>, @MessageBody() body: Chat['presence']): void {
    nameOf(connection);
    connection.present(LOBBY, { isTyping: body?.isTyping === true, isAway: body?.isAway === true });
  }

  private async countDevices(name: string): Promise<void> {
    const count = await this.server.toUser(name).count();
    await this.server.to(LOBBY).emit('devices', { name, count }, { volatile: true });
  }
}

function nameOf({ userId }: Connection<Chat>): string {
  if (userId !== undefined) return userId;
  throw new MessageError('no_name', 'Connect to /ws?name=… to take part');
}

/** A page that does not know whether its message arrived sends it again, with the same key: it is kept once. */
const once = (from: string, key: string | undefined) => (key === undefined ? {} : { key: `${from} ${key}` });

function notKept(cause: unknown): never {
  throw new MessageError('not_kept', 'The message could not be kept: please send it again', {}, { cause });
}
