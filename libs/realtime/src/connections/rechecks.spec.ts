import { jest } from '@jest/globals';
import { FakeNode, turn } from '../../../../test/support/fakes/fake-node.js';
import { RecordingGateway } from '../../../../test/support/fakes/recording-gateway.js';
import { HandshakeError } from '../errors.js';
import type { HandshakeRequest } from '../handshake-request.js';
import type { RealtimeOptions } from '../settings/options.js';

/** A gateway whose guards a test decides about. */
class GuardedGateway extends RecordingGateway {
  readonly asked: HandshakeRequest[] = [];
  recheck = false;
  answer: () => Promise<void> = async () => {};

  guard(request: HandshakeRequest): Promise<void> {
    this.asked.push(request);
    return this.answer();
  }
}

let node: FakeNode;
let gateway: GuardedGateway;

async function start(options: RealtimeOptions = {}, isKept = false): Promise<void> {
  node = await new FakeNode({ heartbeatPingInterval: 0, heartbeatIdleTime: 0, ...options }).start();
  gateway = new GuardedGateway('/guarded');
  gateway.recheck = isKept;
  node.engine.gate.bind(gateway);
}

const open = (userId = '7') => node.opened({ userId }, { gateway });
const refuse = (status: number) => () => Promise.reject(new HandshakeError(status));

beforeEach(() => {
  jest.useFakeTimers();
});

afterEach(() => {
  jest.useRealTimers();
});

describe('at an interval', () => {
  it('asks the guards of each open connection again and again, and closes with 4501 once they refuse', async () => {
    await start({ recheckInterval: 60 });
    const { socket } = await open();
    await jest.advanceTimersByTimeAsync(120_000);
    expect([gateway.asked.length, socket.closeFrame]).toEqual([2, undefined]);
    gateway.answer = refuse(403);
    await jest.advanceTimersByTimeAsync(60_000);
    expect(socket.closeFrame).toEqual({ code: 4501, reason: 'unauthorized' });
    await jest.advanceTimersByTimeAsync(600_000);
    expect(gateway.asked).toHaveLength(3);
  });

  it.each([
    ['a TypeError', () => Promise.reject(new TypeError('the database is away'))],
    ['a 503', refuse(503)],
  ])('keeps the connection and logs the error when the guards throw %s', async (_what, answer) => {
    await start({ recheckInterval: 60 });
    gateway.answer = answer;
    const { connection } = await open();
    await jest.advanceTimersByTimeAsync(60_000);
    expect([connection.isOpen, node.log.with('recheck failed').length]).toEqual([true, 1]);
    await jest.advanceTimersByTimeAsync(60_000);
    expect(gateway.asked).toHaveLength(2);
  });

  it('gives up guards that do not answer, and keeps the connection', async () => {
    await start({ recheckInterval: 60, handshakeTimeout: 10 });
    gateway.answer = () => new Promise(() => {});
    const { connection } = await open();
    await jest.advanceTimersByTimeAsync(70_000);
    expect([connection.isOpen, node.log.with('The guards took longer than 10 s').length]).toEqual([true, 1]);
  });

  it('asks a bounded number of guards at a time, and in the end all of them', async () => {
    await start({ recheckInterval: 60, maxRechecks: 2 });
    let running = 0;
    let most = 0;
    gateway.answer = async () => {
      most = Math.max(most, ++running);
      await turn();
      running--;
    };
    for (let count = 0; count < 7; count++) await open();
    await jest.advanceTimersByTimeAsync(60_000);
    expect([most, gateway.asked.length]).toEqual([2, 7]);
  });

  it('asks no more guards at a time when connections become due while others wait for their turn', async () => {
    await start({ maxRechecks: 1 }, true);
    let running = 0;
    let most = 0;
    gateway.answer = async () => {
      most = Math.max(most, ++running);
      await Promise.resolve();
      running--;
    };
    for (let user = 0; user < 200; user++) await open(String(user));
    const asked: Promise<unknown>[] = [];
    // One in each microtask: some of them come when a turn has just been given to a connection that waited
    for (let user = 0; user < 200; user++) {
      asked.push(node.server.recheck(String(user)));
      await Promise.resolve();
    }
    await Promise.all(asked);
    expect([most, gateway.asked.length]).toEqual([1, 200]);
  });

  it('asks nobody about a connection that has ended, and leaves no timer', async () => {
    await start({ recheckInterval: 60, hookTimeout: 0 });
    const { socket } = await open();
    socket.vanishes();
    await jest.advanceTimersByTimeAsync(60_000);
    expect([gateway.asked.length, jest.getTimerCount()]).toEqual([0, 0]);
  });
});

describe('on order', () => {
  it('asks the guards of all connections of the user, and closes those that are refused', async () => {
    await start({}, true);
    const [first, second, other] = [await open(), await open(), await open('8')];
    let count = 0;
    gateway.answer = () => (count++ === 0 ? refuse(401)() : Promise.resolve());
    await expect(node.server.recheck('7')).resolves.toEqual({ checked: 2, closed: 1 });
    expect([first, second, other].map(({ socket }) => socket.closeFrame?.code)).toEqual([4501, undefined, undefined]);
  });

  it('asks with a copy of the handshake, which a guard may write to', async () => {
    await start({}, true);
    await open();
    gateway.answer = async () => {
      const raw = gateway.asked.at(-1)!.raw as { user?: unknown; seen?: boolean };
      expect(raw.seen).toBeUndefined();
      raw.seen = true;
    };
    await node.server.recheck('7');
    await expect(node.server.recheck('7')).resolves.toEqual({ checked: 1, closed: 0 });
    const [request] = gateway.asked;
    expect([request!.url, request!.address, request!.raw === gateway.asked[1]!.raw]).toEqual([
      '/guarded',
      '192.0.2.7',
      false,
    ]);
  });

  it('rejects `not_kept` when no request was kept', async () => {
    await start();
    const { connection } = await open();
    await expect(node.server.recheck('7')).rejects.toMatchObject({ code: 'not_kept' });
    expect([connection.isOpen, gateway.asked.length]).toEqual([true, 0]);
  });

  it('lets connections without guards stay, and does nothing for a user without connections', async () => {
    await start();
    await node.opened({ userId: '7' });
    await expect(node.server.recheck('7')).resolves.toEqual({ checked: 1, closed: 0 });
    await expect(node.server.recheck('nobody')).resolves.toEqual({ checked: 0, closed: 0 });
  });
});
