/** A gateway that was written for Nest's WsAdapter, with every kind of argument and of reply. */
import {
  ConnectedSocket,
  MessageBody,
  SubscribeMessage,
  WebSocketGateway,
  WebSocketServer,
  WsException,
  type WsResponse,
} from '@nestjs/websockets';
import { concat, from, map, type Observable, throwError } from 'rxjs';

/** The members of a client of `ws` that gateways use. */
export interface Client {
  readonly readyState: number;
  send(data: string | Buffer): void;
  close(code?: number, reason?: string): void;
  terminate(): void;
  on(event: string, listener: (...args: unknown[]) => void): unknown;
}

/** Answers markers: see `ask`. */
export class Marker {
  @SubscribeMessage('marker')
  marker(@MessageBody() data: unknown): WsResponse<unknown> {
    return { event: 'marker', data };
  }
}

/** An event may be a number too. */
enum Opcode {
  Join = 1,
}

@WebSocketGateway()
export class Classic extends Marker {
  @WebSocketServer() server!: { readonly clients: Iterable<Client> & { readonly size: number } };

  @SubscribeMessage('echo')
  echo(@MessageBody() data: unknown): WsResponse<unknown> {
    return { event: 'echo', data };
  }
  @SubscribeMessage('property')
  property(@MessageBody('name') name: string, @ConnectedSocket() client: Client) {
    return { event: 'property', data: `${name} ${typeof client.send} ${client.readyState}` };
  }
  @SubscribeMessage('bare')
  bare(client: Client, data: unknown, ...rest: unknown[]) {
    client.send(JSON.stringify({ event: 'bare', data, rest: rest.filter((each) => each !== undefined) }));
  }
  @SubscribeMessage('promise')
  async promise(@MessageBody() data: number) {
    return { event: 'promise', data: data + 1 };
  }
  @SubscribeMessage('observable')
  observable(): Observable<WsResponse<number>> {
    return from([1, 2, 3]).pipe(map((data) => ({ event: 'observable', data })));
  }
  @SubscribeMessage('late observable')
  async lateObservable() {
    return this.observable();
  }
  @SubscribeMessage('midway')
  midway(): Observable<WsResponse<number>> {
    return concat(
      this.observable(),
      throwError(() => new WsException('midway')),
    );
  }
  @SubscribeMessage('everyone')
  everyone() {
    for (const client of this.server.clients) client.send(JSON.stringify({ event: 'everyone' }));
    return { event: 'size', data: this.server.clients.size };
  }
  @SubscribeMessage('value')
  value(@MessageBody() data: unknown) {
    return data;
  }
  @SubscribeMessage('binary')
  binary(@ConnectedSocket() client: Client) {
    client.send(Buffer.from([1, 2, 3]));
  }
  @SubscribeMessage(Opcode.Join as never)
  opcode(@MessageBody() data: unknown) {
    return { event: 'opcode', data };
  }
  @SubscribeMessage('fails')
  fails(@MessageBody() data: string) {
    throw new WsException(data === 'object' ? { my: 'shape' } : 'told');
  }
  @SubscribeMessage('rejects')
  async rejects() {
    await Promise.resolve();
    throw new WsException('later');
  }
  @SubscribeMessage('leave')
  leave(@ConnectedSocket() client: Client) {
    client.close(4321, 'you asked');
    return { event: 'leave', data: 'never seen' };
  }
  @SubscribeMessage('cut')
  cut(@ConnectedSocket() client: Client) {
    client.terminate();
  }
}
