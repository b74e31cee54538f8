/** The browsers that the client is tested in. */
import type { Browser, Page } from 'playwright-core';
import { startBrowserWithPageCache } from './browser.js';
import { freezeFirefox, startFirefox } from './firefox.js';

export interface TestedBrowser {
  start(): Promise<Browser>;
  /** A page that has a connection when it is left goes into the back/forward cache. Otherwise it is loaded anew. */
  readonly keepsPages: boolean;
  /** No script of the page runs any more, and no timer. @returns how to go on */
  freeze(page: Page): Promise<() => Promise<void>>;
}

export const BROWSERS: Readonly<Record<string, TestedBrowser>> = {
  Chromium: { start: startBrowserWithPageCache, keepsPages: true, freeze: freezeChromium },
  Firefox: { start: () => startFirefox(), keepsPages: false, freeze: freezeFirefox },
};

async function freezeChromium(page: Page): Promise<() => Promise<void>> {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Page.setWebLifecycleState', { state: 'frozen' });
  return async () => void (await devtools.send('Page.setWebLifecycleState', { state: 'active' }));
}
