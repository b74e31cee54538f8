/** The one file for a script tag in real browsers, on a page with a strict Content Security Policy and a bad network. */
import { jest } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { type NumbersApp, startNumbers } from '../support/apps/client-app.js';
import { ScriptPage } from '../support/apps/script-page.js';
import { closePages, openPage } from '../support/clients/browser.js';
import { BROWSERS } from '../support/clients/browsers.js';
import { TcpProxy } from '../support/clients/tcp-proxy.js';
import { until } from '../support/process-guard.js';

jest.setTimeout(60_000);

const OPTIONS = { graceTime: 30, reconnectSpread: 0.1, closeTimeout: 0.1, sseRetry: 0.05 };
const PATIENCE_MS = 30_000;

let site: NumbersApp;
let front: ScriptPage;

beforeAll(async () => {
  site = await startNumbers(OPTIONS);
  front = await ScriptPage.start(() => site.app.url);
});
afterAll(async () => {
  front.close();
  await site.app.close();
});

interface State {
  readonly status: string;
  readonly transport?: string;
  readonly id?: string;
  readonly attempt?: number;
  readonly retryAt?: number;
}
const upTo = (n: number) => Array.from({ length: n }, (_, index) => index + 1);
const read = <T>(page: Page, expression: string) => page.evaluate(expression) as Promise<T>;
const reaches = (page: Page, what: string, isWanted: (state: State) => boolean) =>
  until(what, () => read<State>(page, 'socket.state'), isWanted, PATIENCE_MS);
const isOn = (page: Page, wanted: string) =>
  reaches(page, `a connection by ${wanted}`, ({ transport }) => transport === wanted);
const emit = async (from: number, to: number) => {
  for (let n = from; n <= to; n++) await site.app.server.toEveryone().emit('n', n);
};
/** Pushes the next numbers: the page has got all from 1, each once and in order. */
const push = async (page: Page, from: number, to: number) => {
  await emit(from, to);
  const isThere = (got: number[]) => got.length >= to;
  expect(await until('all messages', () => read<number[]>(page, 'got'), isThere, PATIENCE_MS)).toEqual(upTo(to));
};
const countIds = (page: Page) => read<number>(page, 'new Set(states.flatMap(({ id }) => id ?? [])).size');

describe.each(Object.entries(BROWSERS))('a page in %s', (_name, { start, freeze, keepsPages }) => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await start();
  });
  afterEach(async () => {
    front.letsUpgrade = true;
    await closePages(browser);
  });
  afterAll(() => browser.close());

  const come = async (port = front.port) => {
    const { page, errors } = await openPage(browser, `http://127.0.0.1:${port}/`);
    await isOn(page, 'websocket');
    return { page, errors };
  };

  it('works with no other permission than its own scripts and its own server', async () => {
    const { page, errors } = await come();
    await push(page, 1, 10);
    expect(await read(page, "socket.request('say', 7)")).toBe(7);
    expect(errors).toEqual([]);
  });

  it('goes on with SSE, and loses nothing, when its WebSocket is blocked in the middle of a session', async () => {
    const { page } = await come();
    await push(page, 1, 5);
    front.letsUpgrade = false;
    front.cut();
    await isOn(page, 'sse');
    await push(page, 6, 12);
    expect(await read(page, "socket.request('say', 8)")).toBe(8);
    expect(await countIds(page)).toBe(1);
  });

  it('gets each message once and in order over a slow network that breaks off, on every transport', async () => {
    const network = await TcpProxy.start(front.port);
    const { page } = await come(network.port);
    await page.evaluate(`
      socket.close();
      window.all = ['websocket', 'sse', 'polling'].map((transport) => {
        const [socket, got] = [Realtime.connect('/ws', { transports: [transport] }), []];
        socket.on('slow', ({ n }) => got.push(n));
        return { socket, got };
      });`);
    const ids = () => read<string[]>(page, 'all.flatMap(({ socket }) => socket.state.id ?? [])');
    const before = await until('all connections', ids, ({ length }) => length === 3);
    network.delay(50);
    network.throttle(40_000);
    network.cutAfter(60_000);
    for (let n = 1; n <= 15; n++) await site.app.server.toEveryone().emit('slow', { n, text: 'x'.repeat(2000) });
    const got = () => read<number[][]>(page, 'all.map(({ got }) => got)');
    const areThere = (lists: number[][]) => lists.every(({ length }) => length >= 15);
    expect(await until('all messages', got, areThere, PATIENCE_MS)).toEqual([upTo(15), upTo(15), upTo(15)]);
    expect(await until('all connections', ids, ({ length }) => length === 3)).toEqual(before);
    await network.stop();
  });

  it('says that it is offline, and resumes when it is online', async () => {
    const { page } = await come();
    await push(page, 1, 3);
    await page.context().setOffline(true);
    front.cut();
    await reaches(page, 'the page to wait', ({ status, retryAt }) => status === 'waiting' && !retryAt);
    await emit(4, 6);
    await page.context().setOffline(false);
    await isOn(page, 'websocket');
    await push(page, 7, 9);
    expect(await countIds(page)).toBe(1);
  });

  it('gets what it missed while it was frozen, also when its wire was cut meanwhile', async () => {
    const { page } = await come();
    await push(page, 1, 3);
    const thaw = await freeze(page);
    await emit(4, 6);
    front.cut();
    await thaw();
    await push(page, 7, 9);
    expect(await countIds(page)).toBe(1);
  });

  const comesBack = keepsPages
    ? 'gets what it missed while it was in the back/forward cache'
    : 'is loaded anew when its visitor goes back to it, since its connection keeps it out of the back/forward cache';
  it(comesBack, async () => {
    const { page } = await come();
    await push(page, 1, 3);
    await page.goto(`http://127.0.0.1:${front.port}/other`);
    await emit(4, 6);
    await page.evaluate('void setTimeout(() => history.back())');
    await until(
      'the page to be back',
      () => read<string>(page, 'document.title').catch(() => ''),
      (title) => title === 'page',
    );
    await isOn(page, 'websocket');
    await emit(7, 9);
    const wanted = keepsPages ? upTo(9) : [7, 8, 9];
    const isThere = (got: number[]) => got.length >= wanted.length;
    expect(await until('all messages', () => read<number[]>(page, 'got'), isThere, PATIENCE_MS)).toEqual(wanted);
    expect(await countIds(page)).toBe(1);
  });

  it('has a new connection on the same transport when its server was away for some time', async () => {
    const { page } = await come();
    const port = Number(new URL(site.app.url).port);
    await site.app.close();
    await reaches(page, 'two attempts in vain', ({ attempt = 0 }) => attempt > 2);
    site = await startNumbers(OPTIONS, port);
    await isOn(page, 'websocket');
    await push(page, 1, 3);
    expect(await read(page, "states.filter(({ transport }) => transport && transport !== 'websocket').length")).toBe(0);
  });
});
