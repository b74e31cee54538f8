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
  it('is cut when it has sent no request in time', () => {
    const socket = connected();
    jest.advanceTimersByTime(14_999);
    expect(socket.isDestroyed).toBe(false);
    jest.advanceTimersByTime(1);
    expect([socket.isDestroyed, limits.counts.headerTime]).toEqual([true, 1]);
  });

  it('stays when its request came in time', () => {
    const socket = connected();
    server.emit('request', { socket });
    jest.advanceTimersByTime(60_000);
    expect([socket.isDestroyed, limits.counts.headerTime]).toEqual([false, 0]);
  });

  it('stays when an upgrade came in time', () => {
    const socket = connected();
    deadline.release(socket as unknown as Socket);
    jest.advanceTimersByTime(60_000);
    expect(socket.isDestroyed).toBe(false);
  });

  it('is forgotten when it goes by itself', () => {
    const socket = connected();
    socket.emit('close');
    expect(socket.listenerCount('close')).toBe(0);
    jest.advanceTimersByTime(15_000);
    expect([socket.isDestroyed, limits.counts.headerTime, jest.getTimerCount()]).toEqual([false, 0, 0]);
  });

  it('keeps no listener once its request has come', () => {
    const socket = connected();
    server.emit('request', { socket });
    expect(socket.listenerCount('close')).toBe(0);
  });

  it('is counted and stays where bounds are only reported', () => {
    start(15, true);
    const socket = connected();
    jest.advanceTimersByTime(60_000);
    expect([socket.isDestroyed, limits.counts.headerTime]).toEqual([false, 1]);
  });

  it('may take for ever where the setting says so', () => {
    start(0);
    connected();
    expect([jest.getTimerCount(), server.eventNames()]).toEqual([0, []]);
  });
});

it('a stop leaves neither a listener nor a timer, and cuts who was waited for', () => {
  const socket = connected();
  deadline.stop();
  expect([jest.getTimerCount(), server.listenerCount('connection'), server.listenerCount('request')]).toEqual([
    0, 0, 0,
  ]);
  expect(socket.isDestroyed).toBe(true);
});
