import { jest } from '@jest/globals';
import { FakeNode } from '../../../../test/support/fakes/fake-node.js';

/** Short timings, so that a silence is a few steps of the fake clock. */
const SETTINGS = {
  heartbeatPingInterval: 1,
  heartbeatIdleTime: 2,
  heartbeatCheckInterval: 1,
};
const SILENCE_MS = 3_100;

let node: FakeNode;

beforeEach(async () => {
  jest.useFakeTimers();
  node = await new FakeNode(SETTINGS).start();
});

afterEach(() => {
  jest.useRealTimers();
});

describe('the lifecycle log', () => {
  it('logs one line when a connection opens and one when it ends', async () => {
    const { socket, connection } = await node.opened({ userId: '7' }, { protocol: 'chat' });
    connection.send('12345');
    socket.sends('123');
    socket.showsLife();
    jest.advanceTimersByTime(1500);
    socket.closes(1000, 'bye');
    const { id } = connection;
    expect(node.log.with('connection')).toEqual([
      `log WebSocket connection opened id=${id} path=/ws ip=192.0.2.7 user=7 protocol=chat`,
      `log WebSocket connection closed id=${id} code=1000 reason="bye" by=client after=1.5s in=1/3B out=1/5B`,
    ]);
  });

  it('logs no line for a message by default', async () => {
    const { socket } = await node.opened();
    socket.sends('a');
    expect(node.log.with('verbose')).toEqual([]);
  });

  it('logs the length and kind of a message with REALTIME_LOG_MESSAGES, never its content', async () => {
    node = await new FakeNode({ logMessages: true }).start();
    const { socket, connection } = await node.opened();
    socket.sends('secret');
    socket.sends(Buffer.from('secret'));
    expect(node.log.with('verbose')).toEqual([
      `verbose WebSocket message id=${connection.id} bytes=6 type=text`,
      `verbose WebSocket message id=${connection.id} bytes=6 type=binary`,
    ]);
  });

  it.each([
    ['sse', 'SSE'],
    ['polling', 'Polling'],
    ['websocket', 'WebSocket'],
  ])('names the transport %s in every line of a connection', async (transport, name) => {
    node = await new FakeNode({ ...SETTINGS, logMessages: true }).start();
    const { socket } = await node.opened({}, { transport });
    socket.sends('a');
    jest.advanceTimersByTime(SILENCE_MS);
    socket.closes(1006);
    const lines = node.log.lines.filter((line) => line.includes(' id='));
    expect(lines.map((line) => line.split(' id=')[0])).toEqual([
      `log ${name} connection opened`,
      `verbose ${name} message`,
      `warn ${name} heartbeat expired`,
      `log ${name} connection closed`,
    ]);
  });

  it('logs with REALTIME_LOG_LIFECYCLE=failures only what did not end cleanly, and whose it was', async () => {
    node = await new FakeNode({ ...SETTINGS, logLifecycle: 'failures' }).start();
    (await node.opened()).socket.closes(1000, 'bye');
    const { socket, connection } = await node.opened({ userId: '7' });
    socket.closes(1006);
    expect(node.log.with('connection')).toEqual([
      `log WebSocket connection closed id=${connection.id} path=/ws ip=192.0.2.7 user=7 code=1006 reason="" by=client ` +
        'after=0.0s in=0/0B out=0/0B',
    ]);
  });

  it('logs with REALTIME_LOG_LIFECYCLE=none no line of a connection', async () => {
    node = await new FakeNode({ ...SETTINGS, logLifecycle: 'none' }).start();
    const { socket } = await node.opened();
    jest.advanceTimersByTime(SILENCE_MS);
    socket.closes(1006);
    expect(node.log.lines).toEqual([]);
  });

  it('logs how long a client was silent that the heartbeat closes', async () => {
    const { connection } = await node.opened();
    jest.advanceTimersByTime(SILENCE_MS);
    expect(node.log.with('heartbeat')[0]).toMatch(
      new RegExp(`^warn WebSocket heartbeat expired id=${connection.id} silent=\\d\\.\\ds$`),
    );
  });

  it('writes no forged line for a user id, a protocol or a close reason', async () => {
    const text = 'x\r\nlog WebSocket connection opened id=forged\u2028\u001b[31m';
    const { socket } = await node.opened({ userId: text }, { protocol: text });
    socket.closes(1000, text);
    for (const line of node.log.lines) expect(line).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u);
  });
});
