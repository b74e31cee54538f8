import { EventEmitter } from 'node:events';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { jest } from '@jest/globals';
import { RecordingLog } from '../../../../test/support/fakes/recording-log.js';
import { Limits } from '../limits/limits.js';
import { HeaderDeadline } from './header-deadline.js';

class FakeTcpSocket extends EventEmitter {
  readonly remoteAddress = '192.0.2.7';
  isDestroyed = false;

  destroy(): void {
    this.isDestroyed = true;
    this.emit('close');
  }
}

let server: EventEmitter;
let limits: Limits;
let deadline: HeaderDeadline;

function start(seconds = 15, isReportOnly = false): void {
  server = new EventEmitter();
  limits = new Limits(new RecordingLog(), isReportOnly);
  deadline = new HeaderDeadline(server as Server, seconds, limits);
}

function connected(): FakeTcpSocket {
  const socket = new FakeTcpSocket();
  server.emit('connection', socket);
  return socket;
}

beforeEach(() => {
  jest.useFakeTimers();
  start();
});

afterEach(() => {
  jest.useRealTimers();
});

describe('a new network connection', () => {
  it('cuts a new network connection that has sent no request in time', () => {
    const socket = connected();
    jest.advanceTimersByTime(14_999);
    expect(socket.isDestroyed).toBe(false);
    jest.advanceTimersByTime(1);
    expect([socket.isDestroyed, limits.counts.headerTime]).toEqual([true, 1]);
  });

  it('keeps a network connection whose request came in time', () => {
    const socket = connected();
    server.emit('request', { socket });
    jest.advanceTimersByTime(60_000);
    expect([socket.isDestroyed, limits.counts.headerTime]).toEqual([false, 0]);
  });

  it('keeps a network connection whose upgrade came in time', () => {
    const socket = connected();
    deadline.release(socket as unknown as Socket);
    jest.advanceTimersByTime(60_000);
    expect(socket.isDestroyed).toBe(false);
  });

  it('forgets a network connection that closes by itself', () => {
    const socket = connected();
    socket.emit('close');
    expect(socket.listenerCount('close')).toBe(0);
    jest.advanceTimersByTime(15_000);
    expect([socket.isDestroyed, limits.counts.headerTime, jest.getTimerCount()]).toEqual([false, 0, 0]);
  });

  it('removes its listener once the first request has come', () => {
    const socket = connected();
    server.emit('request', { socket });
    expect(socket.listenerCount('close')).toBe(0);
  });

  it('counts and keeps a late network connection in report-only mode', () => {
    start(15, true);
    const socket = connected();
    jest.advanceTimersByTime(60_000);
    expect([socket.isDestroyed, limits.counts.headerTime]).toEqual([false, 1]);
  });

  it('waits for ever when the setting is 0', () => {
    start(0);
    connected();
    expect([jest.getTimerCount(), server.eventNames()]).toEqual([0, []]);
  });
});

it('removes listeners and timers and cuts waiting sockets when it stops', () => {
  const socket = connected();
  deadline.stop();
  expect([jest.getTimerCount(), server.listenerCount('connection'), server.listenerCount('request')]).toEqual([
    0, 0, 0,
  ]);
  expect(socket.isDestroyed).toBe(true);
});
