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
