/**
 * An application as a user of the packages writes it: hooks, a guard, a message method, and a client. The consumer matrix
 * compiles it to ESM and to CommonJS and runs it in bare applications; it prints its results as one line of JSON.
 */
import 'reflect-metadata';
import { type CanActivate, type ExecutionContext, Injectable, Module, UseGuards } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import {
  CloseCode,
  type CloseInfo,
  Connection,
  type HandshakeRequest,
  Message,
  type OnClose,
  type OnMessage,
  type OnOpen,
  RealtimeModule,
  RealtimeServer,
} from 'nestjs-realtime';
import { TestClient } from 'nestjs-realtime/testing';

@Injectable()
class TokenGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    return context.switchToHttp().getRequest<{ headers: Record<string, string> }>().headers['x-token'] === 'secret';
  }
}

@UseGuards(TokenGuard)
@WebSocketGateway({ path: '/ws' })
class WebSocketService implements OnOpen, OnMessage, OnClose {
  readonly closes: number[] = [];

  constructor(private readonly server: RealtimeServer) {}

  onOpen(connection: Connection, request: HandshakeRequest): void {
    connection.send(`Welcome ${request.query.get('name')}`);
  }
  async onMessage(connection: Connection, message: Message): Promise<void> {
    await this.server.toEveryone().push(`${message.text()} from ${connection.path}`);
  }
  onClose(_connection: Connection, { code }: CloseInfo): void {
    this.closes.push(code);
  }
  @SubscribeMessage('sum')
  sum(@MessageBody() numbers: number[]) {
    return { event: 'sum', data: numbers.reduce((total, number) => total + number, 0) };
  }
}

@Module({ imports: [RealtimeModule.forRoot({ envFile: false })], providers: [WebSocketService] })
class AppModule {}

async function main(): Promise<void> {
  const app = await NestFactory.create(AppModule, { logger: ['warn', 'error'] });
  await app.listen(0, '127.0.0.1');
  const url = (await app.getUrl()).replace('http', 'ws');
  const refused = await TestClient.connect(`${url}/ws`).catch((error: { status: number }) => error.status);
  const client = await TestClient.connect(`${url}/ws?name=ann`, { headers: { 'x-token': 'secret' } });
  const heard = [await client.next()];
  client.send('hello');
  heard.push(await client.next());
  client.send({ event: 'sum', data: [1, 2, 3] });
  heard.push(await client.next());
  await app.get(RealtimeServer).toEveryone().emit('pushed', 7);
  heard.push(await client.next());
  await app.close();
  const { code } = await client.closed();
  const { closes } = app.get(WebSocketService);
  console.log(JSON.stringify({ refused, heard, code, closes, isKnown: code === CloseCode.GOING_AWAY }));
}

void main();
