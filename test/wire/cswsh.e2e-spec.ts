/**
 * Cross-site WebSocket hijacking in a real Chromium: a page of another site opens a WebSocket here, and the browser sends
 * the victim's cookie with it. It must be refused before any hook of the application; a page of the same site connects.
 */
import type { Server } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { jest } from '@jest/globals';
import { Test } from '@nestjs/testing';
import { WebSocketGateway } from '@nestjs/websockets';
import { Connection, HandshakeRequest, RealtimeModule, type RealtimeOptions } from 'nestjs-realtime';
import { createTestApp, type TestApp } from 'nestjs-realtime/testing';
import type { Browser, Page } from 'playwright-core';
import { startBrowser } from '../support/clients/browser.js';

jest.setTimeout(60_000);

const COOKIE = 'session';

@WebSocketGateway({ path: '/ws' })
class BankGateway {
  /** The cookie of each request that has reached a hook. */
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
/** One page for all tests: each test navigates it, which ends whatever the one before has left. */
let page: Page;
/** Serves an empty page on a port of its own: the attacker's. */
let evil: Server;
let evilPort: number;
/** The bank with default settings, with the attacker's origin on its list, and with `*`. */
let strict: TestApp;
let listing: TestApp;
let open: TestApp;

const FLAGS = [
  '--host-resolver-rules=MAP bank.test 127.0.0.1, MAP evil.test 127.0.0.1, MAP sub.bank.test 127.0.0.1',
  // A cookie of SameSite=None without TLS, in place of a bank behind https
  '--disable-features=CookiesWithoutSameSiteMustBeSecure,SameSiteByDefaultCookies',
];

async function start(options: RealtimeOptions = {}): Promise<TestApp> {
  const moduleRef = await Test.createTestingModule({
    // The pages are gone at the end, so no shutdown waits for their streams and polls
    imports: [RealtimeModule.forRoot({ envFile: false, closeTimeout: 0.05, ...options })],
    providers: [BankGateway],
  }).compile();
  return createTestApp(moduleRef, {
    configure: (nest) => {
      nest.use('/page', (_request: unknown, response: { type(kind: string): { send(body: string): void } }) =>
        response.type('html').send('<!doctype html><title>page</title>'),
      );
    },
  });
}

beforeAll(async () => {
  evil = createServer(({ url }, response) => {
    // A sandboxed page has the origin "null"
    if (url === '/sandbox') response.setHeader('Content-Security-Policy', 'sandbox allow-scripts');
    response.setHeader('Content-Type', 'text/html').end('<!doctype html><title>page</title>');
  });
  await new Promise<void>((resolve) => evil.listen(0, '127.0.0.1', resolve));
  evilPort = (evil.address() as AddressInfo).port;
  strict = await start();
  listing = await start({ allowedOrigins: [`http://bank.test:${evilPort}`], closeTimeout: 0.1 });
  open = await start({ allowedOrigins: ['*'] });
  browser = await startBrowser(...FLAGS);
  const context = await browser.newContext();
  // The victim is logged in at the bank; the cookie goes to every port of it
  const hosts = ['bank.test', 'localhost'];
  await context.addCookies(hosts.map((host) => ({ name: COOKIE, value: 'victim', url: `http://${host}/` })));
  page = await context.newPage();
});

afterAll(async () => {
  await browser.close();
  for (const app of [strict, listing, open]) await app.close();
  evil.close();
});

const portOf = ({ url }: TestApp) => new URL(url).port;

/** Takes a message, or the end without one, from a WebSocket to the bank. */
const webSocket = (app: TestApp) => `new Promise((resolve) => {
  const socket = new WebSocket('ws://bank.test:${portOf(app)}/ws');
  socket.onmessage = ({ data }) => resolve(data);
  socket.onclose = ({ code }) => resolve('refused with ' + code);
})`;

/** The victim visits a page that runs a script. @returns what the script resolves to */
async function visit(url: string, script: string): Promise<string> {
  await page.goto(url);
  return page.evaluate(script);
}

const handshakesOf = (app: TestApp) => app.app.get(BankGateway).handshakes;

/** Expects that a visit is refused before any hook and counted. */
async function expectRefusal(url: string, script: string, answer: string, then = async () => {}): Promise<void> {
  const { refused } = await strict.server.stats();
  const handshakes = [...handshakesOf(strict)];
  expect(await visit(url, script)).toBe(answer);
  await then();
  expect(handshakesOf(strict)).toEqual(handshakes);
  expect((await strict.server.stats()).refused).toBe(refused + 1);
}

it('admits a page of the same origin, with its cookie', async () => {
  expect(await visit(`http://bank.test:${portOf(strict)}/page`, webSocket(strict))).toBe('Welcome victim');
  expect(handshakesOf(strict)).toEqual(['victim']);
});

describe('a page of another origin, with the cookie of the victim', () => {
  it.each([
    ['another site', () => `http://evil.test:${evilPort}/`],
    ['another port of the same host', () => `http://bank.test:${evilPort}/`],
    ['a subdomain', () => `http://sub.bank.test:${evilPort}/`],
    ['a page without an origin', () => `http://bank.test:${evilPort}/sandbox`],
  ])('refuses %s before any hook', async (_name, url) => {
    await expectRefusal(url(), webSocket(strict), 'refused with 1006');
  });

  // Shows that the browser does send the cookie, so that the tests above would see an attack
  it('admits a listed origin, with the cookie', async () => {
    expect(await visit(`http://bank.test:${evilPort}/`, webSocket(listing))).toBe('Welcome victim');
  });

  /** The transports that speak plain HTTP, which a page may ask with credentials too. */
  const PLAIN: [string, (app: TestApp) => string][] = [
    [
      'sse',
      (app) => `new Promise((resolve) => {
        const source = new EventSource('http://bank.test:${portOf(app)}/ws', { withCredentials: true });
        source.onmessage = ({ data }) => resolve(data);
        source.onerror = () => source.readyState === EventSource.CLOSED && resolve('refused');
      })`,
    ],
    [
      'polling',
      (app) => `fetch('http://bank.test:${portOf(app)}/ws?transport=polling', { credentials: 'include' })
        .then((response) => response.json()).then(({ messages }) => messages[0]).catch(() => 'refused')`,
    ],
  ];

  it.each(PLAIN)('refuses another site before any hook over %s', async (_name, script) => {
    await expectRefusal(`http://evil.test:${evilPort}/`, script(strict), 'refused');
  });

  // Over http, a browser says where a request comes from only to localhost
  const pollOf = (app: TestApp) => `http://localhost:${portOf(app)}/ws?transport=polling`;
  const image = (app: TestApp) => `new Promise((resolve) => {
    const image = new Image();
    image.onerror = () => resolve('no image');
    image.src = '${pollOf(app)}';
  })`;

  it('refuses an image on another site before any hook', async () => {
    await expectRefusal(`http://evil.test:${evilPort}/`, image(strict), 'no image');
  });

  /** Follows a link to the bank, with a cookie even of SameSite=Lax. @returns the status of the answer */
  const follow = async (app: TestApp) => {
    const answered = page.waitForResponse(pollOf(app));
    await page.evaluate(`void setTimeout(() => (location.href = '${pollOf(app)}'))`);
    await page.waitForURL(pollOf(app));
    return (await answered).status();
  };

  it('refuses a link on another site before any hook', async () => {
    await expectRefusal(`http://evil.test:${evilPort}/`, '"a page"', 'a page', async () =>
      expect(await follow(strict)).toBe(403),
    );
  });

  // Shows that such a request reaches the hooks where nothing stops it
  it('admits a link on another site when allowedOrigins is *, with the cookie', async () => {
    const before = handshakesOf(open).length;
    await page.goto(`http://evil.test:${evilPort}/`);
    expect(await follow(open)).toBe(200);
    expect(handshakesOf(open).slice(before)).toEqual(['victim']);
  });

  it.each(PLAIN)('admits a listed origin over %s, with the cookie', async (_name, script) => {
    expect(await visit(`http://bank.test:${evilPort}/`, script(listing))).toBe('Welcome victim');
  });

  it('admits every origin when allowedOrigins is *', async () => {
    const before = handshakesOf(open).length;
    expect(await visit(`http://evil.test:${evilPort}/`, webSocket(open))).toMatch(/^Welcome /);
    expect(handshakesOf(open)).toHaveLength(before + 1);
  });
});
