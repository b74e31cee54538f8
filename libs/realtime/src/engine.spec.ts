import { jest } from '@jest/globals';
import { FakeNode } from '../../../test/support/fakes/fake-node.js';
import { OptionsError } from './errors.js';

/** Short, so that a shutdown is a few steps of the fake clock. */
const SETTINGS = { shutdownTimeout: 3 };

let node: FakeNode;

beforeEach(async () => {
  jest.useFakeTimers();
  node = await new FakeNode(SETTINGS).start();
});

afterEach(() => {
  jest.useRealTimers();
});

describe('the engine', () => {
  it('gives every connection an id that starts with the id of its node and is never used again', async () => {
    const other = await new FakeNode(SETTINGS).start();
    const ids: string[] = [];
    for (const from of [node, node, other]) {
      const { socket, connection } = await from.opened();
      ids.push(connection.id);
      socket.closes();
    }
    expect(new Set(ids).size).toBe(3);
    expect(ids.map((id) => id.split('.')[0])).toEqual([node.engine.node.id, node.engine.node.id, other.engine.node.id]);
  });

  it('refuses a second gateway on a path and names both', () => {
    const bind = () => node.engine.gate.bind({ name: 'Second', path: '/ws' });
    expect(bind).toThrow(OptionsError);
    expect(bind).toThrow(/RecordingGateway and Second .*\/ws/);
  });

  it('serves the paths of its gateways and no others', () => {
    node.engine.gate.bind({ name: 'Second', path: '/second' });
    const paths = ['/ws', '/second', '/other', '/ws/', '', '__proto__'];
    expect(paths.map((path) => node.engine.gate.serves(path))).toEqual([true, true, false, false, false, false]);
  });

  it('stops at once when nothing is open, and only once', async () => {
    const first = node.engine.stop();
    expect(node.engine.stop()).toBe(first);
    await jest.advanceTimersByTimeAsync(1);
    await expect(first).resolves.toBeUndefined();
  });

  it('waits in a shutdown until the last onClose has settled', async () => {
    node.gateway.on('onClose', 'async');
    await node.opened();
    let isStopped = false;
    const stopping = node.engine.stop().then(() => (isStopped = true));
    await jest.advanceTimersByTimeAsync(2900);
    expect(isStopped).toBe(false);
    node.gateway.running()!.resolve();
    await jest.advanceTimersByTimeAsync(50);
    expect(isStopped).toBe(true);
    await stopping;
  });

  it('cuts connections at the shutdown timeout and logs the hooks that still run', async () => {
    node.gateway.on('onOpen', 'async');
    const { socket, connection } = await node.opened({}, { answers: 'by hand', closeTimeoutMs: 60_000 });
    const stopping = node.engine.stop();
    await jest.advanceTimersByTimeAsync(2900);
    expect(socket.isGone).toBe(false);
    await jest.advanceTimersByTimeAsync(200);
    await stopping;
    expect(socket.isGone).toBe(true);
    expect(node.log.with('still runs')).toEqual([
      `warn WebSocket hook still runs after the shutdown timeout id=${connection.id}`,
    ]);
  });

  it('closes a connection whose handshake ended after the shutdown began', async () => {
    void node.engine.stop();
    const { socket } = await node.opened();
    await jest.advanceTimersByTimeAsync(50);
    expect(socket.firstEnd).toMatchObject({ code: 1001 });
  });

  describe('with a shutdown delay', () => {
    const BEGINS = 'log Realtime shutdown begins: readiness is down, connections are closed after 7s';

    beforeEach(async () => {
      node = await new FakeNode({ ...SETTINGS, shutdownDelay: 7 }).start();
    });

    it('turns readiness down at once, and goes on as before until the delay is over', async () => {
      const { socket } = await node.opened();
      expect(node.engine.isReady).toBe(true);
      const stopping = node.engine.stop();
      expect([node.engine.isReady, node.log.with('shutdown begins')]).toEqual([false, [BEGINS]]);
      await jest.advanceTimersByTimeAsync(6990);
      const late = await node.opened();
      expect([node.engine.gate.isRunning, socket.firstEnd, late.socket.firstEnd]).toEqual([true, undefined, undefined]);
      await jest.advanceTimersByTimeAsync(60);
      expect(node.engine.gate.isRunning).toBe(false);
      for (const one of [socket, late.socket]) expect(one.firstEnd).toMatchObject({ code: 1001 });
      await stopping;
      expect(jest.getTimerCount()).toBe(0);
    });

    it('waits once, whoever asks first and however often', async () => {
      const left = node.engine.leave();
      const stopping = node.engine.stop();
      await jest.advanceTimersByTimeAsync(7010);
      expect(node.engine.leave()).toBe(left);
      await Promise.all([left, stopping]);
      expect(node.log.with('shutdown begins')).toEqual([BEGINS]);
    });

    it('gives the hooks the whole shutdown timeout after the delay', async () => {
      node.gateway.on('onClose', 'async');
      await node.opened();
      let isStopped = false;
      void node.engine.stop().then(() => (isStopped = true));
      await jest.advanceTimersByTimeAsync(9900);
      expect(isStopped).toBe(false);
      await jest.advanceTimersByTimeAsync(1000);
      expect(isStopped).toBe(true);
    });

    it('closes at once a worker that another one replaces, with 1012', async () => {
      const { socket } = await node.opened();
      void node.engine.stop(1012, 0);
      expect(socket.firstEnd).toMatchObject({ code: 1012 });
    });
  });

  it('closes its connections in the turn of the stop, without a delay', async () => {
    const { socket } = await node.opened();
    void node.engine.stop();
    expect([node.engine.isReady, socket.firstEnd]).toMatchObject([false, { code: 1001 }]);
  });

  it('leaves no timer after a shutdown', async () => {
    const { socket } = await node.opened();
    const stopping = node.engine.stop();
    await jest.advanceTimersByTimeAsync(50);
    await stopping;
    expect([socket.isGone, jest.getTimerCount()]).toEqual([true, 0]);
  });
});
