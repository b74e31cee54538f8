/** Types only: `npm run check:types` is what fails here; the bodies never run against a server. */
import { expectTypeOf } from 'expect-type';
import type { ExceptionData, Present, RealtimeSocket } from './index.js';
import { stream } from './index.js';

interface Line {
  from: string;
  text: string;
}

interface Chat {
  server: { message: Line; tick: number; bye: undefined };
  client: {
    say: { text: string };
    leave: undefined;
    typing: { isTyping: boolean } | undefined;
    history: { in: { n: number }; out: Line[] };
    count: { in: undefined; out: number };
    prices: { in: { of: string }; items: number };
  };
  presence: { isTyping: boolean };
}

type Check = (socket: RealtimeSocket<Chat>, plain: RealtimeSocket) => void;
const checked = (check: Check) => expect(check).toBeInstanceOf(Function);

describe('the types of a contract', () => {
  it('name the events from the server, and their data', () => {
    checked((socket) => {
      socket.on('message', (data, meta) => {
        expectTypeOf(data).toEqualTypeOf<Line>();
        expectTypeOf(meta.room).toEqualTypeOf<string | undefined>();
      });
      socket.on('exception', (data) => expectTypeOf(data).toEqualTypeOf<ExceptionData>());
      expectTypeOf(socket.events('tick')).toEqualTypeOf<AsyncIterableIterator<number>>();
      // @ts-expect-error -- the server does not send it
      socket.on('mesage', () => {});
      // @ts-expect-error -- it is sent by the client
      socket.on('say', () => {});
      // @ts-expect-error -- the data has another type
      socket.on('tick', (data: string) => data);
    });
  });

  it('name the events from the client, and check their data', () => {
    checked((socket) => {
      expectTypeOf(socket.emit('say', { text: 'hi' })).toEqualTypeOf<boolean>();
      socket.emit('say', { text: 'hi' }, { retry: true });
      socket.emit('leave');
      socket.emit('typing');
      socket.emit('typing', { isTyping: true });
      // @ts-expect-error -- there is no such event
      socket.emit('sai', { text: 'hi' });
      // @ts-expect-error -- the data is missing
      socket.emit('say');
      // @ts-expect-error -- the data has another type
      socket.emit('say', { text: 5 });
      // @ts-expect-error -- it is a request
      socket.emit('history', { n: 5 });
      // @ts-expect-error -- it is sent by the server
      socket.emit('message', { from: 'a', text: 'b' });
    });
  });

  it('check requests and the types of their answers', () => {
    checked((socket) => {
      expectTypeOf(socket.request('history', { n: 20 })).toEqualTypeOf<Promise<Line[]>>();
      expectTypeOf(socket.request('count')).toEqualTypeOf<Promise<number>>();
      expectTypeOf(socket.request('say', { text: 'hi' })).toEqualTypeOf<Promise<unknown>>();
      void socket.request('history', { n: 20 }, { timeout: 5000, signal: AbortSignal.abort() });
      // @ts-expect-error -- the data has another type
      void socket.request('history', { n: 'x' });
      // @ts-expect-error -- there is no such request
      void socket.request('histories', { n: 1 });
      // @ts-expect-error -- it is a stream
      void socket.request('prices', { of: 'tea' });
    });
  });

  it('check streams and the types of their items', () => {
    checked((socket) => {
      expectTypeOf(stream(socket, 'prices', { of: 'tea' })).toEqualTypeOf<AsyncIterableIterator<number>>();
      // @ts-expect-error -- it is not a stream
      stream(socket, 'history', { n: 1 });
      // @ts-expect-error -- the data has another type
      stream(socket, 'prices', { of: 1 });
    });
  });

  it('give the state of users who are present', () => {
    checked((socket) => {
      type Users = ReadonlyMap<string, Present<{ isTyping: boolean }>>;
      expectTypeOf(socket.room('a').presence).toEqualTypeOf<Users>();
      socket.room('a').on('presence', (users) => expectTypeOf(users).toEqualTypeOf<Users>());
      // @ts-expect-error -- there is no such event of a room
      socket.room('a').on('gone', () => {});
    });
  });

  it('narrow the state by its status', () => {
    checked(({ state }) => {
      if (state.status === 'waiting') expectTypeOf(state.retryAt).toEqualTypeOf<number | undefined>();
      if (state.status === 'closed') expectTypeOf(state.reason).toEqualTypeOf<string>();
      // @ts-expect-error -- only a waiting or a closed connection has a reason
      void state.reason;
    });
  });
});

describe('the types without a contract', () => {
  it('allow every event', () => {
    checked((_socket, plain) => {
      plain.on('anything', (data) => expectTypeOf(data).toEqualTypeOf<any>());
      plain.emit('anything', { a: 1 });
      plain.emit('anything');

      expectTypeOf(plain.request('anything', 1)).toEqualTypeOf<Promise<any>>();
      // @ts-expect-error -- the name of an event is a text
      plain.emit(5);
    });
  });
});
