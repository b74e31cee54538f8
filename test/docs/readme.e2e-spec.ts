/** The README: it keeps its order, its first sample runs in a fresh application, and npm shows the same text. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { jest } from '@jest/globals';
import type { Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { createTestApp, type TestApp } from 'nestjs-realtime/testing';
import ts from 'typescript';
import { WebSocket } from 'ws';
import { packageReadme } from '../../scripts/package-readme.mjs';
import { SseClient } from '../support/clients/request-clients.js';
import { codeOf, linksOf, read, ROOT } from '../support/docs.js';
import { until } from '../support/process-guard.js';

const README = read('README.md');

it('every TypeScript sample of the README names its imports', () => {
  const samples = codeOf('README.md', 'ts');
  expect(samples.length).toBeGreaterThanOrEqual(3);
  for (const sample of samples) expect(sample).toMatch(/^import /);
});

it('the README shows install and code before clone and tests', () => {
  const places = ['npm install nestjs-realtime', '@WebSocketGateway', 'new WebSocket(', 'npm ci && npm start'].map(
    (text) => README.indexOf(text),
  );
  expect(places).not.toContain(-1);
  expect(places).toEqual([...places].sort((a, b) => a - b));
});

it.each(['start', 'test'])('the README has the command `npm ci && npm %s` in a block of its own', (script) => {
  expect(README).toContain(`\`\`\`sh\nnpm ci && npm ${script}\n\`\`\`\n`);
});

it('the README has at most 220 lines', () => {
  expect(README.trimEnd().split('\n').length).toBeLessThanOrEqual(220);
});

describe('The first sample of the README', () => {
  let folder: string;
  let app: TestApp;
  const local = (url: string) => url.replace('localhost:3000', new URL(app.url).host);

  beforeAll(async () => {
    jest.spyOn(console, 'log').mockImplementation(() => {});
    // The shutdown does not wait for the stream that a test has left
    process.env['REALTIME_CLOSE_TIMEOUT'] = '0.05';
    folder = await mkdtemp(join(ROOT, 'node_modules', '.readme-'));
    const file = join(folder, 'app.module.mjs');
    const compilerOptions: ts.CompilerOptions = {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      experimentalDecorators: true,
      emitDecoratorMetadata: true,
    };
    await writeFile(file, ts.transpileModule(codeOf('README.md', 'ts')[0]!, { compilerOptions }).outputText);
    const { AppModule } = (await import(pathToFileURL(file).href)) as { AppModule: Type };
    app = await createTestApp(await Test.createTestingModule({ imports: [AppModule] }).compile());
  });
  afterAll(async () => {
    await app.close();
    await rm(folder, { recursive: true });
    delete process.env['REALTIME_CLOSE_TIMEOUT'];
    jest.restoreAllMocks();
  });

  it('admits the documented browser clients and talks to them, without users in the application', async () => {
    const [code] = codeOf('README.md', 'js');
    const printed: unknown[] = [];
    const sockets: WebSocket[] = [];
    class BrowserSocket extends WebSocket {
      constructor(url: string) {
        super(local(url));
        sockets.push(this);
      }
    }
    const sources: Promise<SseClient>[] = [];
    class Source {
      onmessage?: (event: { data: unknown }) => void;

      constructor(url: string) {
        const connecting = SseClient.connect(local(url));
        sources.push(connecting);
        void connecting.then(async (client) => this.onmessage?.({ data: await client.next() }));
      }
    }
    const console = { log: (text: unknown) => void printed.push(text) };
    new Function('WebSocket', 'EventSource', 'console', code!)(BrowserSocket, Source, console);
    const wanted = ['Welcome Ann', 'hello', 'Welcome Bob'];
    await until(
      'the messages',
      () => printed,
      (texts) => wanted.every((text) => texts.includes(text)),
    );
    for (const socket of sockets) socket.terminate();
    for (const source of sources) (await source).vanish();
  });

  it('streams to the documented curl command', async () => {
    const [, name, value, url] = /`curl -N -H '([\w-]+): ([^']+)' (\S+)`/.exec(README)!;
    const left = new AbortController();
    const response = await fetch(local(url!), { headers: { [name!]: value! }, signal: left.signal });
    expect(response.status).toBe(200);
    let text = '';
    for await (const chunk of response.body!) {
      text += Buffer.from(chunk as Uint8Array).toString();
      if (text.includes('data: Welcome stranger')) break;
    }
    left.abort();
    expect(text).toContain('event: open');
  });
});

describe('The README that npm shows', () => {
  const shown = packageReadme(README);
  const repository = 'https://github.com/nestjs-realtime/nestjs-realtime/blob/main/';

  it('turns relative links and images into absolute ones and leaves everything else alone', () => {
    const source = [
      '[page](docs/hooks.md#message) ![picture](docs/a.png) [there](https://example.com/x) [here](#install)',
      '[![badge](https://example.com/b)](LICENSE) [`code`](docs/b.md) `[no](link)`',
      '```ts\nlist[0](argument)\n```',
      '[after](docs/c.md)',
    ];
    const raw = 'https://raw.githubusercontent.com/nestjs-realtime/nestjs-realtime/main/';
    expect(packageReadme(source.join('\n')).split('\n')).toEqual([
      `[page](${repository}docs/hooks.md#message) ![picture](${raw}docs/a.png) [there](https://example.com/x) [here](#install)`,
      `[![badge](https://example.com/b)](${repository}LICENSE) [\`code\`](${repository}docs/b.md) \`[no](link)\``,
      '```ts',
      'list[0](argument)',
      '```',
      `[after](${repository}docs/c.md)`,
    ]);
  });

  it('has no relative link, and its links into the repository lead to files that exist', () => {
    expect(linksOf('README.md').length).toBeGreaterThan(10);
    const targets = [...shown.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!);
    expect(targets.filter((target) => !/^(https:|#)/.test(target))).toEqual([]);
    const own = targets.filter((target) => target.startsWith(repository));
    expect(own.length).toBeGreaterThan(10);
    expect(
      own.map((target) => target.slice(repository.length)).filter((file) => !existsSync(join(ROOT, file))),
    ).toEqual([]);
  });
});
