import { jest } from '@jest/globals';
import { Subject } from 'rxjs';
import { FakeNode, turn } from '../../../../../test/support/fakes/fake-node.js';
import { Message } from '../../message.js';
import { ErrorReplies } from './error-replies.js';
import { MessageRouter } from './message-router.js';

afterEach(() => jest.restoreAllMocks());

/** A client whose event `count` counts, `stream` is answered by hand, `fail` fails and `long` has a long answer. */
async function client(isSession = true) {
  const node = await new FakeNode().start();
  const { socket, connection } = await node.opened();
  Object.assign(connection, { isSession });
  const items = new Subject<number>();
  const calls = { count: 0 };
  const methods = {
    count: () => ++calls.count,
    stream: () => items,
    fail: () => Promise.reject(new Error(`no ${++calls.count}`)),
    long: () => `${++calls.count}${'x'.repeat(300_000)}`,
  };
  const byEvent = Object.entries(methods).map(
    ([event, call]) => [event, [{ isStream: event === 'stream', call }]] as const,
  );
  const { node: parts } = node.engine;
  const parser = { isJson: true, parse: (message: Message) => message.json() };
  const router = new MessageRouter(new Map(byEvent), undefined, parser, new ErrorReplies(parts), parts);
  const ask = async (event: string, id?: string | number) => {
    await router.receive(connection, new Message(Buffer.from(JSON.stringify({ event, id })), false));
  };
  return { ask, items, calls, sent: () => socket.sent.splice(0).map((text) => JSON.parse(String(text)) as unknown) };
}

const ALREADY = (id: unknown) => ({
  ...{ event: 'exception', data: expect.objectContaining({ code: 'already_handled' }), id },
});

it('A request that is sent again gets the answer that was kept, and is not handled again', async () => {
  const { ask, sent, calls } = await client();
  for (const id of ['7', 8, '7', 8]) await ask('count', id);
  const answers = [
    { event: 'count', data: 1, id: '7' },
    { event: 'count', data: 2, id: 8 },
  ];
  expect([sent(), calls.count]).toEqual([[...answers, ...answers], 2]);
});

it('A request that failed gets the same error again', async () => {
  const { ask, sent, calls } = await client();
  await ask('fail', '1');
  await ask('fail', '1');
  const [first, second, ...more] = sent();
  expect([first, more, calls.count]).toEqual([second, [], 1]);
});

it('A request that is still being handled waits for the first one', async () => {
  const { ask, sent, items } = await client();
  await ask('stream', '1');
  items.next(1);
  await ask('stream', '1');
  items.complete();
  await turn();
  const answer = [
    { event: 'stream', data: 1, id: '1' },
    { event: 'rt:done', data: { dropped: 0 }, id: '1' },
  ];
  expect(sent()).toEqual(answer);
  await ask('stream', '1');
  expect(sent()).toEqual(answer);
});

it('A request whose answer is not kept any more gets already_handled: after 256 others', async () => {
  const { ask, sent, calls } = await client();
  for (let id = 1; id <= 257; id++) await ask('count', String(id));
  sent();
  for (const id of ['1', '2', '257', '258']) await ask('count', id);
  expect(sent()).toEqual([
    ALREADY('1'),
    { event: 'count', data: 2, id: '2' },
    { event: 'count', data: 257, id: '257' },
    { event: 'count', data: 258, id: '258' },
  ]);
  expect(calls.count).toBe(258);
});

it('A request whose answer is not kept any more gets already_handled: after two minutes, or when it was too long', async () => {
  const { ask, sent, calls } = await client();
  const now = jest.spyOn(performance, 'now').mockReturnValue(1000);
  await ask('count', 5);
  await ask('long', 6);
  sent();
  await ask('long', 6);
  now.mockReturnValue(1000 + 120_000);
  await ask('count', 5);
  expect([sent(), calls.count]).toEqual([[ALREADY(6), ALREADY(5)], 2]);
});

it('A bare client may use an id again, and messages without an id are always handled', async () => {
  const bare = await client(false);
  for (let turns = 0; turns < 2; turns++) await bare.ask('count', '7');
  const library = await client();
  for (let turns = 0; turns < 2; turns++) await library.ask('count');
  expect([bare.calls.count, library.calls.count]).toEqual([2, 2]);
});
