/** The EventSource of real browsers, which reconnects by itself: on its own origin, and from the page of another one. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { jest } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { type NumbersApp, startNumbers } from '../support/apps/client-app.js';
import { closePages, openPage } from '../support/clients/browser.js';
import { BROWSERS } from '../support/clients/browsers.js';
import { FaultProxy } from '../support/clients/fault-proxy.js';
import { until } from '../support/process-guard.js';

jest.setTimeout(60_000);

let elsewhere: Server;
let site: NumbersApp;

const other = () => `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}`;

beforeAll(async () => {
  elsewhere = createServer((_request, response) => response.end('another site')).listen(0, '127.0.0.1');
  await once(elsewhere, 'listening');
  site = await startNumbers({ sseRetry: 0.05, closeTimeout: 0.1, allowedOrigins: [other()] });
});
afterAll(async () => {
  elsewhere.closeAllConnections();
  elsewhere.close();
  await site.app.close();
});

interface Opened {
  readonly id: string;
  readonly recovered: boolean;
}
const read = <T>(page: Page, expression: string) => page.evaluate(expression) as Promise<T>;

describe.each(Object.entries(BROWSERS))('an EventSource in %s', (_name, { start }) => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await start();
  });
  afterEach(() => closePages(browser));
  afterAll(() => browser.close());

  /** Opens a page that collects the events of its EventSource. @returns the first of them too */
  async function listen(origin: string, url: string): Promise<{ page: Page; id: string }> {
    const { page } = await openPage(browser, `${origin}/page`);
    await page.evaluate(`
      window.got = []; window.opens = []; window.closes = [];
      window.source = new EventSource('${url}/ws', { withCredentials: true });
      source.onmessage = ({ data }) => got.push(data);
      source.addEventListener('open', ({ data }) => data && opens.push(JSON.parse(data)));
      source.addEventListener('close', ({ data }) => closes.push(JSON.parse(data)));`);
    const opens = await until(
      'the stream',
      () => read<Opened[]>(page, 'opens'),
      ({ length }) => length > 0,
    );
    return { page, id: opens[0]!.id };
  }

  /** Pushes numbers until the stream has been cut twice: each arrives once and in order, on one connection. */
  async function goesOn(origin: string, url: string): Promise<void> {
    const { page, id } = await listen(origin, url);
    const pushed: string[] = [];
    const cuts = async () => {
      pushed.push(`n${pushed.length}`);
      await site.app.server.toConnection(id).push(pushed.at(-1)!);
      return (await read<Opened[]>(page, 'opens')).length - 1;
    };
    await until('two cuts', cuts, (count) => count >= 2);
    const got = () => read<string[]>(page, 'got');
    expect(await until('all messages', got, ({ length }) => length >= pushed.length)).toEqual(pushed);
    const opens = await read<Opened[]>(page, 'opens');
    expect(opens.map(({ recovered }) => recovered)).toEqual(opens.map((_open, index) => index > 0));
    expect(new Set(opens.map((open) => open.id))).toEqual(new Set([id]));
  }

  it('continues by its Last-Event-ID when its stream is cut again and again, also on a page of another origin', async () => {
    const proxy = await FaultProxy.start(site.app.url, { cutsAfterMs: 250 });
    await Promise.all([goesOn(proxy.url, proxy.url), goesOn(other(), proxy.url)]);
    await proxy.close();
  });

  it('does not reconnect to a connection that was ended for good', async () => {
    const { page, id } = await listen(site.app.url, site.app.url);
    await site.app.server.disconnect(id, 4500, 'bye');
    await until(
      'its end',
      () => read<number>(page, 'source.readyState'),
      (state) => state === 2,
    );
    expect(await read(page, 'closes')).toMatchObject([{ code: 4500, reason: 'bye' }]);
    expect(await read(page, 'opens.length')).toBe(1);
  });
});
