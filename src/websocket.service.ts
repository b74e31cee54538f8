import { Logger } from '@nestjs/common';
import { WebSocketGateway } from '@nestjs/websockets';
import { CloseInfo, Connection, Message, MessageError, RealtimeError, RealtimeServer } from 'nestjs-realtime';
import type { Member, OnClose, OnMessage, OnOpen } from 'nestjs-realtime';

/** A chat that speaks JSON, `{ type, data }`; any other text is answered with the server's time. */
@WebSocketGateway({ path: '/ws' })
export class WebSocketService implements OnOpen, OnMessage, OnClose {
  private readonly logger = new Logger(WebSocketService.name);

  constructor(private readonly server: RealtimeServer) {}

  onOpen(connection: Connection): void {
    this.logger.log(`${connection.id} opened from ${connection.address}`);
    connection.send(frame('welcome', connection));
  }

  async onMessage(connection: Connection, message: Message): Promise<void> {
    if (message.text().startsWith('{')) await this.chat(connection, message.json());
    else connection.send(`The server's time is ${new Date().toISOString()}`);
  }

  async onClose(connection: Connection, { code }: CloseInfo): Promise<void> {
    this.logger.log(`${connection.id} closed with ${code}`);
    if (connection.userId !== undefined) await this.announce('close', connection);
  }

  private async chat(connection: Connection, { type, to, text }: Record<string, unknown>): Promise<void> {
    if (type === 'connect') await this.enter(connection, checked(text, 40));
    else if (type === 'message') await this.server.toEveryone().push(frame(type, connection, { text: checked(text) }));
    else if (type === 'private') await this.whisper(connection, checked(to), checked(text));
    else throw new MessageError('bad_type', 'type must be connect, message or private');
  }

  private async enter(connection: Connection, name: string): Promise<void> {
    if (await this.server.bind(connection.id, name)) await this.announce('connect', connection);
  }

  private async whisper(connection: Connection, to: string, text: string): Promise<void> {
    const words = frame('private', connection, { to, text });
    const arrived = await this.server.push(to, words).catch(unanswered);
    if (!arrived) throw new MessageError('not_here', 'This person has left');
    if (to !== connection.id) connection.send(words);
  }

  private async announce(type: 'connect' | 'close', connection: Connection): Promise<void> {
    const members = await this.server.toEveryone().members();
    const people = members.filter(({ userId }) => userId !== undefined).map(person);
    await this.server.toEveryone().push(frame(type, connection, { people }));
  }
}

const person = ({ id, userId }: Member) => ({ id, name: userId ?? 'Guest' });
const frame = (type: string, from: Member, more?: object) =>
  JSON.stringify({ type, data: { ...person(from), ...more } });

/** The node of the receiver may have died a moment ago: then so have its connections. */
function unanswered(error: RealtimeError): false {
  if (error.code === 'no_answer') return false;
  throw error;
}

function checked(text: unknown, max = 2000): string {
  if (typeof text === 'string' && text.trim() !== '' && text.length <= max) return text;
  throw new MessageError('bad_text', `Expected a text of 1 to ${max} characters, not only spaces`);
}
