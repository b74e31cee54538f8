/** A real Chromium, and its pages with whatever they complain about in their consoles. */
import { existsSync, readFileSync } from 'node:fs';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

interface Tools {
  readonly chromium: { readonly env: string; readonly binaries: readonly string[] };
}

/** @param args more flags @throws Error when there is no Chromium; `npm run test:setup` installs it or says how */
export async function startBrowser(...args: string[]): Promise<Browser> {
  const tools = JSON.parse(readFileSync(new URL('../../../scripts/tools.json', import.meta.url), 'utf8')) as Tools;
  const { env, binaries } = tools.chromium;
  const executablePath = process.env[env] || binaries.find((path) => existsSync(path));
  if (!executablePath) throw new Error('There is no Chromium here: run `npm run test:setup`');
  return chromium.launch({ executablePath, args: [...FLAGS, ...args] });
}

/** A page in a profile of its own. */
export interface OpenPage {
  readonly page: Page;
  /** Errors in its console and uncaught exceptions, as they came. */
  readonly errors: string[];
}

/** Opens a page. @param options for example `viewport` or `colorScheme` */
export async function openPage(browser: Browser, url: string, options?: BrowserContextOptions): Promise<OpenPage> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const errors: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  page.on('pageerror', (error) => errors.push(String(error)));
  await page.goto(url);
  return { page, errors };
}
