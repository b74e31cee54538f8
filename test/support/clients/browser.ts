/** A real Chromium, and pages with the errors of their consoles. */
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { toolPath } from '../tools.js';

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

/**
 * Starts Chromium without the parts that draw a window, which take half of the CPU time of a test.
 *
 * @param args more flags
 * @throws Error when there is no Chromium; `npm run test:setup` installs it or says how
 */
export async function startBrowser(...args: string[]): Promise<Browser> {
  return chromium.launch({ executablePath: toolPath('chromium-headless-shell'), args: [...FLAGS, ...args] });
}

/** Starts all of Chromium, with a back/forward cache as visitors have it; Playwright turns that off. */
export async function startBrowserWithPageCache(): Promise<Browser> {
  const ignoreDefaultArgs = ['--disable-back-forward-cache'];
  return chromium.launch({ executablePath: toolPath('chromium'), args: FLAGS, ignoreDefaultArgs });
}

/** A script for a page whose WebSockets never open, as where something on the way blocks them. */
export const BLOCKED_WEBSOCKET = `
  window.WebSocket = class {
    constructor() {
      setTimeout(() => this.onclose?.({ code: 1006, reason: '', wasClean: false }));
    }
    send() {}
    close() {}
  };`;

/** A page, and its errors. */
export interface OpenPage {
  readonly page: Page;
  /** Errors in its console and uncaught exceptions, in order. */
  readonly errors: string[];
}

/** Profiles of each browser, by their options. */
const profiles = new WeakMap<Browser, Map<string, Promise<BrowserContext>>>();

function profileOf(browser: Browser, options: BrowserContextOptions): Promise<BrowserContext> {
  const known = profiles.get(browser) ?? new Map<string, Promise<BrowserContext>>();
  profiles.set(browser, known);
  const key = JSON.stringify(options);
  const profile = known.get(key) ?? browser.newContext(options);
  known.set(key, profile);
  return profile;
}

/**
 * Opens a page. Pages with the same options are tabs of one profile: each has a session storage of its own, and cookies
 * and the HTTP cache are shared.
 *
 * @param options for example `viewport` or `colorScheme`
 */
export async function openPage(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<OpenPage> {
  return openIn(await profileOf(browser, options), url);
}

/** Opens a page in a profile of its own, for a test that changes the whole profile, for example its clock. */
export async function openPageAlone(browser: Browser, url: string): Promise<OpenPage> {
  return openIn(await browser.newContext(), url);
}

async function openIn(context: BrowserContext, url: string): Promise<OpenPage> {
  const page = await context.newPage();
  const errors: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  page.on('pageerror', (error) => errors.push(String(error)));
  await page.goto(url);
  return { page, errors };
}

/** Closes all pages, and the profiles that are not shared. */
export async function closePages(browser: Browser): Promise<void> {
  const shared = await Promise.all([...(profiles.get(browser)?.values() ?? [])]);
  const close = (context: BrowserContext) =>
    shared.includes(context) ? Promise.all(context.pages().map((page) => page.close())) : context.close();
  await Promise.all(browser.contexts().map(close));
}
