/** SSE and long polling in a real Chromium, on the demo page. */
import { jest } from '@jest/globals';
import { Test } from '@nestjs/testing';
import { createTestApp, type TestApp } from 'nestjs-realtime/testing';
import type { Browser, Page } from 'playwright-core';
import { AppModule } from '../../src/app.module.js';
import { BLOCKED_WEBSOCKET, closePages, openPage, startBrowser } from '../support/clients/browser.js';
import { FaultProxy } from '../support/clients/fault-proxy.js';
import { until } from '../support/process-guard.js';

jest.setTimeout(60_000);

const SETTINGS = { REALTIME_SSE_RETRY: '0.05', REALTIME_CLOSE_TIMEOUT: '0.1', REALTIME_PRESENCE_GRACE: '0.1' };

let browser: Browser;
let app: TestApp;
let proxy: FaultProxy | undefined;

beforeAll(async () => {
  Object.assign(process.env, SETTINGS);
  browser = await startBrowser();
  app = await createTestApp(await Test.createTestingModule({ imports: [AppModule] }).compile());
});

afterAll(async () => {
  for (const name of Object.keys(SETTINGS)) delete process.env[name];
  await browser.close();
  await app.close();
});

afterEach(async () => {
  await closePages(browser);
  await proxy?.close();
  proxy = undefined;
  await untilEmpty();
});

/** Ends all connections, so that the next test begins with an empty room. */
async function untilEmpty(): Promise<void> {
  const left = async () => {
    await app.server.toEveryone().disconnect();
    return app.server.stats();
  };
  await until('the room to be empty', left, ({ current, unfinished }) => current + unfinished === 0);
}

const heard = (page: Page, text: string) =>
  page.locator('#log .bubble', { has: page.getByText(text, { exact: true }) }).waitFor();
const note = (page: Page, text: string) => page.locator('#log .note').getByText(text, { exact: true }).last().waitFor();
const via = (page: Page, name: string) =>
  until(
    `the page to be on ${name}`,
    () => page.locator('#transport option:checked').innerText(),
    (text) => text.toLowerCase() === name.toLowerCase(),
  );

async function say(page: Page, text: string): Promise<void> {
  await page.getByLabel('Message', { exact: true }).fill(text);
  await page.getByLabel('Message', { exact: true }).press('Enter');
}

async function come(name: string, url = app.url, path = '/', before = ''): Promise<Page> {
  const { page } = await openPage(browser, 'about:blank');
  if (before) await page.addInitScript(before);
  await page.goto(url + path);
  await page.getByLabel('Your name').fill(name);
  await page.getByRole('button', { name: 'Join the chat' }).click();
  await note(page, `You joined as ${name}`);
  return page;
}

let chats = 0;

async function chat(ann: Page, bob: Page): Promise<void> {
  await note(ann, 'Bob joined');
  // The room has a history, so each test says something else
  const texts = ['one', 'two', 'three'].map((text) => `${text} of ${++chats}`);
  for (const text of texts) await say(ann, text);
  for (const text of texts) await heard(bob, text);
  await say(bob, `Hello ${chats}`);
  await heard(ann, `Hello ${chats}`);
}

describe('the demo page', () => {
  it('the demo page without WebSocket chats by SSE with a page on WebSocket', async () => {
    const ann = await come('Ann');
    const bob = await come('Bob', app.url, '/', 'delete window.WebSocket');
    await via(ann, 'WebSocket');
    await via(bob, 'SSE');
    await chat(ann, bob);
    await bob.close();
    await note(ann, 'Bob left');
  });

  it('the demo page behind a proxy that strips Upgrade chats by SSE', async () => {
    proxy = await FaultProxy.start(app.url, { stripsUpgrade: true });
    const ann = await come('Ann');
    const bob = await come('Bob', proxy.url);
    await via(bob, 'SSE');
    await chat(ann, bob);
  });

  it.each([
    ['takes the header from event streams', BLOCKED_WEBSOCKET, '{ delete options.headers.accept; }'],
    ['cuts event streams', 'delete window.WebSocket;', "return Promise.reject(new TypeError('blocked'));"],
  ])('the demo page in a network that %s chats by long polling', async (_what, before, block) => {
    const ann = await come('Ann');
    const broken = `${before} const { fetch } = window; window.fetch = (url, options) => {
      if (options?.headers?.accept === 'text/event-stream') ${block}
      return fetch(url, options);
    };`;
    const bob = await come('Bob', app.url, '/', broken);
    await via(bob, 'long polling');
    await chat(ann, bob);
    await bob.close();
    await note(ann, 'Bob left');
  });

  it.each([
    ['websocket', 'WebSocket'],
    ['sse', 'SSE'],
    ['polling', 'long polling'],
  ])('the demo page uses %s when asked to, leaves and comes back', async (transport, name) => {
    const ann = await come('Ann', app.url, `/?transport=${transport}`);
    await via(ann, name);
    const [connection] = [...app.server.connections.values()];
    expect(connection!.transport).toBe(transport);
    await say(ann, `hello over ${name}`);
    await heard(ann, `hello over ${name}`);
    await app.server.disconnect(connection!.id, 4001, 'slow');
    await note(ann, 'You are back');
    await ann.getByRole('button', { name: 'Leave' }).click();
    await until(
      'the end',
      () => app.server.stats(),
      ({ current }) => current === 0,
    );
    await app.server.toEveryone().push('to nobody');
    await ann.getByRole('button', { name: 'Connect now' }).click();
    await until(
      'the connection',
      () => app.server.stats(),
      ({ current }) => current === 1,
    );
    await via(ann, name);
  });

  it.each(['sse', 'polling'])('the demo page on %s shows why the server refuses a message', async (transport) => {
    const ann = await come('Ann', app.url, `/?transport=${transport}`);
    await say(ann, 'x'.repeat(2001).slice(0, 2000));
    await ann.evaluate("document.getElementById('text').removeAttribute('maxlength')");
    await say(ann, 'y'.repeat(2100));
    await ann.locator('#hint').getByText('Expected a text of 1 to 2000 characters').waitFor();
  });
});
