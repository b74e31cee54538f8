/** The effect of settings in a running application, wherever they are written. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Controller, Get, type LoggerService } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { WebSocketGateway } from '@nestjs/websockets';
import {
  Connection,
  Message,
  OptionsError,
  type RealtimeOptions,
  RealtimeModule,
  RealtimeServer,
  RealtimeSettings,
} from 'nestjs-realtime';
import { createTestApp, type TestApp } from 'nestjs-realtime/testing';

/** A gateway without a path of its own. */
@WebSocketGateway()
class EchoGateway {
  opened = 0;

  constructor(readonly server: RealtimeServer) {}

  onOpen() {
    this.opened++;
  }

  onMessage(connection: Connection, message: Message) {
    connection.send(message.text());
  }
}

/** Injects the settings in force. */
@Controller()
class SettingsController {
  constructor(
    readonly settings: RealtimeSettings,
    readonly server: RealtimeServer,
  ) {}

  @Get('path')
  path() {
    return { path: this.settings.path, source: this.settings.sourceOf('path') };
  }
}

class Lines implements LoggerService {
  readonly all: string[] = [];
  private readonly keep = (level: string) => (message: unknown) => void this.all.push(`${level} ${String(message)}`);
  readonly log = this.keep('log');
  readonly warn = this.keep('warn');
  readonly error = this.keep('error');
  readonly debug = this.keep('debug');
  readonly verbose = this.keep('verbose');

  warnings(): string[] {
    return this.all.filter((line) => line.startsWith('warn '));
  }

  table(): string {
    return this.all.find((line) => line.startsWith('log Realtime is ready')) ?? '';
  }
}

let folder: string;
let app: TestApp | undefined;
let lines: Lines;
const before = { ...process.env };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'realtime-settings-'));
  lines = new Lines();
});
afterEach(async () => {
  await app?.close();
  app = undefined;
  for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
  rmSync(folder, { recursive: true });
});

interface Places {
  readonly code?: RealtimeOptions;
  readonly env?: Readonly<Record<string, string>>;
  readonly file?: string;
}

async function compile({ code, env = {}, file }: Places) {
  Object.assign(process.env, env);
  const envFile = join(folder, '.env');
  if (file !== undefined) writeFileSync(envFile, file);
  return Test.createTestingModule({
    imports: [RealtimeModule.forRoot({ envFile: file === undefined ? false : envFile, ...code })],
    controllers: [SettingsController],
    providers: [EchoGateway],
  }).compile();
}

async function start(places: Places): Promise<TestApp> {
  return (app = await createTestApp(await compile(places), { logger: lines }));
}

/** Starts the application as `main.ts` would. @returns where it listens */
async function listen(places: Places, ...where: [number | string, string?]): Promise<AddressInfo | string> {
  const nest = (await compile(places)).createNestApplication({ logger: lines });
  app = { close: () => nest.close() } as TestApp;
  await nest.listen(...(where as [number, string]));
  return (nest.getHttpServer() as Server).address()!;
}

async function expectServed(path: string): Promise<void> {
  const client = await app!.connect(path);
  client.send('hello');
  expect(await client.next()).toBe('hello');
  await client.close();
}

describe('a setting acts', () => {
  it('reads a setting from the env file', async () => {
    await start({ file: 'REALTIME_PATH=/file' });
    await expectServed('/file');
    await expect(app!.connect('/ws')).rejects.toMatchObject({ status: 404 });
    expect(lines.table()).toContain('/file (EchoGateway)');
  });

  it('prefers a setting of the environment to one of the env file', async () => {
    await start({ env: { REALTIME_PATH: '/env' }, file: 'REALTIME_PATH=/file' });
    await expectServed('/env');
    await expect(app!.connect('/file')).rejects.toMatchObject({ status: 404 });
  });

  it('prefers a setting in code to the environment and the env file', async () => {
    await start({ code: { path: '/code' }, env: { REALTIME_PATH: '/env' }, file: 'REALTIME_PATH=/file' });
    await expectServed('/code');
    await expect(app!.connect('/env')).rejects.toMatchObject({ status: 404 });
    const response = await fetch(`${app!.url}/path`);
    expect(await response.json()).toEqual({ path: '/code', source: 'code' });
  });

  it('enforces a bound from the environment on the wire', async () => {
    await start({ env: { REALTIME_MAX_MESSAGE_BYTES: '10' } });
    const client = await app!.connect('/ws');
    client.send('x'.repeat(11));
    expect(await client.closed()).toEqual({ code: 1009, reason: expect.stringContaining('10') });
  });

  it('pings at the interval from the environment', async () => {
    await start({ env: { REALTIME_HEARTBEAT_PING_INTERVAL: '0.05' } });
    const client = await app!.connect('/ws');
    await new Promise((resolve) => client.socket.once('ping', resolve));
    await client.close();
  });

  it('reads settings from an asynchronous factory', async () => {
    const moduleRef = await Test.createTestingModule({
      imports: [RealtimeModule.forRootAsync({ useFactory: async () => ({ path: '/later', envFile: false }) })],
      providers: [EchoGateway],
    }).compile();
    app = await createTestApp(moduleRef, { logger: lines });
    await expectServed('/later');
  });
});

describe('the settings in force', () => {
  it('provides the settings in force as a frozen injectable', async () => {
    await start({ code: { maxConnections: 7 } });
    const settings = app!.app.get(RealtimeSettings);
    expect(app!.app.get(SettingsController).settings).toBe(settings);
    expect(settings.maxConnections).toBe(7);
    expect(Object.isFrozen(settings)).toBe(true);
  });

  it('derives the check interval of the heartbeat from the idle time, and logs both', async () => {
    await start({ env: { REALTIME_HEARTBEAT_IDLE_TIME: '20' } });
    expect(app!.app.get(RealtimeSettings)).toMatchObject({ heartbeatIdleTime: 20, heartbeatCheckInterval: 10 });
    expect(lines.table()).toMatch(/heartbeat .*close after 20s, checked every 10s/);
  });

  it('logs the settings without a warning when nothing is set', async () => {
    await start({});
    expect(lines.table()).toContain('/ws (EchoGateway)');
    expect(lines.warnings()).toEqual([]);
  });
});

describe('a warning in the log', () => {
  it('warns of variables that do nothing', async () => {
    await start({ env: { REALTIME_HEARTBEAT_IDLE: '1' }, file: 'REALTIME_PORT=1' });
    expect(lines.warnings()).toEqual([
      expect.stringContaining('REALTIME_HEARTBEAT_IDLE is set, but there is no such setting'),
      expect.stringContaining('REALTIME_PORT is set, but there is no such setting'),
    ]);
  });

  it('warns that connections without pings are left to the proxies', async () => {
    await start({ env: { REALTIME_HEARTBEAT_PING_INTERVAL: '0' } });
    expect(lines.warnings()).toEqual([expect.stringContaining('Heartbeat pings are off')]);
  });

  it('warns of a listen address that is set and not in effect', async () => {
    const { port } = (await listen(
      { env: { REALTIME_LISTEN_PORT: '1' }, file: 'REALTIME_LISTEN_IP=0.0.0.0' },
      0,
      '127.0.0.1',
    )) as AddressInfo;
    expect(lines.warnings()).toEqual([
      expect.stringMatching(new RegExp(`REALTIME_LISTEN_PORT=1 .*listens on port ${port}$`)),
      expect.stringMatching(/REALTIME_LISTEN_IP=0\.0\.0\.0 .*listens on 127\.0\.0\.1$/),
    ]);
    for (const warning of lines.warnings())
      expect(warning).toContain('app.listen(settings.listenPort, settings.listenIp)');
  });

  it('warns of a listen port also where the application listens on a path', async () => {
    const path = join(folder, 'app.sock');
    expect(await listen({ env: { REALTIME_LISTEN_PORT: '4000' } }, path)).toBe(path);
    expect(lines.warnings()).toEqual([expect.stringContaining(`listens on ${path}`)]);
  });

  it.each([
    ['is used by main.ts', { REALTIME_LISTEN_PORT: '0', REALTIME_LISTEN_IP: '127.0.0.1' }],
    ['is not set', {}],
  ])('does not warn when the listen address %s', async (_name, env) => {
    await listen({ env }, 0, '127.0.0.1');
    expect(lines.warnings()).toEqual([]);
  });
});

describe('REALTIME_ENABLED=false', () => {
  beforeEach(() => start({ env: { REALTIME_ENABLED: 'false' } }));

  it('answers upgrades and plain requests on the path with 404 when Realtime is off', async () => {
    await expect(app!.connect('/ws')).rejects.toMatchObject({ status: 404 });
    const response = await fetch(`${app!.url}/ws`);
    expect(response.status).toBe(404);
    expect(app!.app.get(EchoGateway).opened).toBe(0);
    expect(lines.warnings()).toEqual([expect.stringContaining('REALTIME_ENABLED')]);
  });

  it('leaves RealtimeServer injectable when Realtime is off, and delivers to nobody', async () => {
    const server = app!.app.get(SettingsController).server;
    await server.toEveryone().push('anybody?');
    await server.to('room').emit('event', { data: 1 });
    await server.toUser('7').disconnect();
    expect(await server.push('no.1', 'hello')).toBe(false);
    expect(await server.disconnect('no.1')).toBe(false);
    expect(await server.exists('no.1')).toBe(false);
    expect(await server.toEveryone().count()).toBe(0);
    expect(await server.list()).toEqual({ items: [] });
    expect(await server.stats()).toMatchObject({ current: 0, accepted: 0, messagesOut: 0 });
    expect(server.connections.size).toBe(0);
  });

  it('leaves the rest of the application alone when Realtime is off', async () => {
    const response = await fetch(`${app!.url}/path`);
    expect(response.status).toBe(200);
  });
});

describe('bad values', () => {
  it('fails at boot with a list of all bad values: name, given value and what is allowed', async () => {
    const code = { maxConnections: -1, nonsense: true } as RealtimeOptions;
    const env = { REALTIME_LISTEN_PORT: 'http', REALTIME_HEARTBEAT_IDLE_TIME: 'soon' };
    const error: unknown = await compile({ code, env, file: 'REALTIME_PATH=ws' }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(OptionsError);
    const { problems, message } = error as OptionsError;
    expect(problems).toHaveLength(5);
    for (const part of [
      'forRoot({ nonsense })',
      'forRoot({ maxConnections }): -1 is not allowed; expected a whole number',
      'REALTIME_LISTEN_PORT: "http" is not allowed; expected',
      'REALTIME_HEARTBEAT_IDLE_TIME: "soon" is not allowed; expected seconds, 0 to 86400',
      'REALTIME_PATH (in the env file): "ws" is not allowed; expected a path that starts with /',
    ]) {
      expect(message).toContain(part);
    }
  });

  it('fails at boot for a bad value also where Realtime is off', async () => {
    await expect(compile({ code: { enabled: false }, env: { REALTIME_PATH: 'ws' } })).rejects.toThrow(OptionsError);
  });

  it('fails at boot when the named env file is missing', async () => {
    const missing = join(folder, 'missing.env');
    await expect(compile({ code: { envFile: missing } })).rejects.toThrow(`envFile: "${missing}" cannot be read`);
  });
});
