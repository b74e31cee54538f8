/** nestjs-realtime, through Nest, with every bound on: only the rates are so high that the load stays below them. */
import 'reflect-metadata';
import { UseGuards, UsePipes, ValidationPipe } from '@nestjs/common';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { RealtimeServer } from 'nestjs-realtime';
import { AllowGuard, OrderBody, PassPipe } from './bodies.mjs';
import { injects, methods, parameters } from './decorate.mjs';
import { serve } from './realtime-app.mjs';
import { CHURN, churnRooms, indexOf, PUSH_TEXT, roomCursor, roomsOf, userOf, USERS } from './shapes.mjs';

const nextRooms = roomCursor();
const gateways = [];

function gateway(path, target, options = {}) {
  WebSocketGateway({ path, ...options })(target);
  injects(target, RealtimeServer);
  gateways.push(target);
}

class Echo {
  onMessage(connection, message) {
    connection.send(message);
  }
}
gateway('/echo', Echo);
gateway('/bare', class Bare extends Echo {}, { middleware: false });

class TextEcho {
  onMessage(connection, message) {
    connection.send(message.text());
  }
}
gateway('/text', TextEcho);

class AsyncEcho {
  async onMessage(connection, message) {
    connection.send(message);
  }
}
gateway('/async', AsyncEcho);

function jsonGateway(path, ...decorators) {
  class Json {
    echo(data) {
      return { event: 'echo', data };
    }
  }
  methods(Json, { echo: [SubscribeMessage('echo'), ...decorators] });
  parameters(Json, { echo: [MessageBody()] }, { echo: [path === '/validated' ? OrderBody : Object] });
  gateway(path, Json);
}
jsonGateway('/json');
jsonGateway('/guarded', UseGuards(new AllowGuard()), UsePipes(new PassPipe()));
jsonGateway('/validated', UseGuards(new AllowGuard()), UsePipes(new ValidationPipe({ transform: true })));

class Fan {
  constructor(server) {
    this.server = server;
  }
  onMessage() {
    void this.server.toEveryone('/fan').push(PUSH_TEXT);
  }
}
gateway('/fan', Fan);

class Rooms {
  constructor(server) {
    this.server = server;
  }
  onHandshake(request) {
    return { rooms: roomsOf(indexOf(request.url)) };
  }
  onMessage() {
    nextRooms((room) => void this.server.to(room).push(PUSH_TEXT));
  }
}
gateway('/rooms', Rooms);

class Users {
  constructor(server) {
    this.server = server;
  }
  onHandshake(request) {
    return { userId: userOf(indexOf(request.url)) };
  }
  onMessage() {
    for (let i = 0; i < USERS; i++) void this.server.toUser(`user-${i}`).push(PUSH_TEXT);
  }
}
gateway('/users', Users);

class Churn {
  onMessage(connection) {
    for (let i = 0; i < CHURN; i++) void connection.join(churnRooms[i]);
    for (let i = 0; i < CHURN; i++) void connection.leave(churnRooms[i]);
    connection.send('done');
  }
}
gateway('/churn', Churn);

await serve({ providers: gateways });
