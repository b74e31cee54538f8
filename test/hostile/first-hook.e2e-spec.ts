/**
 * A connection that ends inside its first hook, on every transport and platform, with and without `onAuthenticate`: what
 * was sent before the end arrives before it, `onClose` runs once, and nothing of the connection stays.
 */
import { randomUUID } from 'node:crypto';
import { Test } from '@nestjs/testing';
import { WebSocketGateway } from '@nestjs/websockets';
import { CloseInfo, Connection, HandshakeRequest, Message, RealtimeModule } from 'nestjs-realtime';
import { createTestApp, type TestApp, TestClient } from 'nestjs-realtime/testing';
import { type AnyClient, PollingClient, SseClient } from '../support/clients/request-clients.js';
import { PLATFORMS } from '../support/platforms.js';
import { until, within } from '../support/process-guard.js';

/** What `onOpen` does with its connection. */
const ENDS = {
  'sends and closes': (connection: Connection) => {
    connection.send('one');
    connection.send('two');
    connection.close(4501, 'sorry');
  },
  'sends and throws': (connection: Connection) => {
    connection.send('one');
    connection.send('two');
    throw new Error('onOpen throws on purpose');
  },
  'sends and terminates': (connection: Connection) => {
    connection.send('one');
    connection.terminate();
  },
} as const;

type End = keyof typeof ENDS;

const EXPECTED: Readonly<Record<End, { received?: readonly string[]; code: number }>> = {
  'sends and closes': { received: ['one', 'two'], code: 4501 },
  'sends and throws': { received: ['one', 'two'], code: 1011 },
  'sends and terminates': { code: 1006 },
};

/** How each connection ended, by the `?run=` of its handshake. */
const closes = new Map<string, CloseInfo[]>();
const runs = new WeakMap<Connection, string>();

class Ending {
  onOpen(connection: Connection, request: HandshakeRequest): void {
    const run = request.query.get('run')!;
    runs.set(connection, run);
    closes.set(run, []);
    ENDS[request.query.get('end') as End](connection);
  }

  onClose(connection: Connection, close: CloseInfo): void {
    closes.get(runs.get(connection)!)!.push(close);
  }
}

@WebSocketGateway({ path: '/plain' })
class PlainGateway extends Ending {}

@WebSocketGateway({ path: '/asking' })
class AskingGateway extends Ending {
  onAuthenticate(message: Message): { userId: string } {
    return { userId: message.text() };
  }
}

const TRANSPORTS = {
  websocket: (url: string) => TestClient.connect(url),
  sse: (url: string) => SseClient.connect(url),
  polling: (url: string) => PollingClient.connect(url),
} as const;

const CASES = Object.keys(TRANSPORTS).flatMap((transport) =>
  ['/plain', '/asking'].flatMap((path) => Object.keys(ENDS).map((end) => [transport, path, end])),
) as [keyof typeof TRANSPORTS, string, End][];

describe.each(PLATFORMS)('on $platform', ({ adapter }) => {
  let app: TestApp;

  beforeAll(async () => {
    const imports = [RealtimeModule.forRoot({ envFile: false, graceTime: 1, closeTimeout: 1, shutdownTimeout: 5 })];
    const providers = [PlainGateway, AskingGateway];
    app = await createTestApp(await Test.createTestingModule({ imports, providers }).compile(), {
      adapter: adapter(),
      logger: false,
    });
  });

  afterAll(async () => {
    await within(4000, 'an application without connections to close', app.close());
  });

  it.each(CASES)(
    'a %s client on %s of an onOpen that %s gets all of it, and leaves nothing',
    async (transport, path, end) => {
      const run = randomUUID();
      const query = new URLSearchParams({ run, end });
      const client = await connected(TRANSPORTS[transport](`${app.url}${path}?${query}`));
      if (path === '/asking') await client?.send('ann');
      const { received, code } = EXPECTED[end];
      const texts: string[] = [];
      for (const _ of received ?? []) texts.push(String(await client!.next()));
      expect(texts).toEqual(received ?? []);
      await until(
        'onClose',
        () => closes.get(run)?.length ?? 0,
        (count) => count > 0,
      );
      if (end !== 'sends and terminates') expect((await client!.closed()).code).toBe(code);
      const { current, unfinished } = await until(
        'no connection',
        () => app.server.stats(),
        (stats) => stats.current + stats.unfinished === 0,
      );
      expect([closes.get(run)!.map((close) => close.code), current, unfinished]).toEqual([[code], 0, 0]);
      client?.vanish();
    },
  );
});

/** A connection that is cut in its first hook may look to its client as if it had never been. */
async function connected(connecting: Promise<unknown>): Promise<AnyClient | undefined> {
  try {
    return (await connecting) as AnyClient;
  } catch {
    return undefined;
  }
}
