import { CloseInfo } from '../close-info.js';
import { type Connection, ReadyState } from '../connection.js';
import { FakeConnection, fakeHandshake, fakeMessage } from './fakes.js';

describe('FakeConnection', () => {
  it('has the parts that a test chooses, and a default for every other', () => {
    const connection = new FakeConnection({ userId: 'ann', rooms: ['news'], data: { name: 'Ann' }, path: '/orders' });
    const typed: Connection<{ name: string }> = connection;
    expect(typed.data.name).toBe('Ann');
    expect(connection).toMatchObject({ userId: 'ann', path: '/orders', url: '/orders', transport: 'websocket' });
    expect([...connection.rooms]).toEqual(['news']);
    expect(new FakeConnection()).toMatchObject({ data: {}, params: {}, address: '127.0.0.1', readyState: 1 });
    expect(new FakeConnection().id).not.toBe(new FakeConnection().id);
  });

  it('records what the gateway sends and emits', () => {
    const connection = new FakeConnection();
    expect(connection.send('text')).toBe(true);
    expect(connection.send(new Uint8Array([1, 2]))).toBe(true);
    expect(connection.send(fakeMessage('passed on'))).toBe(true);
    expect(connection.emit('news', { at: new Date(0) })).toBe(true);
    expect(connection.sent).toEqual(['text', Buffer.from([1, 2]), 'passed on']);
    expect(connection.emitted).toEqual([{ event: 'news', data: { at: '1970-01-01T00:00:00.000Z' } }]);
  });

  it('refuses what a real connection refuses', async () => {
    const connection = new FakeConnection();
    const cycle: { self?: object } = {};
    cycle.self = cycle;
    expect(connection.send({} as never)).toBe(false);
    expect(connection.send('x'.repeat(2 ** 22 + 1))).toBe(false);
    expect(connection.emit('', 1)).toBe(false);
    expect(connection.emit('news', cycle)).toBe(false);
    expect(() => connection.close(1006)).toThrow(RangeError);
    expect(() => connection.close(1000, 'x'.repeat(124))).toThrow(TypeError);
    await expect(connection.join('')).rejects.toMatchObject({ code: 'bad_name' });
    expect([connection.sent, connection.emitted, connection.joined]).toEqual([[], [], []]);
  });

  it('records the rooms that the gateway joins and leaves', async () => {
    const connection = new FakeConnection({ rooms: ['news'] });
    await connection.join('sport');
    await connection.leave('news');
    expect([...connection.rooms]).toEqual(['sport']);
    expect([connection.joined, connection.left]).toEqual([['sport'], ['news']]);
  });

  it('takes nothing from a gateway while it is too slow', () => {
    const connection = new FakeConnection();
    connection.takesMessages = false;
    expect([connection.send('text'), connection.emit('news')]).toEqual([false, false]);
    connection.takesMessages = true;
    expect(connection.send('text')).toBe(true);
  });

  it('records the close of the gateway, which ends what it sends', () => {
    const connection = new FakeConnection();
    connection.close(4000, 'enough');
    connection.close(4001);
    expect([connection.closed, connection.readyState]).toEqual([{ code: 4000, reason: 'enough' }, ReadyState.CLOSING]);
    expect([connection.send('late'), connection.signal.aborted]).toEqual([false, false]);
    expect(connection.end(1000)).toEqual(new CloseInfo(4000, 'enough', true, 'server'));
    expect([connection.readyState, connection.signal.aborted]).toEqual([ReadyState.CLOSED, true]);
  });

  it('is cut at once by terminate()', () => {
    const connection = new FakeConnection();
    connection.terminate();
    expect([connection.closed, connection.readyState]).toEqual([{ code: 1006, reason: '' }, ReadyState.CLOSED]);
  });

  it('ends as a client does that closes or vanishes, and keeps its rooms', async () => {
    const connection = new FakeConnection({ rooms: ['news'] });
    expect(connection.end()).toEqual(new CloseInfo(1006, '', false, 'client'));
    expect(new FakeConnection().end(1000, 'bye')).toEqual(new CloseInfo(1000, 'bye', true, 'client'));
    await connection.join('late');
    expect([...connection.rooms]).toEqual(['news']);
  });

  it('can be paused and resumed', () => {
    const connection = new FakeConnection();
    connection.pause();
    expect(connection.isPaused).toBe(true);
    connection.resume();
    expect(connection.isPaused).toBe(false);
  });
});

it('fakeMessage makes text, JSON and binary messages', () => {
  expect(fakeMessage('hello').text()).toBe('hello');
  expect(fakeMessage({ a: 1 }).json()).toEqual({ a: 1 });
  expect(fakeMessage(new Uint8Array([1]))).toMatchObject({ isBinary: true, size: 1 });
});

it('fakeHandshake makes the request that onHandshake gets', () => {
  const headers = { cookie: 'token=abc', authorization: 'Bearer secret' };
  const request = fakeHandshake({ path: '/a/:b', params: { b: 'c' }, url: '/a/c?d=e', headers, user: { id: 7 } });
  expect(request.query.get('d')).toBe('e');
  expect(request).toMatchObject({ path: '/a/:b', params: { b: 'c' }, url: '/a/c?d=e', token: 'secret' });
  expect([request.cookies['token'], request.user, request.address]).toEqual(['abc', { id: 7 }, '127.0.0.1']);
  expect(fakeHandshake({ session: { visits: 1 }, address: '192.0.2.7' })).toMatchObject({
    session: { visits: 1 },
    address: '192.0.2.7',
    path: '/',
  });
});
