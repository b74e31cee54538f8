import { FakeNode, turn } from '../../../../test/support/fakes/fake-node.js';

let node: FakeNode;

beforeEach(async () => {
  node = await new FakeNode({ maxQueuedMessages: 2 }).start();
});

const texts = () => node.gateway.of('onMessage').map(({ text }) => text);

describe('a connection that the application pauses', () => {
  it('is not read until it resumes', async () => {
    const { connection, socket } = await node.opened();
    connection.pause();
    socket.sends('a');
    expect([socket.isPaused, texts()]).toEqual([true, []]);
    connection.resume();
    await turn();
    expect([socket.isPaused, texts()]).toEqual([false, ['a']]);
  });

  it('stays so when its hooks have caught up', async () => {
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

  it('is read again once it is closed: the answer has to come', async () => {
    const { connection, socket } = await node.opened();
    connection.pause();
    connection.close(4000, 'bye');
    expect([socket.isPaused, socket.closeFrame]).toEqual([false, { code: 4000, reason: 'bye' }]);
  });
});
