import { of } from 'rxjs';
import { FakeNode, turn } from '../../../../../test/support/fakes/fake-node.js';
import { Message } from '../../message.js';
import { ErrorReplies } from './error-replies.js';
import type { MessageMethod } from './message-methods.js';
import { MessageRouter, UNANSWERED } from './message-router.js';

type Parts = ConstructorParameters<typeof MessageRouter>;

/** A router with these methods, and a connection whose messages it gets. */
async function route(methods: Record<string, MessageMethod['call'][]>, onMessage?: Parts[1], parse?: Parts[2]) {
  const node = await new FakeNode({ maxNameLength: 10 }).start();
  const { socket, connection } = await node.opened();
  const byEvent = Object.entries(methods).map(([event, calls]) => {
    return [event, calls.map((call) => ({ isStream: false, call }))] as const;
  });
  const read = parse ?? ((message: Message) => JSON.parse(message.text()) as unknown);
  const router = new MessageRouter(
    new Map(byEvent),
    onMessage,
    read,
    new ErrorReplies(node.engine.node),
    node.engine.node,
  );
  const receive = (value: unknown) =>
    router.receive(connection, new Message(Buffer.from(JSON.stringify(value)), false));
  return { receive, sent: () => socket.sent.map((text) => JSON.parse(String(text))) };
}

it('replies with what the method of the event returns', async () => {
  const { receive, sent } = await route({ add: [(_connection, data) => ({ sum: (data as number) + 1 })] });
  receive({ event: 'add', data: 1 });
  expect(sent()).toEqual([{ sum: 2 }]);
});

it('repeats the id of a request in an envelope', async () => {
  const { receive, sent } = await route({ add: [() => 2], ask: [() => ({ event: 'told', data: 3 })] });
  receive({ event: 'add', id: 'a' });
  receive({ event: 'ask', id: 7 });
  expect(sent()).toEqual([
    { event: 'add', data: 2, id: 'a' },
    { event: 'told', data: 3, id: 7 },
  ]);
});

it('sends nothing for undefined and null', async () => {
  const { receive, sent } = await route({ quiet: [() => undefined, () => null, () => Promise.resolve()] });
  await receive({ event: 'quiet', id: 1 });
  expect(sent()).toEqual([]);
});

it('calls the methods of all gateways for an event, in order and one after another', async () => {
  const order: string[] = [];
  const slow = async () => {
    await turn();
    order.push('slow');
  };
  const { receive } = await route({ both: [slow, () => void order.push('fast')] });
  await receive({ event: 'both' });
  expect(order).toEqual(['slow', 'fast']);
});

it('sends each item of an Observable', async () => {
  const { receive, sent } = await route({ count: [() => of(1, 2)] });
  await receive({ event: 'count' });
  expect(sent()).toEqual([1, 2]);
});

it.each([
  [
    'throws',
    () => {
      throw new Error('no');
    },
  ],
  ['rejects', () => Promise.reject(new Error('no'))],
])('answers with an error frame when a method %s', async (_how, call) => {
  const { receive, sent } = await route({ fail: [call] });
  await receive({ event: 'fail', data: 1, id: 7 });
  const data = {
    status: 'error',
    code: 'internal',
    message: 'Internal server error',
    cause: { pattern: 'fail', data: 1 },
  };
  expect(sent()).toEqual([{ event: 'exception', data, id: 7 }]);
});

it('hands a message to onMessage when no method has its event', async () => {
  const texts: string[] = [];
  const { receive, sent } = await route(
    { known: [() => 1] },
    (_connection, message) => void texts.push(message.text()),
  );
  receive({ event: 'other' });
  receive('plain');
  receive({ event: 'known' });
  expect([texts, sent()]).toEqual([['{"event":"other"}', '"plain"'], [1]]);
});

it('answers with an error frame when onMessage throws or rejects', async () => {
  const { receive, sent } = await route({}, (_connection, message) => {
    if (message.text() === '1') throw new Error('no');
    return Promise.reject(new Error('no'));
  });
  receive(1);
  await receive(2);
  expect(sent().map(({ event, data }) => [event, data.code])).toEqual([
    ['exception', 'internal'],
    ['exception', 'internal'],
  ]);
});

it.each([
  ['an unknown event', { event: 'nobody', id: 7 }, { code: 'unknown_event', message: 'Unknown event "nobody"' }],
  ['a name that is too long', { event: 'x'.repeat(11), id: 7 }, { code: 'bad_name' }],
  ['a number that no method has', { event: 3 }, { code: 'bad_envelope' }],
  ['a list', [1], { code: 'bad_envelope' }],
  ['an envelope without event', { data: 1 }, { code: 'bad_envelope' }],
])('answers %s with its error code', async (_what, value, expected) => {
  const { receive, sent } = await route({});
  receive(value);
  expect(sent()).toEqual([expect.objectContaining({ event: 'exception', data: expect.objectContaining(expected) })]);
});

it('does not answer a message for which the parser of the application returned nothing', async () => {
  const { receive, sent } = await route({ known: [() => 1] }, undefined, () => UNANSWERED);
  receive({ event: 'known' });
  expect(sent()).toEqual([]);
});
