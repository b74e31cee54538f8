/** An application for the client: numbered events, requests, and a record of what its hooks and methods have seen. */
import { Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { type CloseInfo, Connection, RealtimeModule, type RealtimeOptions } from 'nestjs-realtime';
import { createTestApp, type TestApp } from 'nestjs-realtime/testing';

/** What client and gateway say to each other. */
export interface Numbers {
  server: { n: number };
  client: { say: { in: number; out: number } };
}

@WebSocketGateway({ path: '/ws' })
export class NumbersGateway {
  readonly opened: string[] = [];
  readonly closed: number[] = [];
  readonly said: number[] = [];

  onOpen({ id }: Connection): void {
    this.opened.push(id);
  }

  @SubscribeMessage('say')
  say(@MessageBody() n: number): { event: string; data: number } {
    this.said.push(n);
    return { event: 'said', data: n };
  }

  onClose(_connection: Connection, { code }: CloseInfo): void {
    this.closed.push(code);
  }
}

export interface NumbersApp {
  readonly app: TestApp;
  readonly gateway: NumbersGateway;
}

const UNBOUNDED = {
  maxConnectionsPerAddress: 0,
  maxConnectionRatePerAddress: 0,
  maxConnectionRate: 0,
  maxFailedHandshakes: 0,
};

/** @param port default: a free one */
export async function startNumbers(options: RealtimeOptions = {}, port?: number): Promise<NumbersApp> {
  class AppModule {}
  Module({
    imports: [RealtimeModule.forRoot({ ...UNBOUNDED, ...options })],
    providers: [NumbersGateway],
  })(AppModule);
  const testing = await Test.createTestingModule({ imports: [AppModule] }).compile();
  const app = await createTestApp(
    testing,
    port === undefined ? {} : { configure: (nest) => void listenOn(nest, port) },
  );
  return { app, gateway: app.app.get(NumbersGateway) };
}

/** A server that comes back has the port that it had. */
function listenOn(nest: { listen: (port: number, host: string) => Promise<unknown> }, port: number): void {
  const listen = nest.listen.bind(nest);
  nest.listen = (_port, host) => listen(port, host);
}
