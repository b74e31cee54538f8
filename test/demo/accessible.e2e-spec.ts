/** The demo's page for everybody: axe-core in light and dark, on a desk and on a phone, by keyboard, for a screen reader. */
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { jest } from '@jest/globals';
import { Test } from '@nestjs/testing';
import { createTestApp, type TestApp } from 'nestjs-realtime/testing';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { AppModule } from '../../src/app.module.js';
import { until } from '../support/process-guard.js';
import { closePages, openPage, startBrowser } from '../support/clients/browser.js';

jest.setTimeout(60_000);

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const DESK = { viewport: { width: 1100, height: 760 } };
const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };

let browser: Browser;
let app: TestApp;

beforeAll(async () => {
  process.env['REALTIME_PRESENCE_GRACE'] = '0.1';
  browser = await startBrowser();
  app = await createTestApp(await Test.createTestingModule({ imports: [AppModule] }).compile());
});
afterAll(async () => {
  delete process.env['REALTIME_PRESENCE_GRACE'];
  await browser.close();
  await app.close();
});

afterEach(async () => {
  await closePages(browser);
  // A page that a busy machine ends without a goodbye would be kept for a while
  const left = async () => {
    await app.server.toEveryone().disconnect();
    return app.server.to('lobby').countUsers();
  };
  await until('everybody to have left', left, (count) => count === 0);
});

async function enter(name: string, options: BrowserContextOptions): Promise<Page> {
  const { page } = await openPage(browser, app.url, options);
  await page.getByLabel('Your name').fill(name);
  await page.getByRole('button', { name: 'Join the chat' }).click();
  await page.locator('#log .note').getByText(`You joined as ${name}`).last().waitFor();
  return page;
}

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
}

/** @returns what axe-core finds wrong, a line for each */
async function problemsOf(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  const { violations } = (await page.evaluate('axe.run()')) as { violations: readonly Violation[] };
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`),
  );
}

it.each([
  ['light', 'desk', DESK],
  ['dark', 'phone', PHONE],
] as const)(
  'axe-core finds nothing wrong with the page in %s on a %s, from the name to the end',
  async (colorScheme, _where, size) => {
    const options = { ...size, colorScheme };
    const { page: first } = await openPage(browser, app.url, options);
    expect(await problemsOf(first)).toEqual([]);
    const name = `Ann ${colorScheme}`;
    const ann = await enter(name, options);
    const bob = await enter(`Bob ${colorScheme}`, options);
    await bob.getByLabel('Message', { exact: true }).fill('Hello');
    await bob.getByLabel('Message', { exact: true }).press('Enter');
    await ann.getByRole('button', { name: `Bob ${colorScheme}` }).click();
    await ann.getByLabel('Message', { exact: true }).fill('psst');
    await ann.getByLabel('Message', { exact: true }).press('Enter');
    await ann.locator('.private .words').getByText('psst').last().waitFor();
    await app.server.toUser(name).push('from the server');
    await ann.locator('.server .words').waitFor();
    await bob.getByLabel('Message', { exact: true }).pressSequentially('typing');
    await ann.locator('#typing').getByText('is typing').waitFor();
    expect(await problemsOf(ann)).toEqual([]);
    await app.server.toUser(name).disconnect(4500, 'closed by an administrator');
    await ann.locator('#trouble').waitFor();
    expect(await problemsOf(ann)).toEqual([]);
  },
);

it('a person joins, writes privately, moves the connection and leaves by keyboard alone', async () => {
  await enter('Rob', DESK);
  const { page } = await openPage(browser, app.url, DESK);
  const { keyboard } = page;
  const focused = () => page.evaluate('document.activeElement.ariaLabel ?? document.activeElement.innerText');
  await page.locator('#name:focus').waitFor();
  await keyboard.type('Ann');
  await keyboard.press('Enter');
  await page.locator('#text:focus').waitFor();
  await page.getByRole('button', { name: 'Rob' }).waitFor();
  // The order of the focus is that of the page
  await page.getByRole('heading', { name: 'nestjs-realtime' }).click();
  const order: unknown[] = [];
  for (let i = 0; i < 9; i++) {
    await keyboard.press('Tab');
    order.push(await focused());
  }
  expect(order).toEqual([
    'Transport',
    'Dark mode',
    'Leave',
    expect.stringMatching(/^R\s*Rob\s*here$/),
    'Push from a terminal',
    'Command that pushes to this page',
    'Conversation',
    'Message',
    'Send',
  ]);
  await page.getByRole('button', { name: 'Rob' }).focus();
  await keyboard.press('Enter');
  await page.locator('#text:focus').waitFor();
  await keyboard.type('by keyboard');
  await keyboard.press('Enter');
  await page.locator('.private .words').getByText('by keyboard').waitFor();
  await page.getByLabel('Transport').focus();
  await keyboard.press('ArrowDown');
  await page.locator('#log .note').getByText('Moved to SSE').waitFor();
  await page.getByRole('button', { name: 'Leave' }).focus();
  await keyboard.press('Enter');
  await page.locator('#state').getByText('Disconnected').waitFor();
});

it('a screen reader hears messages and the state, and neither the backlog nor the countdown', async () => {
  const page = await enter('Eve', DESK);
  const live = (selector: string) =>
    page
      .locator(selector)
      .evaluate((element) => [
        (element as unknown as Record<string, unknown>)['role'],
        (element as unknown as Record<string, unknown>)['ariaLive'],
      ]);
  expect(await live('#log')).toEqual(['log', 'polite']);
  for (const selector of ['#state', '#trouble-why']) expect((await live(selector))[0]).toBe('status');
  expect((await live('#hint'))[0]).toBe('alert');
  expect(await page.locator('#trouble-when, #typing').evaluateAll((all) => all.length)).toBe(2);
  expect(await page.locator(':is([role=status], [role=alert], [aria-live]) :is(#trouble-when, #typing)').count()).toBe(
    0,
  );
});

it('the switch turns the page dark, and the choice outlives a reload', async () => {
  const { page } = await openPage(browser, app.url, { ...DESK, colorScheme: 'light' });
  await page.getByLabel('Your name').fill('Zoe');
  await page.keyboard.press('Enter');
  const paper = () => page.evaluate(`getComputedStyle(document.querySelector('.chat')).backgroundColor`);
  const toggle = page.getByRole('button', { name: 'Dark mode' });
  expect([await paper(), await toggle.getAttribute('aria-pressed')]).toEqual(['rgb(255, 255, 255)', 'false']);
  await toggle.click();
  expect([await paper(), await toggle.getAttribute('aria-pressed')]).toEqual(['rgb(23, 28, 34)', 'true']);
  await page.reload();
  await page.locator('#text:focus').waitFor();
  expect([await paper(), await toggle.getAttribute('aria-pressed')]).toEqual(['rgb(23, 28, 34)', 'true']);
  await toggle.click();
});
