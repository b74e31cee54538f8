/** Signals to a real process: clients get a close frame, hooks finish, and the process ends by the signal. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { ChildApp, type Exit } from '../support/apps/child-app.js';
import { ClusterApp } from '../support/apps/cluster-app.js';
import { until, within } from '../support/process-guard.js';
import { closeFrame, RawSocket, upgradeRequest } from '../support/clients/raw-socket.js';

jest.setTimeout(120_000);

/** The process of a test, and the lines that its hooks wrote. */
interface Site {
  readonly app: ChildApp;
  connect(name: string, staysOpen?: boolean): Promise<RawSocket>;
  /** The lines that the `onClose` hooks wrote when they finished. */
  done(): string[];
  /** Sends a signal and waits for the end. @returns how it ended, and after how many milliseconds */
  end(signal: NodeJS.Signals): Promise<Exit & { afterMs: number }>;
}

/** The tests run at the same time, because they mostly wait for processes to start and for timeouts. */
const started: { kill(): Promise<void> }[] = [];
const folder = mkdtempSync(join(tmpdir(), 'realtime-process-'));

afterAll(async () => {
  await Promise.all(started.map((one) => one.kill()));
  rmSync(folder, { recursive: true });
});

async function start(env: Record<string, string> = {}): Promise<Site> {
  const file = join(folder, `${randomUUID()}.txt`);
  const app = await ChildApp.start({ APP_CLOSE_FILE: file, ...env });
  started.push(app);
  return {
    app,
    connect: (name, staysOpen = false) =>
      RawSocket.upgraded(app.port, { target: `/ws?name=${name}` }, undefined, { staysOpen }),
    done: () => (existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').sort() : []),
    end: async (signal) => {
      const since = performance.now();
      app.signal(signal);
      const exit = await within(30_000, 'the process to end', app.exited);
      return { ...exit, afterMs: performance.now() - since };
    },
  };
}

/** Answers the close frame, as a polite client does. @returns code and reason of that frame */
async function closed(client: RawSocket): Promise<{ code: number; reason: string }> {
  const close = await client.closeFrame();
  client.send(closeFrame(close.code));
  return close;
}

describe.each([
  ['with nothing in main.ts', {}],
  ['with enableShutdownHooks()', { APP_NEST_HOOKS: '1' }],
])('an application %s', (_name, env: Record<string, string>) => {
  it.concurrent.each(['SIGTERM', 'SIGINT'] as const)('drains on %s and then ends by that signal', async (signal) => {
    const { app, connect, done, end } = await start({ APP_CLOSE_MS: '200', ...env });
    const clients = await Promise.all(['ann', 'bob', 'cec'].map((name) => connect(name)));
    const told = Promise.all(clients.map(closed));
    expect(await end(signal)).toMatchObject({ code: null, signal });
    for (const close of await told) expect(close).toEqual({ code: 1001, reason: expect.stringMatching(/./) });
    expect(done()).toEqual(['ann 1001 shutdown', 'bob 1001 shutdown', 'cec 1001 shutdown']);
    expect(app.output).not.toMatch(/ERROR|Error:/);
  });

  it.concurrent('ends at once when nobody is connected', async () => {
    const { end } = await start(env);
    const { signal, afterMs } = await end('SIGTERM');
    expect(signal).toBe('SIGTERM');
    expect(afterMs).toBeLessThan(5000);
  });

  it.concurrent('leaves its port free for the next process', async () => {
    const first = await start(env);
    const { port } = first.app;
    const clients = await Promise.all([first.connect('ann'), first.connect('bob')]);
    const told = Promise.all(clients.map(closed));
    await first.end('SIGTERM');
    await told;
    const next = await start({ APP_PORT: String(port), ...env });
    expect(next.app.port).toBe(port);
    const client = await next.connect('cec');
    client.send(closeFrame(1000));
    expect(await client.closeFrame()).toMatchObject({ code: 1000 });
  });

  it.concurrent('lets hooks finish when the signal arrives again, or another one', async () => {
    const { app, connect, done, end } = await start({ APP_CLOSE_MS: '500', ...env });
    const client = await connect('ann');
    app.signal('SIGTERM');
    expect(await closed(client)).toMatchObject({ code: 1001 });
    app.signal('SIGTERM');
    app.signal('SIGINT');
    const { code, signal } = await end('SIGTERM');
    expect(code).toBeNull();
    expect(signal).toMatch(/^SIG(TERM|INT)$/);
    expect(done()).toEqual(['ann 1001 shutdown']);
    expect(app.output).not.toMatch(/ERROR|Error:/);
  });

  it.concurrent('does not wait longer than the close timeout for clients that do not answer', async () => {
    const { connect, done, end } = await start({ REALTIME_CLOSE_TIMEOUT: '0.3', ...env });
    const deaf = await connect('deaf', true);
    const polite = await connect('polite');
    const told = closed(polite);
    const { signal, afterMs } = await end('SIGTERM');
    expect(signal).toBe('SIGTERM');
    // the default close timeout is 5 s
    expect(afterMs).toBeLessThan(4000);
    expect(await deaf.closeFrame()).toMatchObject({ code: 1001 });
    expect(await told).toMatchObject({ code: 1001 });
    expect(done()).toEqual(['deaf 1001 shutdown', 'polite 1001 shutdown']);
  });

  it.concurrent('waits for a hook that never settles until the shutdown timeout, not longer', async () => {
    const { app, connect, done, end } = await start({ REALTIME_SHUTDOWN_TIMEOUT: '1', ...env });
    const clients = await Promise.all([connect('stuck'), connect('polite')]);
    const told = Promise.all(clients.map(closed));
    const { signal, afterMs } = await end('SIGTERM');
    expect(signal).toBe('SIGTERM');
    expect(afterMs).toBeGreaterThan(950);
    // the default shutdown timeout is 10 s
    expect(afterMs).toBeLessThan(5000);
    await told;
    expect(done()).toEqual(['polite 1001 shutdown']);
    expect(app.output).toContain('WebSocket hook still runs after the shutdown timeout');
  });

  it.concurrent('lets clients in and closes none for the shutdown delay after a signal', async () => {
    const { app, connect, done, end } = await start({ REALTIME_SHUTDOWN_DELAY: '4', ...env });
    expect(app.output).toContain('shutdown     readiness down 4s before connections are closed, at most 10s for them');
    const client = await connect('ann');
    const ended = end('SIGTERM');
    await until(
      'the shutdown to begin',
      () => app.output,
      (output) => output.includes('Realtime shutdown begins'),
    );
    const late = await connect('late');
    expect(app.output).not.toContain('Realtime shutdown closes');
    const told = Promise.all([client, late].map(closed));
    const { signal, afterMs } = await ended;
    expect([signal, afterMs >= 4000]).toEqual(['SIGTERM', true]);
    for (const close of await told) expect(close).toEqual({ code: 1001, reason: expect.stringMatching(/retry-after/) });
    expect(done()).toEqual(['ann 1001 shutdown', 'late 1001 shutdown']);
  });

  it.concurrent('refuses clients that arrive during the shutdown, and those in the middle of a handshake', async () => {
    const { app, connect, done, end } = await start({ APP_CLOSE_MS: '1500', ...env });
    const client = await connect('ann');
    const underWay = await RawSocket.connect(app.port);
    underWay.send(upgradeRequest({ target: '/ws?handshake=never' }));
    const late = await RawSocket.connect(app.port);
    await app.untilConnections(3);
    const ended = end('SIGTERM');
    expect(await closed(client)).toMatchObject({ code: 1001 });
    late.send(upgradeRequest());
    for (const one of [underWay, late]) {
      expect(await one.answer()).toMatchObject({ status: 503, headers: { 'retry-after': expect.any(String) } });
    }
    expect(await ended).toMatchObject({ signal: 'SIGTERM' });
    expect(done()).toEqual(['ann 1001 shutdown']);
  });
});

it.concurrent('finishes the hook of a client that is reset in the middle of the shutdown', async () => {
  const { connect, done, end } = await start({ APP_CLOSE_MS: '200' });
  const client = await connect('ann');
  const ended = end('SIGTERM');
  await client.closeFrame();
  client.reset();
  expect(await ended).toMatchObject({ signal: 'SIGTERM' });
  expect(done()).toEqual(['ann 1001 shutdown']);
});

it.concurrent('runs onClose of clients that left before the signal to its end', async () => {
  const { app, connect, done, end } = await start({ APP_CLOSE_MS: '1500' });
  const client = await connect('ann');
  client.send(closeFrame(1000));
  await client.ended();
  await until(
    'the connection to be gone',
    async () => (await app.state()).stats.current,
    (current) => current === 0,
  );
  expect(done()).toEqual([]);
  expect(await end('SIGTERM')).toMatchObject({ signal: 'SIGTERM' });
  expect(done()).toEqual(['ann 1000 client']);
});

it.concurrent.each(['on before', 'on after', 'once before', 'once after'])(
  "leaves the end to the application's own listener: process.%s the start",
  async (listener) => {
    const { connect, done, end } = await start({ APP_OWN_LISTENER: listener });
    const told = closed(await connect('ann'));
    expect(await end('SIGTERM')).toMatchObject({ code: 0, signal: null });
    expect(await told).toMatchObject({ code: 1001 });
    expect(done()).toEqual(['ann 1001 shutdown', 'database closed']);
  },
);

it.concurrent(
  'the readiness is down from the signal on, and the modules live until the shutdown delay is over',
  async () => {
    const app = await ClusterApp.start({ REALTIME_SHUTDOWN_DELAY: '2' });
    started.push(app);
    const status = async () => (await app.ask<{ status: string }>('ready')).status;
    expect(await status()).toBe('up');
    app.signal('SIGTERM');
    await until('the readiness', status, (is) => is === 'down');
    expect(await app.ask('destroyed')).toBe(false);
    expect(await within(30_000, 'the process to end', app.exited)).toMatchObject({ signal: 'SIGTERM' });
  },
);
