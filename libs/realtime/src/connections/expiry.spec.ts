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

  it('closes a connection at once when its credential has expired already', async () => {
    const { socket } = await node.opened({ expiresAt: new Date(Date.now() - 1) });
    jest.advanceTimersByTime(1);
    expect(socket.closeFrame?.code).toBe(4502);
  });

  it('leaves no timer when the connection ends before its credential', async () => {
    const { socket } = await opened(3000);
    expect(jest.getTimerCount()).toBe(1);
    socket.vanishes();
    expect(jest.getTimerCount()).toBe(0);
  });
});

describe('expireAt', () => {
  const inMs = (ms: number) => new Date(Date.now() + ms);

  it('moves the end to a later time, an earlier one, or to never', async () => {
    const { socket, connection } = await opened(3000);
    connection.expireAt(inMs(10_000));
    jest.advanceTimersByTime(9999);
    expect(connection.isOpen).toBe(true);
    connection.expireAt(undefined);
    jest.advanceTimersByTime(DAY);
    expect([connection.isOpen, jest.getTimerCount()]).toEqual([true, 0]);
    connection.expireAt(inMs(5));
    jest.advanceTimersByTime(5);
    expect(socket.closeFrame).toEqual({ code: 4502, reason: 'credential expired' });
  });

  it.each(['2999-01-01', 5, new Date(NaN)])('refuses %p, and the end stays where it was', async (date) => {
    const { socket, connection } = await opened(3000);
    expect(() => connection.expireAt(date as Date)).toThrow(expect.objectContaining({ code: 'bad_date' }));
    jest.advanceTimersByTime(3000);
    expect(socket.closeFrame?.code).toBe(4502);
  });

  it('sets no timer on a connection that has ended', async () => {
    const { socket, connection } = await opened(3000);
    socket.vanishes();
    connection.expireAt(inMs(5));
    expect(jest.getTimerCount()).toBe(0);
  });
});

describe('the notice before the end', () => {
  const NOTICE = '{"event":"rt:expires","data":{"inMs":30000}}';

  beforeEach(async () => {
    node = await new FakeNode({ heartbeatPingInterval: 0, heartbeatIdleTime: 0, expiryNotice: 30 }).start();
  });

  it('tells the client once how long its credential is still valid', async () => {
    const { socket } = await opened(100_000);
    jest.advanceTimersByTime(69_999);
    expect(socket.sent).toEqual([]);
    jest.advanceTimersByTime(1);
    expect(socket.sent).toEqual([NOTICE]);
    jest.advanceTimersByTime(30_000);
    expect([socket.sent, socket.closeFrame?.code]).toEqual([[NOTICE], 4502]);
  });

  it('tells a client whose credential is valid for less time than that at once, and never before onOpen', async () => {
    node.gateway.on('onOpen', ({ connection }) => void connection.send('welcome'));
    const { socket } = await opened(10_000);
    jest.advanceTimersByTime(1);
    expect(socket.sent).toEqual(['welcome', '{"event":"rt:expires","data":{"inMs":10000}}']);
  });

  it('tells the client again before an end that was moved', async () => {
    const { socket, connection } = await opened(30_000);
    jest.advanceTimersByTime(1000);
    connection.expireAt(new Date(Date.now() + 60_000));
    jest.advanceTimersByTime(30_000);
    expect(socket.sent.at(-1)).toBe(NOTICE);
    expect(socket.sent).toHaveLength(2);
  });
});
