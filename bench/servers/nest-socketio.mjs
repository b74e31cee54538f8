/** Nest's IoAdapter, which runs on socket.io. Clients use its WebSocket transport only. */
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { obey } from './control.mjs';
import { echoGateways, fanGateway, roomGateway } from './nest-gateways.mjs';
import { PUSH_TEXT } from './shapes.mjs';

const options = { transports: ['websocket'], pingInterval: 300_000, pingTimeout: 300_000, serveClient: false };
const at = (path) => ({ ...options, namespace: path });

class AppModule {}
Module({
  providers: [
    ...echoGateways(at),
    fanGateway(at('/fan'), (server) => server.emit('m', PUSH_TEXT.slice(15))),
    roomGateway(at('/rooms')),
  ],
})(AppModule);

const app = await NestFactory.create(AppModule, { logger: ['log', 'warn', 'error'] });
app.useWebSocketAdapter(new IoAdapter(app));
await app.listen(0, '127.0.0.1');
obey(app.getHttpServer().address().port);
