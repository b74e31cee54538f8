/** How transports are chosen: by the setting for all gateways, by the option for one. */
import { Test } from '@nestjs/testing';
import { WebSocketGateway } from '@nestjs/websockets';
import { type Connection, RealtimeModule, type RealtimeGatewayOptions } from 'nestjs-realtime';
import { createTestApp, type TestApp } from 'nestjs-realtime/testing';
import { PLATFORMS } from '../support/platforms.js';
import { PollingClient, SseClient } from '../support/clients/request-clients.js';

class Greeter {
  onOpen(connection: Connection): void {
    connection.send(`by ${connection.transport}`);
  }
}
@WebSocketGateway({ path: '/default' })
class Default extends Greeter {}
@WebSocketGateway({ path: '/no-sse', transports: ['websocket', 'polling'] } satisfies RealtimeGatewayOptions)
class NoSse extends Greeter {}
@WebSocketGateway({ path: '/sockets', transports: ['websocket'] } satisfies RealtimeGatewayOptions)
class Sockets extends Greeter {}
@WebSocketGateway({ path: '/requests', transports: ['sse', 'polling'] } satisfies RealtimeGatewayOptions)
class Requests extends Greeter {}

describe.each(PLATFORMS)('on $platform', ({ adapter }) => {
  let app: TestApp;
  const clients: { vanish(): void }[] = [];

  const boot = async (env: Record<string, string> = {}) => {
    Object.assign(process.env, env);
    const imports = [RealtimeModule.forRoot({ envFile: false, graceTime: 0.2, closeTimeout: 0.05 })];
    const providers = [Default, NoSse, Sockets, Requests];
    app = await createTestApp(await Test.createTestingModule({ imports, providers }).compile(), { adapter: adapter() });
  };
  const TRY = {
    websocket: (path: string) => app.connect(path),
    sse: (path: string) => SseClient.connect(app.url + path),
    polling: (path: string) => PollingClient.connect(app.url + path),
  };
  /** Tries each transport. @returns for each the greeting, or the status of the refusal */
  const reach = async (path: string) => {
    const answers: unknown[] = [];
    for (const connect of Object.values(TRY)) {
      try {
        const client = await connect(path);
        if ('vanish' in client) clients.push(client);
        answers.push(await client.next());
      } catch (error) {
        answers.push((error as { status: number }).status);
      }
    }
    return answers;
  };
  const plain = async (path: string, headers: Record<string, string> = {}) => {
    const answer = await fetch(app.url + path, { headers });
    return { status: answer.status, body: await answer.text() };
  };

  afterEach(async () => {
    delete process.env['REALTIME_TRANSPORTS'];
    for (const client of clients.splice(0)) client.vanish();
    await app.close();
  });

  it('speaks all three transports by default', async () => {
    await boot();
    expect(await reach('/default')).toEqual(['by websocket', 'by sse', 'by polling']);
  });

  it('lets a gateway choose its transports, and answers a request for another one like a plain GET', async () => {
    await boot();
    expect(await reach('/no-sse')).toEqual(['by websocket', 426, 'by polling']);
    expect(await reach('/sockets')).toEqual(['by websocket', 426, 426]);
    expect(await reach('/requests')).toEqual([400, 'by sse', 'by polling']);
    expect(await reach('/default')).toEqual(['by websocket', 'by sse', 'by polling']);
    const expected = await plain('/no-sse');
    expect(expected.status).toBe(426);
    expect(await plain('/no-sse', { accept: 'text/event-stream' })).toEqual(expected);
    expect(await plain('/sockets?transport=polling')).toEqual({ ...expected });
    expect((await app.server.stats()).accepted).toBe(8);
  });

  it('REALTIME_TRANSPORTS sets the transports of all gateways that do not choose their own', async () => {
    await boot({ REALTIME_TRANSPORTS: 'websocket,polling' });
    expect(await reach('/default')).toEqual(['by websocket', 426, 'by polling']);
    expect(await reach('/requests')).toEqual([400, 'by sse', 'by polling']);
    expect(await plain('/default', { accept: 'text/event-stream' })).toEqual(await plain('/default'));
  });

  it('fails at boot for a name that is not a transport', async () => {
    await expect(boot({ REALTIME_TRANSPORTS: 'websocket,carrier-pigeon' })).rejects.toThrow('REALTIME_TRANSPORTS');
    delete process.env['REALTIME_TRANSPORTS'];
    await boot();
  });
});
