/** Gateways for WsAdapter on paths of their own: lifecycle, a shared path, verifyClient, streams, and differences. */
import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { BadRequestException } from '@nestjs/common';
import {
  ConnectedSocket,
  MessageBody,
  type OnGatewayConnection,
  type OnGatewayDisconnect,
  type OnGatewayInit,
  SubscribeMessage,
  WebSocketGateway,
  WsException,
} from '@nestjs/websockets';
import { Stream } from 'nestjs-realtime';
import { finalize, interval, map, take, timer } from 'rxjs';
import { type Client, Marker } from './classic-gateways.js';

/** The calls of the lifecycle methods of `Lifecycle`. */
export const lifecycle: string[] = [];

@WebSocketGateway({ path: '/lifecycle' })
export class Lifecycle extends Marker implements OnGatewayInit, OnGatewayConnection, OnGatewayDisconnect {
  afterInit(server: object) {
    lifecycle.push(`init ${'clients' in server}`);
  }
  handleConnection(client: Client, request: IncomingMessage) {
    lifecycle.push(`connection ${client.readyState} ${request.url} ${request.headers['x-name'] as string}`);
  }
  handleDisconnect(client: Client, reason?: unknown) {
    lifecycle.push(`disconnect ${client.readyState} ${String(reason)}`);
  }
}

@WebSocketGateway({ path: '/shared' })
export class SharedOne extends Marker {
  @SubscribeMessage('one')
  one() {
    return { event: 'one' };
  }
  @SubscribeMessage('both')
  both() {
    return { event: 'both', data: 'one' };
  }
}

@WebSocketGateway({ path: '/shared' })
export class SharedTwo {
  @SubscribeMessage('two')
  two() {
    return { event: 'two' };
  }
  @SubscribeMessage('both')
  both() {
    return { event: 'both', data: 'two' };
  }
}

@WebSocketGateway({
  path: '/verified',
  verifyClient: ({ req }: { req: IncomingMessage }) => req.headers['x-name'] === 'ann',
})
export class Verified extends Marker {}

@WebSocketGateway({
  path: '/verified-later',
  verifyClient: ({ req }: { req: IncomingMessage }, answer: (...args: unknown[]) => void) =>
    answer(req.headers['x-name'] === 'ann', 418, 'Teapot', { 'x-why': 'tea' }),
})
export class VerifiedLater extends Marker {}

/** The number of running tickers. */
export const ticking = { count: 0 };

@WebSocketGateway({ path: '/streams' })
export class Streaming extends Marker {
  @Stream()
  @SubscribeMessage('ticks')
  ticks() {
    ticking.count++;
    const ticks = interval(2).pipe(map((data) => ({ event: 'tick', data })));
    return ticks.pipe(finalize(() => ticking.count--));
  }
  @Stream()
  @SubscribeMessage('three')
  three() {
    return timer(20, 1).pipe(
      take(3),
      map((data) => ({ event: 'three', data })),
    );
  }
}

/** Methods that behave otherwise on WsAdapter. */
@WebSocketGateway({ path: '/other' })
export class Other extends Marker {
  private readonly ready = new WeakSet<object>();

  async handleConnection(client: object) {
    await sleep(30);
    this.ready.add(client);
  }
  @SubscribeMessage('ready')
  isReady(@ConnectedSocket() client: object) {
    return { event: 'ready', data: this.ready.has(client) };
  }
  @SubscribeMessage('slow')
  async slow(@MessageBody() data: number) {
    await sleep(data);
    return { event: 'slow', data };
  }
  @SubscribeMessage('slow items')
  slowItems() {
    return timer(10, 10).pipe(
      take(2),
      map((data) => ({ event: 'item', data })),
    );
  }
  @SubscribeMessage('generator')
  async *generator() {
    yield { event: 'generator', data: 1 };
    yield { event: 'generator', data: 2 };
  }
  @SubscribeMessage('http')
  http() {
    throw new BadRequestException(['name must be a string']);
  }
  @SubscribeMessage('crashes')
  crashes() {
    throw new Error('secret');
  }
  @SubscribeMessage('events')
  events(@ConnectedSocket() client: Client) {
    client.on('message', () => {});
    return { event: 'events', data: 'listening' };
  }
  @SubscribeMessage('mixed')
  mixed(client: Client | undefined, @MessageBody() data: unknown) {
    return { event: 'mixed', data: [typeof client?.send, data] };
  }
  @SubscribeMessage('refused')
  refused() {
    throw new WsException('too long');
  }
}
