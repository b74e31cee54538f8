/** Clients that leave while the server does not read from them: only what it writes can reveal that. */
import { Test } from '@nestjs/testing';
import { WebSocketGateway } from '@nestjs/websockets';
import { type Connection, type Message, RealtimeModule } from 'nestjs-realtime';
import { createTestApp, type TestApp, TestClient } from 'nestjs-realtime/testing';
import { PLATFORMS } from '../support/platforms.js';
import { until } from '../support/process-guard.js';

const closes: number[] = [];

@WebSocketGateway({ path: '/ws' })
class Gateway {
  /** `hang` never settles. */
  async onMessage(connection: Connection, message: Message): Promise<void> {
    if (message.text() === 'pause') connection.pause();
    if (message.text() === 'hang') await new Promise(() => {});
  }

  onClose(_connection: Connection, { code }: { code: number }): void {
    closes.push(code);
  }
}

const SETTINGS = {
  ...{ envFile: false as const, maxQueuedMessages: 2, hookTimeout: 0.05 },
  ...{ heartbeatPingInterval: 0.02, heartbeatIdleTime: 60 },
};

describe.each(PLATFORMS)('on $platform', ({ adapter }) => {
  let app: TestApp;

  beforeAll(async () => {
    const imports = [RealtimeModule.forRoot(SETTINGS)];
    const module = await Test.createTestingModule({ imports, providers: [Gateway] }).compile();
    app = await createTestApp(module, { adapter: adapter(), logger: false });
  });
  afterAll(() => app.close());
  beforeEach(() => closes.splice(0));

  it.each([
    ['has a hook that never settles and a full queue', ['hang', '1', '2', '3', '4', '5']],
    ['is paused by the application', ['pause']],
  ])('closes a WebSocket that %s when its client has left', async (_what, messages) => {
    const client = await TestClient.connect(`${app.url}/ws`);
    for (const message of messages) client.send(message);
    const [connection] = app.server.connections.values();
    await until(
      'the pause',
      () => (connection as unknown as { isPaused: boolean }).isPaused,
      (isPaused) => isPaused,
    );
    // What is not read hides the end behind it
    client.send('unread');
    client.vanish();
    await until(
      'onClose',
      () => closes.length,
      (count) => count > 0,
    );
    expect([closes, (await app.server.stats()).current]).toEqual([[1006], 0]);
  });
});
