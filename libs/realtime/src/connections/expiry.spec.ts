import { jest } from '@jest/globals';
import { FakeNode } from '../../../../test/support/fakes/fake-node.js';

const DAY = 86_400_000;

let node: FakeNode;

beforeEach(async () => {
  jest.useFakeTimers();
  node = await new FakeNode({ heartbeatPingInterval: 0, heartbeatIdleTime: 0 }).start();
});

afterEach(() => {
  jest.useRealTimers();
});

const opened = (inMs: number) => node.opened({ expiresAt: new Date(Date.now() + inMs) });

describe('a connection whose credential ends', () => {
  it('closes a connection with 4502 at the moment when its credential expires', async () => {
    const { socket, connection } = await opened(3000);
    jest.advanceTimersByTime(2999);
    expect(connection.readyState).toBe(1);
    jest.advanceTimersByTime(1);
    expect(socket.closeFrame).toEqual({ code: 4502, reason: 'credential expired' });
    await jest.advanceTimersByTimeAsync(0);
    expect(node.gateway.of('onClose')[0]?.close).toMatchObject({ code: 4502, initiator: 'limit' });
  });

  it.each([25 * DAY, 100 * DAY, 400 * DAY])(
    'closes a connection on time when its credential expires in %i ms',
    async (inMs) => {
      const { socket, connection } = await opened(inMs);
      jest.advanceTimersByTime(inMs - 1);
      expect(connection.readyState).toBe(1);
      jest.advanceTimersByTime(1);
      expect(socket.closeFrame?.code).toBe(4502);
    },
  );

  it('closes a connection at once when its credential has expired already or has no valid date', async () => {
    for (const expiresAt of [new Date(Date.now() - 1), new Date(NaN)]) {
      const { socket } = await node.opened({ expiresAt });
      jest.advanceTimersByTime(1);
      expect(socket.closeFrame?.code).toBe(4502);
    }
  });

  it('leaves no timer when the connection ends before its credential', async () => {
    const { socket } = await opened(3000);
    expect(jest.getTimerCount()).toBe(1);
    socket.vanishes();
    expect(jest.getTimerCount()).toBe(0);
  });
});
