/** Messages with an id and their one end, past guards, pipes, interceptors and filters: docs/requests.md. */
import {
  type ArgumentsHost,
  type CallHandler,
  type CanActivate,
  Catch,
  createParamDecorator,
  type ExceptionFilter,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
  ParseIntPipe,
  Scope,
  UseFilters,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import {
  BaseWsExceptionFilter,
  ConnectedSocket,
  MessageBody,
  SubscribeMessage,
  WebSocketGateway,
  WsException,
} from '@nestjs/websockets';
import { type Connection, type Message, OptionsError, requestIdOf, Stream } from 'nestjs-realtime';
import type { TestApp } from 'nestjs-realtime/testing';
import { concat, NEVER, of, throwError } from 'rxjs';
import { ADAPTERS, ask, bootOn, framesUntil } from '../support/apps/both-adapters.js';
import { Marker } from '../support/apps/classic-gateways.js';

const done = (id: unknown, dropped = 0) => ({ event: 'rt:done', data: { dropped }, id });
const exception = (data: object, id: unknown = 7) => ({ event: 'exception', data: expect.objectContaining(data), id });

class SoldOut extends Error {}

/** What filters, guards, interceptors and parameter decorators saw as the id. */
const seen: unknown[] = [];

@Catch(SoldOut)
class Translating implements ExceptionFilter {
  catch(error: SoldOut, host: ArgumentsHost) {
    seen.push(requestIdOf(host));
    throw new WsException(`There is no ${error.message}`);
  }
}

@Catch(SoldOut)
class TranslatingLater implements ExceptionFilter {
  async catch(error: SoldOut) {
    await Promise.resolve();
    throw new WsException(`Later: no ${error.message}`);
  }
}

@Catch()
class Swallowing implements ExceptionFilter {
  catch() {}
}

@Catch()
class Answering implements ExceptionFilter {
  catch(_error: unknown, host: ArgumentsHost) {
    host.switchToWs().getClient<Connection>().emit('exception', { mine: true });
  }
}

@Catch()
class Logging implements ExceptionFilter {
  catch(_error: unknown, host: ArgumentsHost) {
    host.switchToWs().getClient<Connection>().emit('logged', { mine: true });
  }
}

@Catch()
class OnlyHttp implements ExceptionFilter {
  catch(_error: unknown, host: ArgumentsHost) {
    host.switchToHttp().getResponse<{ status(code: number): void }>().status(500);
  }
}

@Injectable()
class Refusing implements CanActivate {
  canActivate(context: ExecutionContext) {
    seen.push(requestIdOf(context));
    return false;
  }
}

class Watching implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler) {
    seen.push(requestIdOf(context));
    return next.handle();
  }
}

const RequestId = createParamDecorator((_: unknown, context: ExecutionContext) => requestIdOf(context));

@WebSocketGateway({ path: '/requests' })
class Requests extends Marker {
  @SubscribeMessage('nothing')
  nothing() {}

  @UseFilters(Translating)
  @SubscribeMessage('translated')
  translated() {
    throw new SoldOut('milk');
  }
  @UseFilters(TranslatingLater)
  @SubscribeMessage('translated later')
  translatedLater() {
    throw new SoldOut('milk');
  }
  @UseFilters(Translating)
  @Stream()
  @SubscribeMessage('translated midway')
  translatedMidway() {
    return concat(
      of(1),
      throwError(() => new SoldOut('milk')),
    );
  }
  @UseFilters(Swallowing)
  @SubscribeMessage('swallowed')
  swallowed() {
    throw new SoldOut('milk');
  }
  @UseFilters(Swallowing)
  @SubscribeMessage('swallowed midway')
  swallowedMidway() {
    return this.translatedMidway();
  }
  @UseFilters(Answering)
  @SubscribeMessage('answered')
  answered() {
    throw new SoldOut('milk');
  }
  @UseFilters(new BaseWsExceptionFilter())
  @SubscribeMessage('base')
  base() {
    throw new WsException('told');
  }
  @UseFilters(Logging)
  @SubscribeMessage('logged')
  logged() {
    throw new SoldOut('milk');
  }
  @UseFilters(OnlyHttp)
  @SubscribeMessage('only http')
  onlyHttp() {
    throw new WsException('told');
  }
  @UseGuards(Refusing)
  @SubscribeMessage('guarded')
  guarded() {}

  @SubscribeMessage('piped')
  piped(@MessageBody(ParseIntPipe) data: number) {
    return data;
  }
  @UseInterceptors(Watching)
  @SubscribeMessage('decorated')
  decorated(@RequestId() id: unknown) {
    return { event: 'decorated', data: id };
  }
  @UseInterceptors(Watching)
  @SubscribeMessage('decorated stream')
  decoratedStream() {
    return of(1);
  }
  @UseInterceptors(Watching)
  @SubscribeMessage('decorated nothing')
  decoratedNothing() {}

  @SubscribeMessage('endless')
  endless() {
    return concat(of(1), NEVER);
  }
  @Stream()
  @SubscribeMessage('stream')
  stream() {
    return concat(of(1), NEVER);
  }
  @SubscribeMessage('plain')
  plain(client: Connection, data: unknown, ...rest: unknown[]) {
    return { event: 'plain', data: [typeof client.send, data, rest.length] };
  }
}

/** With a hook, it is open to all transports. */
@WebSocketGateway({ path: '/everywhere', transports: ['websocket', 'sse', 'polling'] } as object)
class Everywhere extends Requests {
  onOpen() {}
}

@Injectable({ scope: Scope.REQUEST })
class PerConnection {}

@WebSocketGateway({ path: '/scoped' })
class Scoped extends Requests {
  constructor(readonly mine: PerConnection) {
    super();
  }
}

@WebSocketGateway({ path: '/hook' })
class Hook extends Marker {
  @UseFilters(Translating)
  onMessage(connection: Connection, message: Message) {
    if (message.text().includes('fail')) throw new SoldOut('milk');
    connection.emit('hook', message.text());
  }
}

let app: TestApp;

beforeAll(async () => {
  app = await bootOn(
    'ours',
    { providers: [Requests, Everywhere, Scoped, PerConnection, Hook] },
    { realtime: { maxMessageRate: 50, maxStreams: 2 } },
  );
});

afterAll(() => app.close());

const requests = async (...messages: (string | object)[]) => ask(await app.connect('/requests'), ...messages);

beforeEach(() => {
  seen.length = 0;
});

/** The frames that a request with the id 7 gets from each method. */
const ENDS: readonly [string, object[]][] = [
  ['nothing', [done(7)]],
  ['translated', [exception({ message: 'There is no milk' })]],
  ['translated later', [exception({ message: 'Later: no milk' })]],
  ['translated midway', [{ event: 'translated midway', data: 1, id: 7 }, exception({ message: 'There is no milk' })]],
  ['swallowed', [done(7)]],
  ['swallowed midway', [{ event: 'swallowed midway', data: 1, id: 7 }, done(7)]],
  ['answered', [{ event: 'exception', data: { mine: true }, id: 7 }]],
  ['base', [exception({ message: 'told' })]],
  ['logged', [{ event: 'logged', data: { mine: true } }, done(7)]],
  ['only http', [exception({ message: 'told' })]],
  ['guarded', [exception({ message: 'Forbidden resource' })]],
  ['piped', [exception({ code: 'http_exception', statusCode: 400 })]],
  ['decorated', [{ event: 'decorated', data: 7, id: 7 }]],
  ['decorated stream', [{ event: 'decorated stream', data: 1, id: 7 }, done(7)]],
  ['decorated nothing', [done(7)]],
  ['nobody', [exception({ code: 'unknown_event' })]],
];

describe('A request with an id', () => {
  it('shows its id to filters, guards, interceptors and parameter decorators', async () => {
    await requests({ event: 'translated', id: 7 }, { event: 'guarded', id: 'a' }, { event: 'decorated', id: 0 });
    await requests({ event: 'translated' }, { event: 'guarded' }, { event: 'decorated' });
    expect(seen).toEqual([7, 'a', 0, undefined, undefined, undefined]);
  });

  it('is not interrupted by the end of another connection with the same ids', async () => {
    const [one, other] = [await app.connect('/requests'), await app.connect('/requests')];
    for (const client of [one, other]) {
      client.send({ event: 'stream', id: 7 });
      await client.next();
    }
    one.send({ event: 'rt:cancel', id: 7 });
    expect(JSON.parse(String(await one.next()))).toEqual(done(7));
    await one.close();
    expect(await ask(other, { event: 'rt:cancel', id: 7 })).toEqual([done(7)]);
  });

  it('gets the error of onMessage, also that of a filter', async () => {
    const client = await app.connect('/hook');
    expect(await ask(client, { event: 'fail', id: 7 }, { event: 'say', id: 8 }, 'fail')).toEqual([
      exception({ message: 'There is no milk' }),
      { event: 'hook', data: '{"event":"say","id":8}' },
      { event: 'exception', data: expect.objectContaining({ message: 'There is no milk' }) },
    ]);
  });

  it('gets rate_limit when it is dropped, and the client learns how many others were', async () => {
    const client = await app.connect('/requests');
    for (let id = 0; id < 60; id++) client.send({ event: 'nothing', id });
    const ends: { event: string; data: { code?: string; dropped: number }; id: number }[] = [];
    while (ends.length < 60) ends.push(JSON.parse(String(await client.next())));
    expect(ends.map(({ id }) => id).sort((a, b) => a - b)).toEqual([...Array(60).keys()]);
    const dropped = ends.filter(({ event }) => event === 'exception');
    expect(dropped.length).toBeGreaterThan(0);
    for (const { data } of dropped) expect(data).toMatchObject({ code: 'rate_limit', dropped: 1 });
  });
});

/** Every transport, and a gateway that has an instance for each connection. */
const ROADS = [
  ['a WebSocket', '/everywhere', 'websocket'],
  ['SSE', '/everywhere', 'sse'],
  ['long polling', '/everywhere', 'polling'],
  ['a WebSocket of a request-scoped gateway', '/scoped', 'websocket'],
] as const;

describe.each(ROADS)('A request with an id, over %s,', (_road, path, transport) => {
  const connect = () => app.connect(path, { transport });

  it.each(ENDS)('gets exactly one end from the method %j', async (event, frames) => {
    const client = await connect();
    expect(await ask(client, { event, id: 7 })).toEqual(frames);
    await client.close();
  });

  it('is ended by rt:cancel while the Observable of a method keeps all later messages waiting', async () => {
    const client = await connect();
    client.send({ event: 'endless', id: 7 });
    expect(JSON.parse(String(await client.next()))).toEqual({ event: 'endless', data: 1, id: 7 });
    client.send({ event: 'endless', id: 8 });
    client.send({ event: 'marker', data: 'end' });
    client.send({ event: 'rt:cancel', id: 8 });
    client.send({ event: 'rt:cancel', id: 7 });
    expect(await framesUntil(client, 'end')).toEqual([done(7), done(8)]);
  });

  it('is ended by rt:cancel when it is a stream, and its place is free again', async () => {
    const client = await connect();
    for (let id = 0; id < 5; id++) {
      client.send({ event: 'stream', id });
      expect(JSON.parse(String(await client.next()))).toEqual({ event: 'stream', data: 1, id });
      client.send({ event: 'rt:cancel', id });
      expect(JSON.parse(String(await client.next()))).toEqual(done(id));
    }
  });
});

describe('A message without an id', () => {
  it.each(ADAPTERS)('is answered with the bytes that WsAdapter sends, on %s', async (name) => {
    @WebSocketGateway()
    class Classic extends Marker {
      @SubscribeMessage('value')
      value(@MessageBody() data: unknown) {
        return data;
      }
      @SubscribeMessage('items')
      items() {
        return of({ event: 'item', data: 1 }, null, { b: 1, a: 2 });
      }
      @SubscribeMessage('fails')
      fails() {
        throw new WsException('told');
      }
      @UseFilters(new BaseWsExceptionFilter())
      @SubscribeMessage('filtered')
      filtered() {
        throw new WsException({ my: 'shape' });
      }
      @UseFilters(Swallowing)
      @SubscribeMessage('swallowed')
      swallowed() {
        throw new Error('secret');
      }
      @SubscribeMessage('arguments')
      arguments(@ConnectedSocket() _client: unknown, @MessageBody() data: unknown, ...rest: unknown[]) {
        return { event: 'arguments', data: [data, rest.length] };
      }
    }
    const classic = await bootOn(name, { providers: [Classic] });
    const client = await classic.connect('/');
    const frames: unknown[] = [];
    for (const [event, data] of Object.entries({ value: 5, items: 0, fails: { a: 1 }, filtered: 0, swallowed: 0 })) {
      client.send({ event, data });
      client.send({ event: 'marker', data: event });
      for (let frame = await client.next(); frame !== `{"event":"marker","data":"${event}"}`;) {
        frames.push(frame);
        frame = await client.next();
      }
    }
    client.send('{"event":"value","data":{"event":"x","data":[null]},"id":null}');
    client.send('{"event":"arguments","data":1}');
    frames.push(await client.next(), await client.next());
    await classic.close();
    expect(frames).toEqual([
      '5',
      '{"event":"item","data":1}',
      '{"b":1,"a":2}',
      '{"event":"exception","data":{"status":"error","message":"told","cause":{"pattern":"fails","data":{"a":1}}}}',
      '{"event":"exception","data":{"my":"shape"}}',
      '{"event":"x","data":[null]}',
      '{"event":"arguments","data":[1,0]}',
    ]);
  });
});

describe('A method for an event with a reserved name', () => {
  it('is an error at boot that names the method', async () => {
    @WebSocketGateway()
    class Reserved {
      @SubscribeMessage('rt:mine')
      mine() {}
    }
    const booting = bootOn('ours', { providers: [Reserved] });
    await expect(booting).rejects.toThrow(OptionsError);
    await expect(booting).rejects.toThrow('Reserved.mine subscribes to the event "rt:mine"');
  });
});
