/** The gateway of the contract of transports: it does what a client asks for, and keeps what happened. */
import { type CanActivate, ForbiddenException, Injectable, UseGuards, type ExecutionContext } from '@nestjs/common';
import { WebSocketGateway } from '@nestjs/websockets';
import {
  CloseInfo,
  type Connection,
  type HandshakeRequest,
  type Message,
  type OnClose,
  type OnHandshake,
  type OnMessage,
  type OnOpen,
} from 'nestjs-realtime';

@Injectable()
class Gate implements CanActivate {
  canActivate(context: ExecutionContext) {
    return context.switchToHttp().getRequest().headers['x-want'] !== 'guard-refuses';
  }
}

@UseGuards(Gate)
@WebSocketGateway({ path: '/ws' })
export class ContractGateway implements OnHandshake, OnOpen, OnMessage, OnClose {
  readonly log: string[] = [];
  readonly closes: CloseInfo[] = [];
  readonly connections: Connection[] = [];
  private waiters: (() => void)[] = [];
  block?: Promise<void>;
  /** Part of the URL of all clients of the running test; a polling client of an earlier test may connect once more. */
  mark = '';

  onHandshake(request: HandshakeRequest) {
    if (request.headers['x-want'] === 'hook-refuses') throw new ForbiddenException('Not today');
    return { userId: String(request.headers['x-user'] ?? 'ann'), rooms: ['lobby'] };
  }
  async onOpen(connection: Connection) {
    if (!connection.url.includes(this.mark)) return;
    this.connections.push(connection);
    this.log.push('open');
    await this.block;
    connection.send('welcome');
    this.log.push('opened');
  }
  async onMessage(connection: Connection, message: Message) {
    if (message.isBinary) {
      connection.send(message.bytes());
      return;
    }
    const text = message.text();
    this.log.push(`message ${text}`);
    if (text === 'throw') throw new Error('secret');
    if (text === 'emit') connection.emit('named', { lines: 'a\nb' });
    else if (text.startsWith('pass on')) connection.send(message);
    else if (text === 'close') connection.close(4321, 'as you wish');
    else if (text.startsWith('flood ')) for (let i = 0; i < Number(text.slice(6)); i++) connection.send(`n${i}`);
    else connection.send(`echo ${text}`);
  }
  onClose(connection: Connection, close: CloseInfo) {
    if (!connection.url.includes(this.mark)) return;
    this.log.push(`close ${[...connection.rooms].join()} ${connection.send('too late')}`);
    this.closes.push(close);
    for (const waiter of this.waiters.splice(0)) waiter();
  }
  /** Forgets the connections of earlier tests. */
  reset(mark: string): void {
    this.mark = mark;
    for (const list of [this.log, this.closes, this.connections]) list.length = 0;
    this.block = undefined;
  }
  async closeOf(index: number): Promise<CloseInfo> {
    while (this.closes.length <= index) await new Promise<void>((resolve) => this.waiters.push(resolve));
    return this.closes[index]!;
  }
}
