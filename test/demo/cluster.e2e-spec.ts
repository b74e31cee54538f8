/** `npm run demo:cluster`: two nodes of the demo behind nginx, used in Chromium; then one of them is killed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join as pathOf } from 'node:path';
import { jest } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { openPage, startBrowser } from '../support/clients/browser.js';
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
afterAll(async () => {
  await browser?.close();
  await demo?.stop();
});

async function come(name: string): Promise<Page> {
  const { page } = await openPage(browser, url);
  return join(page, name);
}

/** A page of a browser that has no WebSocket, as where something on the way blocks it. */
async function comeWithoutWebSocket(name: string, query = ''): Promise<Page> {
  const context = await browser.newContext();
  await context.addInitScript({ content: 'delete window.WebSocket' });
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

async function sees(page: Page, ...names: string[]): Promise<void> {
  const list = async () => (await page.locator('#people .name').allInnerTexts()).sort();
  await until(`the people ${names.join()}`, list, (shown) => shown.join() === names.join());
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

it('pages on two nodes chat, write privately and see one list; a killed node leaves its page to the other', async () => {
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

  await ann.getByRole('button', { name: 'Bob' }).click();
  process.kill(demo.pids.get(second)!, 'SIGKILL');
  await note(bob, 'Connection closed with 1006');
  await note(bob, 'You are back');
  expect(await nodeOf(bob)).toBe(first);
  for (const page of [ann, bob, eve]) await sees(page, 'Ann', 'Bob', 'Eve');
  // Ann still writes to the connection that died with its node
  await say(ann, 'Where are you?');
  await ann.locator('#hint').getByText('This person has left').waitFor();
  await say(bob, 'I am here again');
  expect(await heard(ann, 'I am here again')).toMatch(/^Bob\s/);
  expect(await demo.prints(/Realtime node lost node=(\S+)/)).toBe(second);
});

it('the demo ends all that it started', async () => {
  const processes = [...demo.pids.values()];
  expect(processes).toHaveLength(2);
  expect(await demo.stop()).toBe(0);
  expect(demo.output).toMatch(/Everything has ended\.\n$/);
  for (const pid of processes) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  await expect(fetch(url)).rejects.toThrow('fetch failed');
});
