/**
 * Cross-site WebSocket hijacking in a real Chromium: a page of another site opens a WebSocket here, and the browser sends
 * the victim's cookie with it. It must be refused before any hook of the application; a page of the right site connects.
 */
import type { Server } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { jest } from '@jest/globals';
import { Test } from '@nestjs/testing';
import { WebSocketGateway } from '@nestjs/websockets';
import { Connection, HandshakeRequest, RealtimeModule, type RealtimeOptions } from 'nestjs-realtime';
import { createTestApp, type TestApp } from 'nestjs-realtime/testing';
import { type Browser, chromium } from 'playwright-core';
import { existsSync, readFileSync } from 'node:fs';

jest.setTimeout(60_000);

const COOKIE = 'session';

@WebSocketGateway({ path: '/ws' })
class BankGateway {
  /** The cookies of everybody who came as far as a hook. */
  readonly handshakes: (string | undefined)[] = [];

  onHandshake(request: HandshakeRequest) {
    this.handshakes.push(request.cookies[COOKIE]);
    return { userId: request.cookies[COOKIE] };
  }

  onOpen(connection: Connection) {
    connection.send(`Welcome ${connection.userId}`);
  }
}

let browser: Browser;
let app: TestApp;
let port: number;
/** Serves an empty page on a port of its own: the attacker's. */
let evil: Server;
let evilPort: number;

beforeAll(async () => {
  const tools = JSON.parse(readFileSync(new URL('../../scripts/tools.json', import.meta.url), 'utf8')) as {
    chromium: { env: string; binaries: string[] };
  };
  const executablePath = process.env[tools.chromium.env] || tools.chromium.binaries.find((path) => existsSync(path));
  if (!executablePath) throw new Error('There is no Chromium here: run `npm run test:setup`');
  const flags = [
    'headless',
    'no-sandbox',
    'disable-gpu',
    'disable-quic',
    'no-first-run',
    'disable-background-networking',
  ];
  const args = [...flags, 'disable-component-update', 'disable-sync'].map((flag) => `--${flag}`);
  args.push('--host-resolver-rules=MAP bank.test 127.0.0.1, MAP evil.test 127.0.0.1, MAP sub.bank.test 127.0.0.1');
  // A cookie of SameSite=None without TLS: what a bank behind https has
  args.push('--disable-features=CookiesWithoutSameSiteMustBeSecure,SameSiteByDefaultCookies');
  browser = await chromium.launch({ executablePath, args });
  const page = '<!doctype html><title>page</title>';
  evil = createServer(({ url }, response) => {
    // A sandboxed page has the origin "null"
    if (url === '/sandbox') response.setHeader('Content-Security-Policy', 'sandbox allow-scripts');
    response.setHeader('Content-Type', 'text/html').end(page);
  });
  await new Promise<void>((resolve) => evil.listen(0, '127.0.0.1', resolve));
  evilPort = (evil.address() as AddressInfo).port;
});

afterAll(async () => {
  await browser.close();
  evil.close();
});

afterEach(async () => {
  for (const context of browser.contexts()) await context.close();
  await app.close();
});

async function start(options: RealtimeOptions = {}): Promise<void> {
  const moduleRef = await Test.createTestingModule({
    imports: [RealtimeModule.forRoot({ envFile: false, ...options })],
    providers: [BankGateway],
  }).compile();
  app = await createTestApp(moduleRef, {
    configure: (nest) => {
      nest.use('/page', (_request: unknown, response: { type(kind: string): { send(body: string): void } }) =>
        response.type('html').send('<!doctype html><title>page</title>'),
      );
    },
  });
  port = Number(new URL(app.url).port);
}

/** The victim is logged in at the bank, and visits a page. @returns the first message, or that there is no connection */
async function visit(url: string, script?: string): Promise<string> {
  const context = await browser.newContext();
  await context.addCookies([{ name: COOKIE, value: 'victim', url: `http://bank.test:${port}/` }]);
  const page = await context.newPage();
  await page.goto(url);
  const attack = `new Promise((resolve) => {
    const socket = new WebSocket('ws://bank.test:${port}/ws');
    socket.onmessage = ({ data }) => resolve(data);
    socket.onclose = ({ code }) => resolve('refused with ' + code);
  })`;
  return page.evaluate(script ?? attack);
}

const handshakes = () => app.app.get(BankGateway).handshakes;

describe('a page of the right origin', () => {
  it('connects, with the cookie', async () => {
    await start();
    expect(await visit(`http://bank.test:${port}/page`)).toBe('Welcome victim');
    expect(handshakes()).toEqual(['victim']);
  });
});

describe('a page of another origin with the cookie of the victim', () => {
  it.each([
    ['another site', () => `http://evil.test:${evilPort}/`],
    ['another port of the same host', () => `http://bank.test:${evilPort}/`],
    ['a subdomain', () => `http://sub.bank.test:${evilPort}/`],
    ['a page without an origin', () => `http://bank.test:${evilPort}/sandbox`],
  ])('is refused before any hook: %s', async (_name, url) => {
    await start();
    expect(await visit(url())).toBe('refused with 1006');
    expect(handshakes()).toEqual([]);
    expect((await app.server.stats()).refused).toBe(1);
  });

  it('connects when it is listed, and the browser did send the cookie: the test would see an attack', async () => {
    await start({ allowedOrigins: [`http://bank.test:${evilPort}`] });
    expect(await visit(`http://bank.test:${evilPort}/`)).toBe('Welcome victim');
  });

  /** The same by the transports that speak plain HTTP, which a page may ask with credentials too. */
  const PLAIN: [string, () => string][] = [
    [
      'sse',
      () => `new Promise((resolve) => {
        const source = new EventSource('http://bank.test:${port}/ws', { withCredentials: true });
        source.onmessage = ({ data }) => resolve(data);
        source.onerror = () => source.readyState === EventSource.CLOSED && resolve('refused');
      })`,
    ],
    [
      'polling',
      () => `fetch('http://bank.test:${port}/ws?transport=polling', { credentials: 'include' })
        .then((response) => response.json()).then(({ messages }) => messages[0]).catch(() => 'refused')`,
    ],
  ];

  it.each(PLAIN)('is refused before any hook: by %s', async (_name, script) => {
    await start();
    expect(await visit(`http://evil.test:${evilPort}/`, script())).toBe('refused');
    expect(handshakes()).toEqual([]);
    expect((await app.server.stats()).refused).toBe(1);
  });

  it.each(PLAIN)('connects by %s when it is listed, with the cookie', async (_name, script) => {
    await start({ allowedOrigins: [`http://bank.test:${evilPort}`], closeTimeout: 0.1 });
    expect(await visit(`http://bank.test:${evilPort}/`, script())).toBe('Welcome victim');
  });

  it('connects as anybody when "*" is spelled out', async () => {
    await start({ allowedOrigins: ['*'] });
    expect(await visit(`http://evil.test:${evilPort}/`)).toMatch(/^Welcome /);
    expect(handshakes()).toHaveLength(1);
  });
});
