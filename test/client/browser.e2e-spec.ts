/** The one file for a script tag in a real Chromium, under a strict Content Security Policy. */
import { readFile } from 'node:fs/promises';
import { createServer, request, type Server } from 'node:http';
import { type AddressInfo, connect as dial, type Socket } from 'node:net';
import { jest } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { type NumbersApp, startNumbers } from '../support/apps/client-app.js';
import { closePages, openPageAlone, startBrowser } from '../support/clients/browser.js';
import { until } from '../support/process-guard.js';

jest.setTimeout(60_000);

const SCRIPT = new URL('../../libs/realtime-client/dist/script/realtime-client.js', import.meta.url);
const POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'";
const START = `
  window.got = []; window.states = [];
  window.socket = Realtime.connect('/ws');
  socket.on('n', (n) => got.push(n));
  socket.onState((state) => states.push(state));`;

let browser: Browser;
let site: NumbersApp;
let front: Server;
/** False: requests to upgrade get 426, as from a proxy that does not know WebSockets. */
let letsUpgrade = true;
const upgraded = new Set<Socket>();

beforeAll(async () => {
  site = await startNumbers({ graceTime: 30, closeTimeout: 0.1, sseRetry: 0.05 });
  browser = await startBrowser();
  front = createServer((incoming, outgoing) => {
    outgoing.setHeader('Content-Security-Policy', POLICY);
    const own: Record<string, () => Promise<string> | string> = {
      '/': () => '<!doctype html><script src="/client.js"></script><script src="/start.js"></script>',
      '/client.js': () => readFile(SCRIPT, 'utf8'),
      '/start.js': () => START,
    };
    const page = own[incoming.url!];
    if (!page) return pass(incoming, outgoing);
    outgoing.setHeader('Content-Type', incoming.url === '/' ? 'text/html' : 'text/javascript');
    void Promise.resolve(page()).then((text) => outgoing.end(text));
  });
  front.on('upgrade', (incoming, socket: Socket, head) => {
    if (!letsUpgrade) return void socket.end('HTTP/1.1 426 Upgrade Required\r\nConnection: close\r\n\r\n');
    const onward = dial(Number(new URL(site.app.url).port), '127.0.0.1');
    const lines = incoming.rawHeaders.map((text, index) => (index % 2 ? `${text}\r\n` : `${text}: `)).join('');
    onward.write(`GET ${incoming.url} HTTP/1.1\r\n${lines}\r\n`);
    onward.write(head);
    socket.pipe(onward).pipe(socket);
    upgraded.add(socket);
    for (const end of [socket, onward])
      end.on('error', () => {}).on('close', () => (socket.destroy(), onward.destroy()));
  });
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
});

function pass(
  incoming: Parameters<Parameters<typeof createServer>[1] & object>[0],
  outgoing: import('node:http').ServerResponse,
) {
  const { method, url, headers } = incoming;
  const onward = request(site.app.url + url!, { method, headers }, (answer) => {
    outgoing.writeHead(answer.statusCode!, answer.headers);
    outgoing.flushHeaders();
    answer.pipe(outgoing);
  });
  onward.on('error', () => outgoing.destroy());
  outgoing.on('close', () => onward.destroy());
  incoming.pipe(onward);
}

afterEach(async () => {
  letsUpgrade = true;
  await closePages(browser);
});

afterAll(async () => {
  await browser.close();
  front.closeAllConnections();
  front.close();
  await site.app.close();
});

const read = <T>(page: Page, expression: string) => page.evaluate(expression) as Promise<T>;
const open = (page: Page, transport: string) =>
  until(
    `a connection by ${transport}`,
    () => read<{ transport?: string }>(page, 'socket.state'),
    (state) => state.transport === transport,
    30_000,
  );
const come = async () => {
  const { page, errors } = await openPageAlone(browser, `http://127.0.0.1:${(front.address() as AddressInfo).port}/`);
  await open(page, 'websocket');
  return { page, errors };
};
const push = async (page: Page, from: number, to: number) => {
  for (let n = from; n <= to; n++) await site.app.server.toEveryone().emit('n', n);
  await until(
    'all messages',
    () => read<number[]>(page, 'got'),
    (got) => got.length >= to,
    30_000,
  );
  expect(await read<number[]>(page, 'got')).toEqual(Array.from({ length: to }, (_, index) => index + 1));
};

it('a page works with no other permission than its own scripts and its own server', async () => {
  const { page, errors } = await come();
  await push(page, 1, 10);
  expect(await read(page, "socket.request('say', 7)")).toBe(7);
  expect(errors).toEqual([]);
});

it('a page whose WebSocket is blocked in the middle of a session goes on with SSE, and loses nothing', async () => {
  const { page } = await come();
  await push(page, 1, 5);
  letsUpgrade = false;
  for (const socket of upgraded) socket.destroy();
  await open(page, 'sse');
  await push(page, 6, 12);
  expect(await read(page, "socket.request('say', 8)")).toBe(8);
  expect(await read(page, 'new Set(states.flatMap(({ id }) => id ?? [])).size')).toBe(1);
});

it('a page that is offline says so, and resumes when it is online', async () => {
  const { page } = await come();
  await push(page, 1, 3);
  await page.context().setOffline(true);
  for (const socket of upgraded) socket.destroy();
  const isOffline = (state: { status: string; retryAt?: number }) => state.status === 'waiting' && !state.retryAt;
  await until('the page to wait', () => read<{ status: string; retryAt?: number }>(page, 'socket.state'), isOffline);
  for (let n = 4; n <= 6; n++) await site.app.server.toEveryone().emit('n', n);
  await page.context().setOffline(false);
  await open(page, 'websocket');
  await push(page, 7, 9);
});

it('a tab that was frozen gets what it missed, also when its wire was cut meanwhile', async () => {
  const { page } = await come();
  await push(page, 1, 3);
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Page.setWebLifecycleState', { state: 'frozen' });
  for (let n = 4; n <= 6; n++) await site.app.server.toEveryone().emit('n', n);
  for (const socket of upgraded) socket.destroy();
  await devtools.send('Page.setWebLifecycleState', { state: 'active' });
  await push(page, 7, 9);
});

it('a page whose server restarts has a new connection on the same transport', async () => {
  const { page } = await come();
  const port = Number(new URL(site.app.url).port);
  await site.app.close();
  const left = (state: { status: string }) => state.status !== 'open';
  await until('the close', () => read<{ status: string }>(page, 'socket.state'), left);
  site = await startNumbers({ graceTime: 30, closeTimeout: 0.1, sseRetry: 0.05 }, port);
  await open(page, 'websocket');
  await push(page, 1, 3);
  expect(await read(page, "states.filter(({ transport }) => transport && transport !== 'websocket').length")).toBe(0);
});
