/** examples/chat as a process behind a real nginx with its own configuration, used in Chromium. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { ExampleApp, folderOf, ownTests } from '../support/apps/example-app.js';
import { type OpenPage, openPageAlone, startBrowser } from '../support/clients/browser.js';
import { codeOf } from '../support/docs.js';
import { Nginx } from '../support/nginx.js';

jest.setTimeout(120_000);

const configuration = readFileSync(join(folderOf('chat'), 'nginx.conf'), 'utf8');

it('the configuration of nginx is the one in docs/nginx.md', () => {
  expect(configuration).toBe(codeOf('docs/nginx.md', 'nginx')[0]);
});

it('the tests of the example pass', async () => {
  expect(await ownTests('chat')).toEqual({ code: 0, output: expect.stringMatching(/Tests: +15 passed, 15 total/) });
});

describe('the page of the chat, behind nginx', () => {
  let app: ExampleApp;
  let nginx: Nginx;
  let browser: Browser;
  let opened: OpenPage[] = [];

  beforeAll(async () => {
    [app, browser] = await Promise.all([ExampleApp.start('chat'), startBrowser()]);
    nginx = await Nginx.start((port) =>
      configuration
        .replace('listen 80;', `listen 127.0.0.1:${port};`)
        .replace('server 127.0.0.1:3000;', `server 127.0.0.1:${app.port};`),
    );
  });
  afterAll(async () => {
    await browser.close();
    await nginx.stop();
    expect(await app.stop()).toBe('SIGTERM');
    expect(app.output).not.toMatch(/ERROR|WARN/);
  });
  afterEach(async () => {
    expect(opened.flatMap(({ errors }) => errors)).toEqual([]);
    await Promise.all(opened.map(({ page }) => page.context().close()));
    opened = [];
  });

  /** Opens the page as a person with a browser of their own. */
  async function come(name: string): Promise<Page> {
    const one = await openPageAlone(browser, nginx.url);
    opened.push(one);
    await one.page.getByLabel('Name').fill(name);
    await one.page.getByRole('button', { name: 'Log in' }).click();
    await heard(one.page, `You are ${name}`);
    return one.page;
  }
  const heard = (page: Page, text: string) => page.getByRole('log').getByText(text, { exact: true }).waitFor();
  async function say(page: Page, text: string) {
    await page.getByLabel('Text').fill(text);
    await page.getByLabel('Text').press('Enter');
  }

  it('two people see each other come, speak and leave', async () => {
    const ann = await come('Ann');
    const bob = await come('Bob');
    await heard(ann, 'Bob joined');
    await ann.getByText('Here: Ann, Bob').waitFor();
    await say(ann, 'hello, all');
    for (const page of [ann, bob]) await heard(page, 'Ann: hello, all');
    await bob.close();
    await heard(ann, 'Bob left');
  });

  it('a whisper reaches one person, and a whisper to nobody is answered with an error', async () => {
    const [ann, bob, eve] = [await come('Ann'), await come('Bob'), await come('Eve')];
    await say(ann, '/to Bob psst');
    await heard(bob, 'Ann whispers: psst');
    await heard(ann, 'Whispered to Bob');
    await say(ann, '/to Nobody psst');
    await heard(ann, 'Not sent: Nobody is not here');
    await say(ann, 'for all');
    await heard(eve, 'Ann: for all');
    expect(await eve.getByRole('log').innerText()).not.toContain('psst');
  });

  it('a controller announces to the page, and the logout closes it for good', async () => {
    const ann = await come('Ann');
    const headers = JSON.stringify({ 'content-type': 'application/json' });
    const status = await ann.evaluate(
      `fetch('/announcements', { method: 'POST', headers: ${headers}, body: '{"text":"Lunch!"}' }).then((it) => it.status)`,
    );
    expect(status).toBe(204);
    await heard(ann, 'Announcement: Lunch!');
    await ann.getByRole('button', { name: 'Log out' }).click();
    await ann.getByText('Closed with 4501 logged out').waitFor();
    await ann.getByLabel('Name').waitFor();
  });
});
