/** The gateways for Nest's own adapters, as an application would write them. */
import { UseGuards, UsePipes, ValidationPipe } from '@nestjs/common';
import { ConnectedSocket, MessageBody, SubscribeMessage, WebSocketGateway, WebSocketServer } from '@nestjs/websockets';
import { AllowGuard, OrderBody, PassPipe } from './bodies.mjs';
import { methods, parameters } from './decorate.mjs';
import { CHURN, churnRooms, indexOf, PUSH_TEXT, roomCursor, roomsOf, userOf, USERS } from './shapes.mjs';

function echoGateway(options, isValidated, ...decorators) {
  class Echo {
    echo(data) {
      return { event: 'echo', data };
    }
  }
  methods(Echo, { echo: [SubscribeMessage('echo'), ...decorators] });
  parameters(Echo, { echo: [MessageBody()] }, { echo: [isValidated ? OrderBody : Object] });
  WebSocketGateway(options)(Echo);
  return Echo;
}

export function echoGateways(at) {
  return [
    echoGateway(at('/echo'), false),
    echoGateway(at('/guarded'), false, UseGuards(new AllowGuard()), UsePipes(new PassPipe())),
    echoGateway(at('/validated'), true, UseGuards(new AllowGuard()), UsePipes(new ValidationPipe({ transform: true }))),
  ];
}

/** @param push pushes to everyone, given the `@WebSocketServer()` of the gateway */
export function fanGateway(options, push) {
  class Fan {
    push() {
      push(this.server);
    }
  }
  methods(Fan, { push: [SubscribeMessage('push')] });
  WebSocketServer()(Fan.prototype, 'server');
  WebSocketGateway(options)(Fan);
  return Fan;
}

/** Uses the rooms of socket.io. */
export function roomGateway(at) {
  const nextRooms = roomCursor();
  class Rooms {
    handleConnection(client) {
      const { url } = client.request;
      client.join(url.includes('kind=users') ? userOf(indexOf(url)) : roomsOf(indexOf(url)));
    }
    rooms() {
      nextRooms((room) => this.server.to(room).emit('m', PUSH_TEXT.slice(17)));
    }
    users() {
      for (let i = 0; i < USERS; i++) this.server.to(`user-${i}`).emit('m', PUSH_TEXT.slice(17));
    }
    churn(client) {
      for (let i = 0; i < CHURN; i++) client.join(churnRooms[i]);
      for (let i = 0; i < CHURN; i++) client.leave(churnRooms[i]);
      return { event: 'churn', data: 'done' };
    }
  }
  const named = (name) => [SubscribeMessage(name)];
  methods(Rooms, { rooms: named('rooms'), users: named('users'), churn: named('churn') });
  parameters(Rooms, { churn: [ConnectedSocket()] });
  WebSocketServer()(Rooms.prototype, 'server');
  WebSocketGateway(at)(Rooms);
  return Rooms;
}
