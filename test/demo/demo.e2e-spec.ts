/** The demo's page in Chromium: two people, one person, and what becomes of the connection. */
import { jest } from '@jest/globals';
import { Test } from '@nestjs/testing';
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

const SETTINGS = { REALTIME_PRESENCE_GRACE: '0.1', REALTIME_CLOSE_TIMEOUT: '0.1', REALTIME_SSE_RETRY: '0.05' };

beforeAll(async () => {
  Object.assign(process.env, SETTINGS);
  [browser] = await Promise.all([startBrowser(), start()]);
});

afterAll(async () => {
  for (const name of Object.keys(SETTINGS)) delete process.env[name];
  await browser.close();
  await app.close();
});

afterEach(async () => {
  await closePages(browser);
  const left = async () => {
    await app.server.toEveryone().disconnect();
    const { current, unfinished } = await app.server.stats();
    return current + unfinished + (await app.server.to('lobby').countUsers());
  };
  await until('everybody to have left', left, (count) => count === 0);
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
/** Waits until the list says this of a person. */
const status = (page: Page, name: string, text: string) =>
  page.locator('#people li', { hasText: name }).locator('.status').getByText(text, { exact: true }).waitFor();
/** The connections of a person on the server. */
const connectionsOf = (name: string) => [...app.server.connections.values()].filter(({ userId }) => userId === name);

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
const trouble = (page: Page, text: string | RegExp) => page.locator('#trouble p').getByText(text).waitFor();

describe('two people', () => {
  it('two people see each other and chat', async () => {
    const ann = await come('Ann');
    const bob = await come('Bob');
    await note(ann, 'Bob joined');
    expect(await people(ann).allInnerTexts()).toEqual(['Ann', 'Bob']);
    expect(await people(bob).allInnerTexts()).toEqual(['Bob', 'Ann']);
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

  it('a newcomer reads what was said before', async () => {
    const ann = await come('Ann');
    for (const text of ['the beginning', 'the middle', 'the end']) await say(ann, text);
    await heard(ann, 'the end');
    const bob = await come('Bob');
    expect(await bob.locator('#log .words').allInnerTexts()).toEqual(
      expect.arrayContaining(['the beginning', 'the middle', 'the end']),
    );
    expect(await bob.locator('#log .words').last().innerText()).toBe('the end');
    expect(await bob.locator('#log').getAttribute('aria-busy')).toBe('false');
  });

  it('people see who is typing, who is away, and with how many devices somebody is here', async () => {
    const ann = await come('Ann');
    const bob = await come('Bob');
    await status(ann, 'Bob', 'here');
    await box(bob).pressSequentially('Hm');
    await status(ann, 'Bob', 'typing…');
    await ann.locator('#typing').getByText('Bob is typing…').waitFor();
    await box(bob).fill('');
    await status(ann, 'Bob', 'here');
    expect(await ann.locator('#typing').innerText()).toBe('');
    await bob.evaluate(`
      Object.defineProperty(document, 'hidden', { value: true, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));`);
    await status(ann, 'Bob', 'away');
    await say(ann, 'Are you there?');
    await until(
      'the count in the title',
      () => bob.title(),
      (title) => title.startsWith('(1) '),
    );
    await bob.evaluate(`delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))`);
    await status(ann, 'Bob', 'here');
    expect(await bob.title()).toMatch(/^Chat/);
    const phone = await come('Bob', PHONE);
    await status(ann, 'Bob', 'here · 2 devices');
    expect(await people(ann).allInnerTexts()).toEqual(['Ann', 'Bob']);
    await phone.close();
    await status(ann, 'Bob', 'here');
    await bob.close();
    await note(ann, 'Bob left');
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
  it('the page shows HTML as text, in a message and in a name', async () => {
    const texts = ['<img src=x onerror="document.title = 1">', '<script>document.title = 1</script>', '<b>bold</b>'];
    const ann = await come('Ann');
    const name = texts[0]!;
    const eve = await come(name);
    for (const text of texts) {
      await say(eve, text);
      await heard(ann, text);
    }
    expect(await people(ann).allInnerTexts()).toEqual(['Ann', name]);
    expect(await ann.locator('main :is(img, script, b)').count()).toBe(0);
    expect(await ann.title()).toContain('Chat');
  });

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
    expect(await people(ann).allInnerTexts()).toEqual(['Ann']);
    await status(ann, 'Ann', 'here');
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
    await trouble(ann, 'Disconnected: closed on purpose. This page does not reconnect by itself.');
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
    await trouble(ann, 'Disconnected: see you. This page does not reconnect by itself.');
    await state(ann, 'Disconnected');
    await ann.clock.fastForward('10:00');
    expect(await app.server.stats()).toMatchObject({ accepted: accepted + 1, current: 0 });
  });

  it('the page reconnects after 4001', async () => {
    const ann = await come('Ann');
    const bob = await come('Bob');
    await bob.getByRole('button', { name: 'Ann' }).waitFor();
    await app.server.toUser('Ann').disconnect(4001, 'you read too slowly');
    await note(ann, 'Connection lost: you read too slowly');
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
    await note(ann, 'Connection lost: server shutting down');
    await state(ann, 'Reconnecting');
    await trouble(ann, /No connection: the server does not answer\.\s+Trying (again in \d+ s|now)\./);
    await say(ann, 'written meanwhile');
    await ann.locator('.pending').getByText('written meanwhile').waitFor();
    await ann.getByRole('button', { name: 'Connect now' }).waitFor();
    await restart();
    // Not by the mouse: the page may have come back by itself, and then the button is hidden
    await ann.locator('#again').dispatchEvent('click');
    // The history was in the memory of the server
    await note(ann, 'You are back. Some messages may be lost');
    await heard(ann, 'written meanwhile');
    await state(ann, 'Connected');
    expect(await ann.getByText('written meanwhile').count()).toBe(1);
    expect(await ann.locator('.pending').count()).toBe(0);
  });

  it('the page that was offline says so, sends what was written, and says how many messages it has missed', async () => {
    expectedErrors = /ERR_INTERNET_DISCONNECTED/;
    const ann = await come('Ann');
    const eve = watch(await openPageAlone(browser, url));
    await enterName(eve, 'Eve');
    await note(eve, 'You joined as Eve');
    await eve.context().setOffline(true);
    await state(eve, 'Offline');
    await trouble(eve, 'You are offline. What you write is sent when the network is back.');
    connectionsOf('Eve')[0]!.terminate();
    await eve
      .locator('#log .note')
      .getByText(/^Connection lost: /)
      .waitFor();
    await say(eve, 'from the tunnel');
    await eve.locator('.pending').getByText('from the tunnel').waitFor();
    const texts = Array.from({ length: 12 }, (_, i) => `offline ${i + 1}`);
    for (const text of texts) await say(ann, text);
    await heard(ann, 'offline 12');
    await eve.context().setOffline(false);
    await eve.locator('.divider').getByText('You missed 12 messages', { exact: true }).waitFor();
    await heard(ann, 'from the tunnel');
    await note(eve, 'You are back');
    const lines = await eve.locator('#log > *').allInnerTexts();
    const from = lines.indexOf('You missed 12 messages');
    expect(lines.slice(from + 1, from + 13).map((line) => line.split('\n').at(-1))).toEqual(texts);
    for (const page of [ann, eve]) expect(await page.getByText('from the tunnel').count()).toBe(1);
    expect(await eve.locator('#log').innerText()).not.toContain('may be lost');
  });

  it('the page that was away for longer than its session recovers from the history, or says that something may be lost', async () => {
    expectedErrors = /ERR_INTERNET_DISCONNECTED/;
    const eve = watch(await openPageAlone(browser, url));
    await enterName(eve, 'Eve');
    await note(eve, 'You joined as Eve');
    const goAway = async () => {
      await eve.context().setOffline(true);
      await app.server.toUser('Eve').disconnect(4001, 'too slow');
      await state(eve, 'Offline');
      await note(eve, 'Connection lost: too slow');
    };
    const tell = (text: string) => app.server.to('lobby').emit('message', { from: 'Bot', text, at: Date.now() });
    await goAway();
    await tell('the only one');
    await eve.context().setOffline(false);
    await eve.locator('.divider').getByText('You missed 1 message', { exact: true }).waitFor();
    await note(eve, 'You are back');
    await goAway();
    for (let i = 1; i <= 201; i++) await tell(`one of many ${i}`);
    await eve.context().setOffline(false);
    await note(eve, 'You are back. Some messages may be lost');
  });
});

describe('the transport menu', () => {
  it('the transport menu moves the connection while people chat, and nothing is lost', async () => {
    const ann = await come('Ann');
    const bob = await come('Bob');
    const menu = ann.getByLabel('Transport');
    expect(await menu.inputValue()).toBe('websocket');
    const [connection] = connectionsOf('Ann');
    for (const [transport, name] of [
      ['sse', 'SSE'],
      ['polling', 'long polling'],
      ['websocket', 'WebSocket'],
    ] as const) {
      await menu.selectOption(transport);
      for (const text of [1, 2, 3]) await say(bob, `${transport} ${text}`);
      await note(ann, `Moved to ${name}`);
      await say(ann, `over ${transport}`);
      await heard(bob, `over ${transport}`);
      await heard(ann, `over ${transport}`);
      expect(connectionsOf('Ann').map(({ id }) => id)).toEqual([connection!.id]);
      expect(connection!.transport).toBe(transport);
      expect(await menu.inputValue()).toBe(transport);
      for (const text of [1, 2, 3])
        expect(await ann.getByText(`${transport} ${text}`, { exact: true }).count()).toBe(1);
    }
    expect(await ann.locator('#log').innerText()).not.toContain('Connection lost');
    // Chromium's own words for a stream that the server has cut, and for a poll that arrives after the move
    expectedErrors = /ERR_INCOMPLETE_CHUNKED_ENCODING|409 \(Conflict\)/;
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
    await trouble(
      bob,
      /No connection: the server answered 503: Too many connections\.\s+Trying (again in \d+ s|now)\./,
    );
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
    expect(await target).toBe('wss://demo.test/ws?name=Ann');
  });

  it('the page fits a phone, whatever people write', async () => {
    const overflow = (page: Page) =>
      page.evaluate(
        `Math.max(...[...document.querySelectorAll('html, #log, .head, .foot, .card, .chat')]
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
      await trouble(page, 'Disconnected: rrr');
      expect(await overflow(page)).toBe(0);
      expect(await box(page).isVisible()).toBe(true);
    }
  });
});

describe('the bare page', () => {
  it('the bare page shows the welcome, and the answer to a text', async () => {
    const page = await visit('/bare');
    const log = page.getByRole('log');
    await log.getByText('"event":"welcome"').waitFor();
    await page.getByLabel('Text').fill('hello');
    await page.getByRole('button', { name: 'Send' }).click();
    await log.getByText("The server's time is").waitFor();
    await app.server.toEveryone().disconnect();
    await log.getByText('closed with 4500').waitFor();
  });
});
