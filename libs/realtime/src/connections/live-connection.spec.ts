import { once } from 'node:events';
import { fromEvent } from 'rxjs';
import { FakeNode, turn } from '../../../../test/support/fakes/fake-node.js';

let node: FakeNode;

beforeEach(async () => {
  node = await new FakeNode({ maxQueuedMessages: 2 }).start();
});

const texts = () => node.gateway.of('onMessage').map(({ text }) => text);

describe('a connection that the application pauses', () => {
  it('does not read a paused connection until it is resumed', async () => {
    const { connection, socket } = await node.opened();
    connection.pause();
    socket.sends('a');
    expect([socket.isPaused, texts()]).toEqual([true, []]);
    connection.resume();
    await turn();
    expect([socket.isPaused, texts()]).toEqual([false, ['a']]);
  });

  it('keeps a connection paused when its hooks have caught up', async () => {
    node.gateway.on('onMessage', 'async');
    const { connection, socket } = await node.opened();
    for (const text of ['a', 'b', 'c']) socket.sends(text);
    connection.pause();
    while (node.gateway.running()) {
      node.gateway.running()!.resolve();
      await turn();
    }
    expect([texts(), socket.isPaused]).toEqual([['a', 'b', 'c'], true]);
    connection.resume();
    expect(socket.isPaused).toBe(false);
  });

  it("reads a paused connection again once it is closed, to receive the client's answer", async () => {
    const { connection, socket } = await node.opened();
    connection.pause();
    connection.close(4000, 'bye');
    expect([socket.isPaused, socket.closeFrame]).toEqual([false, { code: 4000, reason: 'bye' }]);
  });
});

describe('a connection that is used like a socket of ws', () => {
  const calls = (['on', 'once', 'addListener', 'prependListener', 'addEventListener', 'off'] as const).flatMap(
    (method) =>
      [
        ['open', 'onOpen'],
        ['message', 'onMessage'],
        ['close', 'onClose'],
        ['error', 'onClose'],
        ['drain', 'onDrain'],
        ['disconnect', 'onClose'],
        ['pong', 'onOpen, onMessage or onClose'],
      ].map(([event, hook]) => [method, event!, hook!] as const),
  );

  it.each(calls)('throws at %s("%s") an error that names %s', async (method, event, hook) => {
    const { connection } = await node.opened();
    const socket = connection as unknown as Record<string, (event: string, listener: () => void) => void>;
    expect(() => socket[method]!(event, () => {})).toThrow(
      `A Connection has no events: instead of ${method}('${event}') write the hook ${hook}`,
    );
  });

  it.each([
    ['onmessage', 'onMessage'],
    ['onclose', 'onClose'],
    ['onerror', 'onClose'],
    ['onopen', 'onOpen'],
  ])('throws where %s is assigned an error that names %s', async (property, hook) => {
    const { connection } = await node.opened();
    expect(() => Object.assign(connection, { [property]: () => {} })).toThrow(`${property} = … write the hook ${hook}`);
  });

  it('names the hook also to events.once() and to fromEvent() of rxjs', async () => {
    const { connection } = await node.opened();
    const emitter = connection as unknown as Parameters<typeof once>[0];
    await expect(once(emitter, 'message')).rejects.toThrow('write the hook onMessage');
    const errors: unknown[] = [];
    fromEvent(emitter, 'message').subscribe({ error: (error) => errors.push(error) });
    expect(errors).toEqual([expect.objectContaining({ code: 'no_events' })]);
  });
});
