import { jest } from '@jest/globals';
import { Test } from '@nestjs/testing';
import { CLOSE_CODES, mayReconnect } from 'nestjs-realtime-protocol';
import { createTestApp, TestApp } from 'nestjs-realtime/testing';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { AppModule } from '../../src/app.module.js';
import { closePages, openPage, openPageAlone, type OpenPage, startBrowser } from '../support/clients/browser.js';
import { until } from '../support/process-guard.js';

jest.setTimeout(60_000);

const PHONE: BrowserContextOptions = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };

let browser: Browser;
let app: TestApp;
let url: string;
let consoles: string[][] = [];
/** Console errors that a test provokes: Chromium logs each failed request. */
let expectedErrors: RegExp | undefined;

beforeAll(async () => {
  browser = await startBrowser();
  await start();
});

afterAll(async () => {
  await browser.close();
  await app.close();
});

afterEach(async () => {
  await closePages(browser);
  await until(
    'everybody to have left',
    () => app.server.stats(),
    ({ current, unfinished }) => current + unfinished === 0,
  );
  const errors = consoles.flat().filter((error) => !expectedErrors?.test(error));
  consoles = [];
  expectedErrors = undefined;
  expect(errors).toEqual([]);
});

async function start(): Promise<void> {
  app = await createTestApp(await Test.createTestingModule({ imports: [AppModule] }).compile());
  url = app.url;
}

/** Starts the same application again, on the same port. */
async function restart(): Promise<void> {
  const moduleRef = await Test.createTestingModule({ imports: [AppModule] }).compile();
  const next = moduleRef.createNestApplication({ logger: false });
  await next.listen(Number(new URL(url).port), '127.0.0.1');
  app = new TestApp(next, url);
}

async function visit(path = '/', options?: BrowserContextOptions): Promise<Page> {
  return watch(await openPage(browser, url + path, options));
}

function watch({ page, errors }: OpenPage): Page {
  consoles.push(errors);
  return page;
}

async function come(name: string, options?: BrowserContextOptions): Promise<Page> {
  const page = await visit('/', options);
  await enterName(page, name);
  await note(page, `You joined as ${name}`);
  return page;
}

async function enterName(page: Page, name: string): Promise<void> {
  await page.getByLabel('Your name').fill(name);
  await page.getByRole('button', { name: 'Join the chat' }).click();
}

const box = (page: Page) => page.getByLabel('Message', { exact: true });
const people = (page: Page) => page.locator('#people .name');

async function say(page: Page, text: string): Promise<void> {
  await box(page).fill(text);
  await box(page).press('Enter');
}

/** Waits for a message. @returns the text of its bubble */
async function heard(page: Page, text: string): Promise<string> {
  const bubble = page.locator('#log .bubble', { has: page.getByText(text, { exact: true }) });
  await bubble.waitFor();
  return bubble.innerText();
}

const note = (page: Page, text: string) => page.locator('#log .note').getByText(text, { exact: true }).last().waitFor();
const state = (page: Page, text: string) => page.locator('#state').getByText(text, { exact: true }).waitFor();
const hint = (page: Page, text: string) => page.locator('#hint').getByText(text).waitFor();
const trouble = (page: Page, text: string | RegExp) => page.locator('#trouble-text').getByText(text).waitFor();

describe('two people', () => {
  it('two people see each other and chat', async () => {
    const ann = await come('Ann');
    const bob = await come('Bob');
    await note(ann, 'Bob joined');
    for (const page of [ann, bob]) expect(await people(page).allInnerTexts()).toEqual(['Ann', 'Bob']);
    await say(ann, 'Hello, Bob');
    expect(await heard(bob, 'Hello, Bob')).toMatch(/^Ann\s/);
    expect(await heard(ann, 'Hello, Bob')).toMatch(/^You\s/);
    await say(bob, 'Hello, Ann');
    expect(await heard(ann, 'Hello, Ann')).toMatch(/^Bob\s/);
    expect(await box(bob).inputValue()).toBe('');
  });

  it('two people write privately, and a third person sees nothing of it', async () => {
    const ann = await come('Ann');
    const bob = await come('Bob');
    const eve = await come('Eve');
    await ann.getByRole('button', { name: 'Bob' }).click();
    await say(ann, 'psst');
    expect(await heard(bob, 'psst')).toMatch(/^Ann\s+only to you/);
    expect(await heard(ann, 'psst')).toMatch(/^You\s+only to Bob/);
    await box(ann).press('Escape');
    await say(ann, 'for all');
    await heard(eve, 'for all');
    expect(await eve.locator('#log').innerText()).not.toContain('psst');
  });

  it('a private message to a person who has left goes to nobody', async () => {
    const ann = await come('Ann');
    const bob = await come('Bob');
    await ann.getByRole('button', { name: 'Bob' }).click();
    await bob.close();
    await note(ann, 'Bob left');
    expect(await people(ann).allInnerTexts()).toEqual(['Ann']);
    await say(ann, 'psst');
    await hint(ann, 'This person has left');
    expect(await box(ann).inputValue()).toBe('psst');
    expect(await ann.locator('#log').innerText()).not.toContain('psst');
  });
});

describe('one person', () => {
  it.each(['<img src=x onerror="document.title = 1">', '<script>document.title = 1</script>', '<b>bold</b>'])(
    'the page shows %s as text, in a message and in a name',
    async (text) => {
      const ann = await come('Ann');
      const eve = await come(text.slice(0, 40));
      await say(eve, text);
      await heard(ann, text);
      expect(await people(ann).allInnerTexts()).toEqual(['Ann', text.slice(0, 40)]);
      expect(await ann.locator('main :is(img, script, b)').count()).toBe(0);
      expect(await ann.title()).toContain('Chat');
    },
  );

  it('the page does not send an empty message', async () => {
    const ann = await come('Ann');
    const { messagesIn } = await app.server.stats();
    await say(ann, '  ');
    await hint(ann, 'Write something first.');
    expect(await box(ann).getAttribute('aria-invalid')).toBe('true');
    await ann.getByRole('button', { name: 'Send' }).click();
    expect((await app.server.stats()).messagesIn).toBe(messagesIn);
    await say(ann, 'Something');
    await heard(ann, 'Something');
    expect(await ann.locator('#hint').innerText()).toBe('');
  });

  it('the page does not connect without a name', async () => {
    const { accepted } = await app.server.stats();
    const page = await visit();
    await enterName(page, ' ');
    await page.getByText('Please enter a name.').waitFor();
    expect((await app.server.stats()).accepted).toBe(accepted);
  });

  it('a person joins again after a reload', async () => {
    const ann = await come('Ann');
    await ann.reload();
    await note(ann, 'You joined as Ann');
  });

  it('the page shows messages that a controller pushes', async () => {
    const ann = await come('Ann');
    const [id] = app.server.connections.keys();
    const push = (path: string, text: string) =>
      fetch(`${url}/push/${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ text }),
      });
    await push(`connection/${id}`, 'for one');
    await push('user/Ann', 'for Ann');
    await push('everyone', '{ "data": {} }');
    for (const text of ['for one', 'for Ann', '{ "data": {} }']) await heard(ann, text);
    expect(await ann.locator('.server .words').allInnerTexts()).toEqual(['for one', 'for Ann', '{ "data": {} }']);
  });

  it('a person who leaves stays away until asked to connect', async () => {
    const ann = await come('Ann');
    await ann.getByRole('button', { name: 'Leave' }).click();
    await trouble(ann, 'Closed with 1000: closed on purpose. This page will not reconnect.');
    await say(ann, 'Hello?');
    await hint(ann, 'Not sent: there is no connection.');
    expect(await box(ann).inputValue()).toBe('Hello?');
    await ann.getByRole('button', { name: 'Connect now' }).click();
    await note(ann, 'You are back');
  });
});

describe('a connection that ends', () => {
  it('the page does not reconnect after 4500, and says why', async () => {
    const { accepted } = await app.server.stats();
    const ann = watch(await openPageAlone(browser, url));
    await ann.clock.install();
    await enterName(ann, 'Ann');
    await note(ann, 'You joined as Ann');
    await app.server.toEveryone().disconnect(4500, 'see you');
    await trouble(ann, 'Closed with 4500: disconnected by the application (see you). This page will not reconnect.');
    await state(ann, 'Disconnected');
    await ann.clock.fastForward('10:00');
    expect(await app.server.stats()).toMatchObject({ accepted: accepted + 1, current: 0 });
  });

  it('the page reconnects after 4001', async () => {
    const ann = await come('Ann');
    const bob = await come('Bob');
    await bob.getByRole('button', { name: 'Ann' }).waitFor();
    await app.server.disconnect([...app.server.connections.keys()][0]!, 4001, 'slow');
    await note(ann, 'Connection closed with 4001');
    await note(ann, 'You are back');
    await state(ann, 'Connected');
    expect(await ann.locator('#trouble').isVisible()).toBe(false);
    await say(ann, 'Here again');
    await heard(bob, 'Here again');
    expect(await people(bob).allInnerTexts()).toEqual(['Bob', 'Ann']);
  });

  it('the page reconnects when the server is back after a restart', async () => {
    expectedErrors = /ERR_CONNECTION_REFUSED/;
    const ann = await come('Ann');
    await app.close();
    await note(ann, 'Connection closed with 1001');
    await trouble(ann, /^The server does not answer. Trying again in \d+ s.$/);
    await restart();
    await note(ann, 'You are back');
    await state(ann, 'Connected');
  });

  it('the page knows what every close code means, and whether to reconnect', async () => {
    const page = await visit();
    const codes = CLOSE_CODES.map(({ code }) => code);
    const table = await page.evaluate(
      `import('/assets/reconnecting-socket.js').then((it) => ${JSON.stringify(codes)}.map((code) =>
        ({ code, comesBack: it.mayReconnect(code), isKnown: it.meaningOf(code) !== it.meaningOf(4999) })))`,
    );
    expect(table).toEqual(codes.map((code) => ({ code, comesBack: mayReconnect(code), isKnown: true })));
  });

  it('the page reconnects later and later, never at the same moment for all', async () => {
    const page = await visit();
    const delays = (await page.evaluate(
      `import('/assets/reconnecting-socket.js').then((it) => Array.from({ length: 40 }, (_, n) => it.delayOf(n)))`,
    )) as number[];
    for (const [attempt, delay] of delays.entries()) {
      const longest = Math.min(30_000, 500 * 2 ** attempt);
      expect(delay).toBeGreaterThanOrEqual(longest / 2);
      expect(delay).toBeLessThanOrEqual(longest);
    }
    expect(new Set(delays).size).toBe(delays.length);
  });
});

describe('a handshake that is refused', () => {
  beforeEach(async () => {
    await app.close();
    process.env['REALTIME_MAX_CONNECTIONS'] = '1';
    await start();
  });
  afterEach(async () => {
    delete process.env['REALTIME_MAX_CONNECTIONS'];
    await closePages(browser);
    await app.close();
    await start();
  });

  it('the page explains a refused handshake, and tries again until there is room', async () => {
    expectedErrors = /503|426/;
    const ann = await come('Ann');
    const bob = await visit();
    await enterName(bob, 'Bob');
    await trouble(bob, /^The server refused with 503: Too many connections\. Trying again in \d+ s\.$/);
    await ann.close();
    await note(bob, 'You joined as Bob');
  });
});

describe('the page', () => {
  it('the page uses wss where it was loaded by https', async () => {
    const page = await (await browser.newContext()).newPage();
    const target = new Promise<string>((resolve) => {
      void page.routeWebSocket(/./, (socket) => resolve(socket.url()));
    });
    await page.route('https://demo.test/**', async (route) => {
      const answer = await fetch(url + new URL(route.request().url()).pathname);
      const contentType = answer.headers.get('content-type') ?? undefined;
      await route.fulfill({ status: answer.status, contentType, body: await answer.text() });
    });
    await page.goto('https://demo.test/');
    await enterName(page, 'Ann');
    expect(await target).toBe('wss://demo.test/ws');
  });

  it('the page fits a phone, whatever people write', async () => {
    const overflow = (page: Page) =>
      page.evaluate(
        `Math.max(...[...document.querySelectorAll('html, #log, .head, .foot, .card')]
          .map(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth))`,
      );
    const ann = await visit('/', PHONE);
    expect(await overflow(ann)).toBe(0);
    await enterName(ann, 'Ann');
    const long = await come('N'.repeat(40), PHONE);
    await say(long, 'x'.repeat(400));
    await heard(ann, 'x'.repeat(400));
    await ann.getByRole('button', { name: 'NNN' }).click();
    await say(ann, 'W'.repeat(100));
    await heard(long, 'W'.repeat(100));
    await app.server.toEveryone().disconnect(4500, 'r'.repeat(123));
    for (const page of [ann, long]) {
      await trouble(page, 'Closed with 4500');
      expect(await overflow(page)).toBe(0);
      expect(await box(page).isVisible()).toBe(true);
    }
  });
});

describe('the bare page', () => {
  it('the bare page shows the welcome, and the answer to a text', async () => {
    const page = await visit('/bare');
    const log = page.getByRole('log');
    await log.getByText('"type":"welcome"').waitFor();
    await page.getByLabel('Text').fill('hello');
    await page.getByRole('button', { name: 'Send' }).click();
    await log.getByText("The server's time is").waitFor();
    await app.server.toEveryone().disconnect();
    await log.getByText('closed with 4500').waitFor();
  });
});
