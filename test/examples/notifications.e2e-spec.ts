/** examples/notifications as a process, used in Chromium. */
import { jest } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { ExampleApp, ownTests } from '../support/apps/example-app.js';
import { type OpenPage, openPageAlone, startBrowser } from '../support/clients/browser.js';

jest.setTimeout(120_000);

it('the tests of the example pass', async () => {
  const passed = expect.stringMatching(/Tests: +16 passed, 16 total/);
  expect(await ownTests('notifications')).toEqual({ code: 0, output: passed });
});

describe('the page of the notifications', () => {
  let app: ExampleApp;
  let browser: Browser;
  let opened: OpenPage[] = [];

  beforeAll(async () => {
    [app, browser] = await Promise.all([ExampleApp.start('notifications'), startBrowser()]);
  });
  afterAll(async () => {
    await browser.close();
    expect(await app.stop()).toBe('SIGTERM');
    expect(app.output).not.toMatch(/ERROR|WARN/);
  });
  afterEach(async () => {
    expect(opened.flatMap(({ errors }) => errors)).toEqual([]);
    await Promise.all(opened.map(({ page }) => page.context().close()));
    opened = [];
  });

  /** Opens the page as a person with a browser of their own. */
  async function come(name: string, tenant: string): Promise<Page> {
    const one = await openPageAlone(browser, app.url);
    opened.push(one);
    await logIn(one.page, name);
    await heard(one.page, `${name} of ${tenant}`);
    await one.page.getByText('Connected, speaking notifications').waitFor();
    return one.page;
  }
  async function logIn(page: Page, name: string) {
    await page.getByLabel('Name').fill(name);
    await page.getByLabel('Password').fill(name);
    await page.getByRole('button', { name: 'Log in' }).click();
  }
  async function createInvoice(page: Page, total: string) {
    await page.getByLabel('Total').fill(total);
    await page.getByRole('button', { name: 'Create an invoice' }).click();
  }
  const heard = (page: Page, text: string) => page.getByRole('log').getByText(text, { exact: true }).waitFor();

  it('an invoice reaches the users of its tenant, and nobody else', async () => {
    const [ann, bob, eve] = [await come('ann', 'acme'), await come('bob', 'acme'), await come('eve', 'globex')];
    await createInvoice(ann, '42');
    for (const page of [ann, bob]) {
      await heard(page, 'Invoice 1 over 42 by ann');
      await heard(page, 'Read: 1');
    }
    await createInvoice(eve, '7');
    await heard(eve, 'Invoice 2 over 7 by eve');
    expect(await eve.getByRole('log').innerText()).not.toContain('ann');
  });

  it('the logout closes all tabs of a user, who can log in again', async () => {
    const tabs = [await come('ann', 'acme'), await come('ann', 'acme')];
    await tabs[0]!.getByRole('button', { name: 'Log out' }).click();
    for (const tab of tabs) await tab.getByText('Closed with 4501 logged out').waitFor();
    await logIn(tabs[1]!, 'ann');
    await tabs[1]!.getByText('Connected, speaking notifications').waitFor();
  });
});
