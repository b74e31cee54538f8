import { jest } from '@jest/globals';
import { concat, EMPTY, Observable, of, Subject, throwError } from 'rxjs';
import { FakeNode, turn } from '../../../../../test/support/fakes/fake-node.js';
import type { Connection } from '../../connection.js';
import { Message } from '../../message.js';
import type { RealtimeOptions } from '../../settings/options.js';
import { ErrorReplies } from './error-replies.js';
import type { MessageMethod } from './message-methods.js';
import type { Request } from './request.js';
import { MessageRouter, UNANSWERED } from './message-router.js';

type Parts = ConstructorParameters<typeof MessageRouter>;

/** A router with these methods, and a connection whose messages it gets. */
type Call = (connection: Connection, data: unknown, request: Request) => unknown;

async function route(
  methods: Record<string, Call[]>,
  onMessage?: Parts[1],
  parse?: Parts[2]['parse'],
  options?: RealtimeOptions,
) {
  const node = await new FakeNode({ maxNameLength: 10, ...options }).start();
  const { socket, connection } = await node.opened();
  const byEvent = Object.entries(methods).map(([event, calls]) => {
    const compiled = calls.map((call): MessageMethod => ({
      isStream: event.startsWith('stream'),
      call: (request) => call(request.connection, request.data, request),
    }));
    return [event, compiled] as const;
  });
  const parser = { isJson: !parse, parse: parse ?? ((message: Message) => message.json()) };
  const router = new MessageRouter(
    new Map(byEvent),
    onMessage,
    parser,
    new ErrorReplies(node.engine.node),
    node.engine.node,
  );
  const message = (value: unknown) => new Message(Buffer.from(JSON.stringify(value)), false);
  const receive = (value: unknown) => router.receive(connection, message(value));
  /** A message that has to wait for its turn. */
  const waits = (value: unknown) => router.onWaiting(connection, message(value));
  const idOf = (value: unknown) => router.requestId(message(value));
  return { receive, waits, idOf, connection, socket, sent: () => socket.sent.map((text) => JSON.parse(String(text))) };
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

it('sends nothing for undefined and null to a message without an id', async () => {
  const { receive, sent } = await route({ quiet: [() => undefined, () => null, () => Promise.resolve()] });
  await receive({ event: 'quiet' });
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

const done = (id: unknown, dropped = 0) => ({ event: 'rt:done', data: { dropped }, id });
const failed = (code: string, id: unknown = 7) => {
  return { event: 'exception', data: expect.objectContaining({ code }), id };
};
const reply = (data: unknown, id: unknown = 7) => ({ event: 'ask', data, id });
const fails = () => {
  throw new Error('no');
};
const parts = (first: unknown, then: Observable<unknown>) => () => concat(of(first), then);

describe('a request with an id', () => {
  it.each<[string, Call[], { event: string }[]]>([
    ['nothing', [() => undefined], [done(7)]],
    ['null', [() => null], [done(7)]],
    ['a promise of nothing', [() => Promise.resolve()], [done(7)]],
    ['false', [() => false], [reply(false)]],
    ['a promise', [() => Promise.resolve(1)], [reply(1)]],
    ['an empty Observable', [() => EMPTY], [done(7)]],
    ['an Observable', [() => of(1, 2)], [reply(1), reply(2), done(7)]],
    ['items of which one is nothing', [() => of(undefined, 1)], [reply(1), done(7)]],
    ['an Observable that fails', [parts(1, throwError(fails))], [reply(1), failed('internal')]],
    ['a value that cannot be encoded', [() => 1n], [failed('internal')]],
    ['values of two methods', [() => 1, () => 2], [reply(1), reply(2), done(7)]],
    ['a value and nothing of two methods', [() => 1, () => null], [reply(1), done(7)]],
    ['an error and a value of two methods', [fails, () => 2], [reply(2), failed('internal')]],
    ['errors of two methods', [fails, fails], [failed('internal')]],
  ])('gets exactly one end for %s, with and without @Stream()', async (_what, calls, frames) => {
    for (const event of ['ask', 'stream']) {
      const { receive, sent } = await route({ [event]: calls });
      await receive({ event, id: 7 });
      await turn();
      expect(sent()).toEqual(frames.map((frame) => (frame.event === 'ask' ? { ...frame, event } : frame)));
    }
  });

  it('gets exactly one end when two methods answer with streams', async () => {
    const [one, two] = [new Subject(), new Subject()];
    const { receive, sent } = await route({ stream: [() => one, () => two] });
    await receive({ event: 'stream', id: 7 });
    one.next(1);
    one.complete();
    await turn();
    two.next(2);
    expect(sent().map(({ data }) => data)).toEqual([1, 2]);
    two.complete();
    await turn();
    expect(sent().slice(2)).toEqual([done(7)]);
  });

  it.each([0, '', 'x'.repeat(256), 1.5, -1])('may have the id %j', async (id) => {
    const { receive, sent } = await route({ ask: [() => 1] });
    receive({ event: 'ask', id });
    expect(sent()).toEqual([reply(1, id)]);
  });

  it.each([null, true, [7], { id: 7 }, 'x'.repeat(257)])('is a message without an id when its id is %j', async (id) => {
    const { receive, sent } = await route({ ask: [() => 1, () => undefined] });
    await receive({ event: 'ask', id });
    expect(sent()).toEqual([1]);
  });

  it('keeps the id 7 and the id "7" apart', async () => {
    const streams = [new Subject(), new Subject()];
    const { receive, sent } = await route({ stream: [(_connection, data) => streams[data as number]] });
    await receive({ event: 'stream', data: 0, id: 7 });
    await receive({ event: 'stream', data: 1, id: '7' });
    receive({ event: 'rt:cancel', id: '7' });
    await turn();
    expect([sent(), streams.map(({ observed }) => observed)]).toEqual([[done('7')], [true, false]]);
  });

  it('gets id_in_use while another request with its id is open, and may have that id afterwards', async () => {
    const items = new Subject();
    const { receive, sent } = await route({ stream: [() => items], ask: [() => 1] });
    await receive({ event: 'stream', id: 7 });
    receive({ event: 'ask', id: 7 });
    items.complete();
    await turn();
    receive({ event: 'ask', id: 7 });
    expect(sent()).toEqual([failed('id_in_use'), done(7), reply(1)]);
  });

  it.each([
    ['an envelope without an event', { data: 1, id: 7 }, 'bad_envelope'],
    ['an event that is not a name', { event: {}, id: 7 }, 'bad_envelope'],
    ['an unknown event', { event: 'nobody', id: 7 }, 'unknown_event'],
    ['a reserved event', { event: 'rt:ping', id: 7 }, 'unknown_event'],
  ])('gets its error with the id for %s', async (_what, message, code) => {
    const { receive, sent } = await route({ ask: [() => 1] });
    receive(message);
    expect(sent()).toEqual([failed(code)]);
  });

  it('gets the error of onMessage with the id', async () => {
    const { receive, sent } = await route({}, fails);
    receive({ event: 'ask', id: 7 });
    receive('plain');
    expect(sent().map(({ data, id }) => [data.code, id])).toEqual([
      ['internal', 7],
      ['internal', undefined],
    ]);
  });

  it('learns how many replies were dropped, because they were too long', async () => {
    const long = 'x'.repeat(3000);
    const methods = { ask: [() => long], stream: [() => of(long, 'short', long)] };
    const { receive, sent } = await route(methods, undefined, undefined, {
      maxBufferedBytes: 2048,
      maxMessageBytes: 2048,
    });
    receive({ event: 'ask', id: 1 });
    await receive({ event: 'stream', id: 2 });
    await turn();
    expect(sent()).toEqual([done(1, 1), { event: 'stream', data: 'short', id: 2 }, done(2, 2)]);
  });

  it('ends silently with the connection, and leaves no subscription behind', async () => {
    const items = new Subject();
    const { receive, sent, socket } = await route({ stream: [() => items], ask: [() => items] });
    await receive({ event: 'stream', id: 1 });
    const asked = receive({ event: 'ask', id: 2 });
    await turn();
    socket.closes();
    await asked;
    expect([sent(), items.observed]).toEqual([[], false]);
  });
});

describe('rt:cancel', () => {
  it.each(['stream', 'ask'])('unsubscribes what the method %s returned, and ends the request', async (event) => {
    const items = new Subject();
    const { receive, waits, sent } = await route({ [event]: [() => items] });
    const handled = receive({ event, id: 7 });
    await turn();
    items.next(1);
    waits({ event: 'rt:cancel', id: 7 });
    items.next(2);
    await handled;
    receive({ event: 'rt:cancel', id: 7 });
    await turn();
    expect([sent(), items.observed]).toEqual([[{ event, data: 1, id: 7 }, done(7)], false]);
  });

  it('runs the finally of an async generator that waits', async () => {
    let isEnded = false;
    async function* items() {
      try {
        yield 1;
        yield 2;
        await new Promise(() => {});
      } finally {
        isEnded = true;
      }
    }
    const { receive, sent, connection } = await route({ stream: [items] });
    jest.spyOn(connection, 'send').mockImplementationOnce(() => {
      receive({ event: 'rt:cancel', id: 7 });
      return true;
    });
    await receive({ event: 'stream', id: 7 });
    await turn();
    expect([sent(), isEnded]).toEqual([[done(7)], true]);
  });

  it('ends a request whose turn has not come without calling its method', async () => {
    const method = jest.fn(() => 1);
    const { receive, waits, sent } = await route({ ask: [method] });
    waits({ event: 'rt:cancel', id: 7 });
    receive({ event: 'ask', id: 7 });
    receive({ event: 'rt:cancel', id: 7 });
    receive({ event: 'ask', id: 7 });
    expect([sent(), method.mock.calls.length]).toEqual([[done(7), reply(1)], 1]);
  });

  it('keeps the cancellation of a waiting request until the last rt:cancel for it has had its turn', async () => {
    const { receive, waits, sent } = await route({ ask: [() => 1] });
    for (const _time of [1, 2]) waits({ event: 'rt:cancel', id: 7 });
    receive({ event: 'rt:cancel', id: 7 });
    receive({ event: 'ask', id: 7 });
    receive({ event: 'rt:cancel', id: 7 });
    receive({ event: 'ask', id: 7 });
    expect(sent()).toEqual([done(7), reply(1)]);
  });

  it('lets a method that is running reply, and never subscribes to what it returns too late', async () => {
    const items = new Subject();
    const { receive, waits, sent } = await route({
      ask: [async (_connection, data) => (await turn(), data)],
      stream: [async () => (await turn(), items)],
    });
    const asked = receive({ event: 'ask', data: 1, id: 1 });
    waits({ event: 'rt:cancel', id: 1 });
    await asked;
    const streamed = receive({ event: 'stream', id: 2 });
    waits({ event: 'rt:cancel', id: 2 });
    await streamed;
    expect([sent(), items.observed]).toEqual([[reply(1, 1), done(2)], false]);
  });

  it('answers nothing for an id that no request has', async () => {
    const { receive, waits, sent } = await route({ ask: [() => 1] });
    waits({ event: 'rt:cancel', id: 'nobody' });
    receive({ event: 'rt:cancel', id: 'nobody' });
    expect(sent()).toEqual([]);
  });

  it.each([{ event: 'rt:cancel' }, { event: 'rt:cancel', id: null }])('gets bad_envelope for %j', async (message) => {
    const { receive, sent } = await route({ ask: [() => 1] });
    receive(message);
    expect(sent()).toEqual([expect.objectContaining({ data: expect.objectContaining({ code: 'bad_envelope' }) })]);
  });

  it('ends a stream whose teardown throws', async () => {
    const { receive, sent } = await route({ stream: [() => new Observable(() => fails)] });
    await receive({ event: 'stream', id: 7 });
    receive({ event: 'rt:cancel', id: 7 });
    await turn();
    expect(sent()).toEqual([done(7)]);
  });
});

describe('events with a reserved name', () => {
  it('never reach onMessage of a gateway with message methods', async () => {
    const onMessage = jest.fn(() => {});
    const { receive, sent } = await route({ ask: [() => 1] }, onMessage);
    for (const event of ['rt:cancel', 'rt:done', 'rt:', 'rt:nobody']) receive({ event, id: 7 });
    expect(onMessage).not.toHaveBeenCalled();
    expect(sent()).toEqual([1, 2, 3].map(() => failed('unknown_event')));
  });

  it('reach onMessage of a gateway without message methods, as every message does', async () => {
    const texts: string[] = [];
    const { receive, waits } = await route({}, (_connection, message) => void texts.push(message.text()));
    waits({ event: 'rt:cancel', id: 7 });
    receive({ event: 'rt:cancel', id: 7 });
    expect(texts).toEqual(['{"event":"rt:cancel","id":7}']);
  });
});

describe('the id of a dropped message', () => {
  it.each([
    [{ event: 'ask', id: 7 }, 7],
    [{ id: 'a' }, 'a'],
    [{ event: 'ask' }, undefined],
    [{ event: 'rt:cancel', id: 7 }, undefined],
    ['text', undefined],
  ])('of %j is %p', async (message, id) => {
    expect((await route({ ask: [() => 1] })).idOf(message)).toBe(id);
    expect((await route({}, () => {})).idOf(message)).toBeUndefined();
  });
});
