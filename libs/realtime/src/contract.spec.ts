/** Types only: `npm run check:types` is what fails here; the bodies never run. */
import { expectTypeOf } from 'expect-type';
import type { Connection, RealtimeServer, Target, TypedTarget } from './index.js';

interface Chat {
  server: { message: { from: string; text: string }; bye: undefined };
  client: { say: { text: string } };
  data: { name: string };
}

interface User {
  name: string;
}

type Check = (parts: {
  server: RealtimeServer<Chat>;
  connection: Connection<Chat>;
  plainServer: RealtimeServer;
  plain: Connection;
  withData: Connection<User>;
}) => void;
const checked = (check: Check) => expect(check).toBeInstanceOf(Function);

describe('the types of a contract on the server', () => {
  it('check the events that a connection emits, and give the type of its data', () => {
    checked(({ connection }) => {
      expectTypeOf(connection.emit('message', { from: 'a', text: 'b' })).toEqualTypeOf<boolean>();
      expectTypeOf(connection.data).toEqualTypeOf<{ name: string }>();
      connection.emit('message', { from: 'a', text: 'b' }, { slow: 'drop-oldest' });
      connection.emit('bye');
      // @ts-expect-error -- there is no such event
      connection.emit('mesage', { from: 'a', text: 'b' });
      // @ts-expect-error -- the data is missing
      connection.emit('message');
      // @ts-expect-error -- the data has another type
      connection.emit('message', { from: 'a' });
      // @ts-expect-error -- it is sent by the client
      connection.emit('say', { text: 'a' });
    });
  });

  it('check the events that a server emits to any target', () => {
    checked(({ server }) => {
      expectTypeOf(server.to('room')).toEqualTypeOf<TypedTarget<Chat>>();
      void server.toUser('7').except('id').exceptRoom('a').exceptUser('b').emit('message', { from: 'a', text: 'b' });
      void server.toEveryone().emit('bye');
      expectTypeOf(server.to('room').count()).toEqualTypeOf<Promise<number>>();
      expectTypeOf(server.connections).toEqualTypeOf<ReadonlyMap<string, Connection<Chat>>>();
      // @ts-expect-error -- there is no such event
      void server.to('room').emit('mesage', { from: 'a', text: 'b' });
      // @ts-expect-error -- the data has another type
      void server.toConnection('id').except('x').emit('message', { text: 'b' });
    });
  });

  it('change nothing without a contract', () => {
    checked(({ plainServer, plain, withData }) => {
      expectTypeOf(plainServer.to('room')).toEqualTypeOf<Target>();
      expectTypeOf(withData.data).toEqualTypeOf<User>();
      expectTypeOf(plain.data).toBeAny();
      plain.emit('anything', 5, { slow: 'close' });
      plain.emit('anything');
      withData.emit('anything', { a: 1 });
      void plainServer.toEveryone().emit('anything', 5);
      // @ts-expect-error -- the name of an event is a text
      plain.emit(5);
      const narrower: Connection = withData;
      expectTypeOf(narrower.data).toBeAny();
    });
  });
});
