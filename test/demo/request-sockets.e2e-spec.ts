/** The sockets of the demo for SSE and polling behave as a WebSocket does: events, bytes, ends. Without a browser. */
import { jest } from '@jest/globals';
import { Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { WebSocketGateway } from '@nestjs/websockets';
import { Connection, Message, RealtimeModule } from 'nestjs-realtime';
import { createTestApp, type TestApp } from 'nestjs-realtime/testing';
import { until } from '../support/process-guard.js';

jest.setTimeout(30_000);

interface DemoSocket {
  onopen?: () => void;
  onmessage?: (event: { data: string | ArrayBuffer }) => void;
  onclose?: (end: { code: number; reason: string }) => void;
  send(data: string | Uint8Array): void;
  close(): void;
}

interface DemoModules {
  readonly SseSocket: new (url: string) => DemoSocket;
  readonly PollingSocket: new (url: string) => DemoSocket;
  mayReconnect(code: number): boolean;
  delayAfter(reason: string | undefined, attempt: number): number;
}

@WebSocketGateway({ path: '/ws' })
class EchoGateway {
  onMessage(connection: Connection, message: Message): void {
    connection.send(message);
  }
}

let app: TestApp;
let demo: DemoModules;

beforeAll(async () => {
  Object.assign(globalThis, { window: Object.assign(new EventTarget(), { AbortController, TextDecoder, atob, btoa }) });
  const files = ['request-sockets', 'reconnecting-socket'].map(
    (name) => import(`../../src/public/${name}.js`) as Promise<Partial<DemoModules>>,
  );
  demo = Object.assign({}, ...(await Promise.all(files))) as DemoModules;
  @Module({
    imports: [RealtimeModule.forRoot({ envFile: false, sseHold: 0.3, sseRetry: 0.01, graceTime: 5 })],
    providers: [EchoGateway],
  })
  class AppModule {}
  app = await createTestApp(await Test.createTestingModule({ imports: [AppModule] }).compile());
});
afterAll(async () => {
  await app.close();
  Reflect.deleteProperty(globalThis, 'window');
});

describe.each(['SseSocket', 'PollingSocket'] as const)('the %s of the demo', (name) => {
  const open = async () => {
    const socket = new demo[name](`${app.url}/ws`);
    const got: (string | number[])[] = [];
    const ends: { code: number; reason: string }[] = [];
    socket.onmessage = ({ data }) => got.push(typeof data === 'string' ? data : [...new Uint8Array(data)]);
    socket.onclose = (end) => ends.push(end);
    await new Promise<void>((resolve) => (socket.onopen = resolve));
    const received = (count: number) =>
      until(
        `${count} messages`,
        () => got.length,
        (length) => length >= count,
      );
    return { socket, got, ends, received };
  };

  it(`the ${name} hands on texts, events of any name and bytes, and sends texts and bytes`, async () => {
    const { socket, got, ends, received } = await open();
    await app.server.toEveryone().push('text\nof two lines');
    await app.server.toEveryone().emit('any name', { a: 1 });
    await app.server.toEveryone().emit('open', 2);
    await app.server.toEveryone().push(Buffer.from([0, 255]));
    await received(4);
    expect(
      got.map((one) => (typeof one === 'string' && one.startsWith('{') ? (JSON.parse(one) as unknown) : one)),
    ).toEqual(['text\nof two lines', { event: 'any name', data: { a: 1 } }, { event: 'open', data: 2 }, [0, 255]]);
    socket.send('echo');
    socket.send(Uint8Array.from([1, 2, 3]));
    await received(6);
    expect(got.slice(4)).toEqual(['echo', [1, 2, 3]]);
    socket.close();
    expect(ends).toEqual([{ code: 1000, reason: '' }]);
    await until(
      'the end',
      () => app.server.stats(),
      ({ current }) => current === 0,
    );
  });

  it(`the ${name} loses nothing when its stream or poll ends after the hold time`, async () => {
    const { socket, got, received } = await open();
    const { accepted } = await app.server.stats();
    const start = Date.now();
    for (let sent = 0; Date.now() - start < 700; sent++) {
      await app.server.toEveryone().push(String(sent));
      await received(sent + 1);
    }
    expect(got).toEqual(got.map((_, index) => String(index)));
    expect((await app.server.stats()).accepted).toBe(accepted);
    socket.close();
  });

  it(`the ${name} reports the code and the reason with which the server ends it`, async () => {
    const { ends } = await open();
    await app.server.toEveryone().disconnect(1012, 'restart; retry-after-ms=1234');
    await until(
      'the end',
      () => ends.length,
      (length) => length === 1,
    );
    expect(ends).toEqual([{ code: 1012, reason: 'restart; retry-after-ms=1234' }]);
  });
});

describe('the reconnection of the demo', () => {
  it('comes back when the server asks for it, else later each time', () => {
    expect(demo.delayAfter('server shutting down; retry-after-ms=1234', 0)).toBe(1234);
    expect(demo.delayAfter('server shutting down; retry-after-ms=0', 5)).toBe(0);
    expect(demo.delayAfter('retry-after-ms=99999999', 0)).toBe(30_000);
    for (const reason of ['', undefined, 'retry-after-ms=x']) {
      expect(demo.delayAfter(reason, 2)).toBeGreaterThanOrEqual(1000);
      expect(demo.delayAfter(reason, 2)).toBeLessThanOrEqual(2000);
    }
  });

  it('comes back after a close without a code, as the library says', () => {
    expect(demo.mayReconnect(1005)).toBe(true);
  });
});
