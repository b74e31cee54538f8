/**
 * The application of `npm run check:runtimes`, on the built library: each connection is in one room with a history. As a
 * main module it is a node with a server, on the port that PORT names; REALTIME_* says where the broker is.
 */
import 'reflect-metadata';
import { fileURLToPath } from 'node:url';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { RealtimeModule } from 'nestjs-realtime';

export const ROOM = 'numbers';
export const LOGGED = { logger: ['warn', 'error'] };

class NumbersGateway {
  async onOpen(connection) {
    await connection.join(ROOM);
  }

  half(number) {
    return { event: 'half', data: number / 2 };
  }
}
const { prototype } = NumbersGateway;
MessageBody()(prototype, 'half', 0);
Reflect.defineMetadata('design:paramtypes', [Number], prototype, 'half');
SubscribeMessage('half')(prototype, 'half', Object.getOwnPropertyDescriptor(prototype, 'half'));
WebSocketGateway({ path: '/ws' })(NumbersGateway);

export class AppModule {}
const rooms = { [ROOM]: { history: { size: 1000, age: 300 } } };
Module({ imports: [RealtimeModule.forRoot({ envFile: false, rooms })], providers: [NumbersGateway] })(AppModule);

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const app = await NestFactory.create(AppModule, LOGGED);
  app.enableShutdownHooks();
  await app.listen(Number(process.env.PORT), '127.0.0.1');
  console.log('listening');
}
