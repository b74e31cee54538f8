/** `npm run demo:cluster`: two nodes of the demo behind nginx, used in Chromium; then one of them is killed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join as pathOf } from 'node:path';
import { jest } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { BLOCKED_WEBSOCKET, closePages, openPage, startBrowser } from '../support/clients/browser.js';
import { ROOT } from '../support/docs.js';
import { until, within } from '../support/process-guard.js';

jest.setTimeout(120_000);

/** The script as a process, and what it prints. */
class Demo {
  output = '';
  private readonly exited: Promise<number | null>;

  private constructor(private readonly child: ChildProcess) {
    this.exited = new Promise((resolve) => child.once('close', resolve));
    for (const stream of [child.stdout!, child.stderr!])
      stream.on('data', (chunk: Buffer) => (this.output += String(chunk)));
  }

  static async start(): Promise<Demo> {
    const own = Object.entries(process.env).filter(([name]) => !/^(REALTIME_|JEST_|NODE_OPTIONS$)/.test(name));
    const child = spawn(process.execPath, [pathOf(ROOT, 'scripts/demo-cluster.mjs'), '--port', '0'], {
      env: { ...Object.fromEntries(own), NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const demo = new Demo(child);
    await demo.prints(/^End all of it/m);
    return demo;
  }

  /** Resolves with what the pattern has in its group. @throws Error with the output when the script ends first */
  async prints(pattern: RegExp): Promise<string> {
    const look = () => {
      const found = pattern.exec(this.output);
      if (!found && this.child.exitCode !== null) throw new Error(`It has ended:\n${this.output}`);
      return found;
    };
    return (await until(`${pattern} in the output`, look, Boolean, 60_000))![1] ?? '';
  }

  /** The process ids of the nodes by their ids, from the lines that the nodes log of each other. */
  get pids(): ReadonlyMap<string, number> {
    const lines = this.output.matchAll(/Realtime node came node=(\S+) host=\S+ pid=(\d+)/g);
    return new Map([...lines].map(([, id, pid]) => [id!, Number(pid)]));
  }

  /** Ends it as Ctrl-C does. @returns its exit code */
  async stop(): Promise<number | null> {
    if (this.child.exitCode === null) this.child.kill('SIGINT');
    return within(60_000, 'the demo to end', this.exited);
  }
}

let demo: Demo;
let url: string;
let browser: Browser;

beforeAll(async () => {
  [demo, browser] = await Promise.all([Demo.start(), startBrowser()]);
  url = await demo.prints(/^Open (http:\S+) in two windows/m);
});
afterEach(() => closePages(browser));
afterAll(async () => {
  await browser?.close();
  await demo?.stop();
});

async function come(name: string): Promise<Page> {
  const { page } = await openPage(browser, url);
  return join(page, name);
}

/** A page whose WebSockets are blocked by something on the way. */
async function comeWithoutWebSocket(name: string, query = ''): Promise<Page> {
  const context = await browser.newContext();
  await context.addInitScript({ content: BLOCKED_WEBSOCKET });
  const page = await context.newPage();
  await page.goto(url + query);
  return join(page, name);
}

async function join(page: Page, name: string): Promise<Page> {
  await page.getByLabel('Your name').fill(name);
  await page.getByRole('button', { name: 'Join the chat' }).click();
  await note(page, `You joined as ${name}`);
  return page;
}

/** Waits until the list says this of a person. */
async function status(page: Page, name: string, text: string): Promise<void> {
  const said = () => page.locator('#people li', { hasText: name }).locator('.status').allInnerTexts();
  await until(`what the list says of ${name} to be "${text}"`, said, (all) => all.join() === text, 30_000);
}

const note = (page: Page, text: string) => page.locator('#log .note').getByText(text, { exact: true }).last().waitFor();

async function say(page: Page, text: string): Promise<void> {
  await page.getByLabel('Message', { exact: true }).fill(text);
  await page.getByLabel('Message', { exact: true }).press('Enter');
}

/** Waits for a message. @returns the text of its bubble */
async function heard(page: Page, text: string): Promise<string> {
  const bubble = page.locator('#log .bubble', { has: page.getByText(text, { exact: true }) });
  await bubble.waitFor();
  return bubble.innerText();
}

/** Somebody of an earlier test whose page has ended without a goodbye is kept until the connection cannot be resumed. */
async function sees(page: Page, ...names: string[]): Promise<void> {
  const list = async () => (await page.locator('#people .name').allInnerTexts()).sort();
  await until(`the people ${names.join()}`, list, (shown) => shown.join() === names.join(), 60_000);
}

/** The node that a page is connected to, which is in the id of its connection. */
async function nodeOf(page: Page): Promise<string> {
  return /push\/connection\/([^.\s]+)\./.exec(await page.locator('#command').innerText())![1]!;
}

it('pages without WebSocket chat over SSE and polling with a page on a WebSocket, whatever node nginx gives them', async () => {
  const [ann, bob] = [await come('Ann'), await comeWithoutWebSocket('Bob')];
  const eve = await comeWithoutWebSocket('Eve', '?transport=polling');
  for (const page of [ann, bob, eve]) await sees(page, 'Ann', 'Bob', 'Eve');
  // Each is sent to the next node, so half of them reach another one than that of their page
  for (let turn = 1; turn <= 4; turn++) {
    for (const [page, name] of [
      [ann, 'Ann'],
      [bob, 'Bob'],
      [eve, 'Eve'],
    ] as const) {
      await say(page, `${name} ${turn}`);
      for (const other of [ann, bob, eve]) await heard(other, `${name} ${turn}`);
    }
  }
  for (const page of [ann, bob, eve]) {
    expect(await page.locator('#log .bubble').count()).toBe(12);
    await page.close();
  }
});

// Not the people of the first test: who has just left still counts as a device on the node that they were on
it('pages on two nodes see one list: who is typing, who is away, and with how many devices', async () => {
  const [cid, dora] = [await come('Cid'), await come('Dora')];
  expect(await nodeOf(cid)).not.toBe(await nodeOf(dora));
  for (const page of [cid, dora]) await sees(page, 'Cid', 'Dora');
  await dora.getByLabel('Message', { exact: true }).pressSequentially('H');
  await status(cid, 'Dora', 'typing…');
  await dora.getByLabel('Message', { exact: true }).fill('');
  await status(cid, 'Dora', 'here');
  await dora.evaluate(`
    Object.defineProperty(document, 'hidden', { value: true, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));`);
  await status(cid, 'Dora', 'away');
  const tablet = await come('Dora');
  expect(await nodeOf(tablet)).toBe(await nodeOf(cid));
  for (const page of [cid, dora, tablet]) {
    await page.locator('#people li', { hasText: 'Dora' }).getByText('2 devices').waitFor();
    await sees(page, 'Cid', 'Dora');
  }
  await say(tablet, 'from the tablet');
  for (const page of [cid, dora]) await heard(page, 'from the tablet');
  await status(cid, 'Dora', 'here · 2 devices');
  await tablet.close();
  await status(cid, 'Dora', 'away');
  for (const page of [cid, dora]) await page.close();
});

it('pages on two nodes chat and write privately; a killed node leaves its page to the other, and nobody is lost or there twice', async () => {
  const ann = await come('Ann');
  const bob = await come('Bob');
  const eve = await come('Eve');
  const [first, second] = [await nodeOf(ann), await nodeOf(bob)];
  expect(first).not.toBe(second);
  expect(await nodeOf(eve)).toBe(first);
  for (const page of [ann, bob, eve]) await sees(page, 'Ann', 'Bob', 'Eve');

  await say(ann, 'Hello, Bob');
  expect(await heard(bob, 'Hello, Bob')).toMatch(/^Ann\s/);
  await bob.getByRole('button', { name: 'Ann' }).click();
  await say(bob, 'psst');
  expect(await heard(ann, 'psst')).toMatch(/^Bob\s+only to you/);
  expect(await heard(bob, 'psst')).toMatch(/^You\s+only to Ann/);
  await bob.getByLabel('Message', { exact: true }).press('Escape');
  await say(bob, 'for all');
  await heard(eve, 'for all');
  expect(await eve.locator('#log').innerText()).not.toContain('psst');

  process.kill(demo.pids.get(second)!, 'SIGKILL');
  // Bob may not know it yet: either way his message is kept once
  await say(bob, 'written as the node died');
  await say(ann, 'said meanwhile');
  await note(bob, 'Connection lost: the connection broke');
  await note(bob, 'You are back');
  expect(await nodeOf(bob)).toBe(first);
  for (const page of [ann, bob, eve]) {
    for (const text of ['said meanwhile', 'written as the node died']) {
      await heard(page, text);
      expect(await page.getByText(text, { exact: true }).count()).toBe(1);
    }
    await sees(page, 'Ann', 'Bob', 'Eve');
  }
  await ann.getByRole('button', { name: 'Bob' }).click();
  await say(ann, 'There you are');
  expect(await heard(bob, 'There you are')).toMatch(/^Ann\s+only to you/);
  expect(await demo.prints(/Realtime node lost node=(\S+)/)).toBe(second);
  for (const page of [ann, bob, eve]) {
    await sees(page, 'Ann', 'Bob', 'Eve');
    await status(page, 'Bob', 'here');
    expect(await page.locator('#log').innerText()).not.toMatch(/Bob left|may be lost/);
  }
});

it('the demo ends all that it started', async () => {
  const processes = [...demo.pids.values()];
  expect(processes).toHaveLength(2);
  expect(await demo.stop()).toBe(0);
  expect(demo.output).toMatch(/Everything has ended\.\n$/);
  for (const pid of processes) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  await expect(fetch(url)).rejects.toThrow('fetch failed');
});
