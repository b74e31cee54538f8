/** Nest's WsAdapter, which runs on `ws`. */
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { WsAdapter } from '@nestjs/platform-ws';
import { WebSocket } from 'ws';
import { obey } from './control.mjs';
import { echoGateways, fanGateway } from './nest-gateways.mjs';
import { PUSH_TEXT } from './shapes.mjs';

const at = (path) => ({ path, maxPayload: 1 << 20 });

function push(server) {
  for (const client of server.clients) if (client.readyState === WebSocket.OPEN) client.send(PUSH_TEXT);
}

class AppModule {}
Module({ providers: [...echoGateways(at), fanGateway(at('/fan'), push)] })(AppModule);

const app = await NestFactory.create(AppModule, { logger: ['log', 'warn', 'error'] });
app.useWebSocketAdapter(new WsAdapter(app));
await app.listen(0, '127.0.0.1');
obey(app.getHttpServer().address().port);
