import { WsException } from '@nestjs/websockets';
import { FakeNode } from '../../../../../test/support/fakes/fake-node.js';
import { ErrorReplies } from './error-replies.js';

/** A connection to which an error is sent. */
async function connect() {
  const node = await new FakeNode().start();
  const { socket, connection } = await node.opened();
  const errors = new ErrorReplies(node.engine.node);
  const counts = () => {
    const { messageErrors, hookErrors } = node.engine.node.counters;
    return { messageErrors, hookErrors };
  };
  return { errors, connection, counts, log: node.log, sent: () => socket.sent.map((text) => JSON.parse(String(text))) };
}

it('answers and counts a fault of the client, and does not log it', async () => {
  const { errors, connection, counts, log, sent } = await connect();
  errors.send(connection, new WsException('no'), { cause: { pattern: 'join', data: 1 }, id: 7 });
  const data = { status: 'error', message: 'no', cause: { pattern: 'join', data: 1 } };
  expect(sent()).toEqual([{ event: 'exception', data, id: 7 }]);
  expect([counts(), log.with('failed')]).toEqual([{ messageErrors: 1, hookErrors: 0 }, []]);
});

it('answers, counts and logs a fault of the server, and exposes nothing of it', async () => {
  const { errors, connection, counts, log, sent } = await connect();
  errors.send(connection, new Error('secret'), { hook: 'onMessage' });
  expect(sent()).toEqual([
    { event: 'exception', data: { status: 'error', code: 'internal', message: 'Internal server error' } },
  ]);
  expect(counts()).toEqual({ messageErrors: 0, hookErrors: 1 });
  expect(log.with('onMessage failed')).toEqual([expect.stringContaining('error="Error: secret"')]);
});

it('names the event of a message method in the log, made safe', async () => {
  const { errors, connection, log } = await connect();
  errors.send(connection, new Error('no'), { cause: { pattern: 'a\nb' } });
  expect(log.with('message method event=a\\x0ab failed')).toHaveLength(1);
});

it('repeats the data of a message up to 4096 bytes', async () => {
  const { errors, connection, sent } = await connect();
  const cause = { pattern: 'join', data: 'x' };
  errors.send(connection, new WsException('no'), { cause, bytes: 4096 });
  errors.send(connection, new WsException('no'), { cause, bytes: 4097 });
  expect(sent().map(({ data }) => data.cause)).toEqual([cause, { pattern: 'join' }]);
});

it('answers and logs when the error itself cannot be encoded', async () => {
  const { errors, connection, counts, log, sent } = await connect();
  const circular: Record<string, unknown> = {};
  circular['self'] = circular;
  errors.send(connection, new WsException(circular), { cause: { pattern: 'join' }, id: 7 });
  const data = { status: 'error', code: 'internal', message: 'Internal server error' };
  expect(sent()).toEqual([{ event: 'exception', data, id: 7 }]);
  expect([counts().hookErrors, log.with('circular').length]).toEqual([1, 1]);
});
