/**
 * The packages as they are published, in a bare application as `nest new` leaves it: outside of this repository, built and
 * run by plain `nest start`, with a `.env` made from ours. It needs `npm run build:libs` before, as `npm run test:e2e` does.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { jest } from '@jest/globals';
import { WebSocket } from 'ws';
import { packageReadme } from '../../scripts/package-readme.mjs';
import { until, within } from '../support/process-guard.js';

jest.setTimeout(60_000);

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PACKAGES = ['realtime-protocol', 'realtime'];
const RUNTIME = ['common', 'core', 'platform-express', 'platform-ws', 'websockets'].map((name) => `@nestjs/${name}`);

const APP: Readonly<Record<string, string>> = {
  'nest-cli.json': JSON.stringify({ collection: '@nestjs/schematics', sourceRoot: 'src' }),
  'tsconfig.json': JSON.stringify({
    compilerOptions: {
      target: 'ES2023',
      module: 'nodenext',
      moduleResolution: 'nodenext',
      types: ['node'],
      experimentalDecorators: true,
      emitDecoratorMetadata: true,
      strict: true,
      skipLibCheck: true,
      rootDir: 'src',
      outDir: 'dist',
    },
    include: ['src'],
  }),
  'src/main.ts': `
    import { NestFactory } from '@nestjs/core';
    import { AppModule } from './app.module.js';

    const app = await NestFactory.create(AppModule);
    await app.listen(process.env.PORT ?? 3000, '127.0.0.1');
    console.log(\`Serving \${await app.getUrl()} pid=\${process.pid}\`);
  `,
  'src/app.module.ts': `
    import { Module } from '@nestjs/common';
    import { RealtimeModule } from 'nestjs-realtime';
    import { WebSocketService } from './websocket.service.js';

    @Module({ imports: [RealtimeModule.forRoot()], providers: [WebSocketService] })
    export class AppModule {}
  `,
  'src/websocket.service.ts': `
    import { WebSocketGateway } from '@nestjs/websockets';
    import { CloseInfo, Connection, HandshakeRequest, Message, RealtimeServer } from 'nestjs-realtime';
    import type { OnClose, OnMessage, OnOpen } from 'nestjs-realtime';

    @WebSocketGateway()
    export class WebSocketService implements OnOpen, OnMessage, OnClose {
      constructor(private readonly server: RealtimeServer) {}

      onOpen(connection: Connection, request: HandshakeRequest) {
        connection.send(\`Welcome \${request.query.get('name')}\`);
      }

      async onMessage(connection: Connection, message: Message) {
        await this.server.toEveryone().push(\`\${connection.path}: \${message.text()}\`);
      }

      onClose(connection: Connection, { code, initiator }: CloseInfo) {
        console.log(\`Closed \${connection.readyState} \${code} \${initiator}\`);
      }
    }
  `,
};

/** What `npm pack --json` prints for a package. */
interface Packed {
  readonly name: string;
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

let folder: string;
let appFolder: string;
/** Name of each package → its tarball and the files in it. */
const packed = new Map<string, { tarball: string; files: string[] }>();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'realtime-packed-'));
  appFolder = join(folder, 'app');
  await pack();
  write({ ...APP, 'package.json': manifest(), '.env': environmentFile() });
  await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund'], { cwd: appFolder, env: environment() });
}, 300_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function pack(): Promise<void> {
  for (const name of PACKAGES) {
    if (!existsSync(join(ROOT, 'libs', name, 'dist')))
      throw new Error(`libs/${name}/dist is missing: npm run build:libs`);
  }
  const workspaces = PACKAGES.map((name) => `--workspace=libs/${name}`);
  const args = ['pack', '--json', '--pack-destination', folder, ...workspaces];
  const { stdout } = await run('npm', args, { cwd: ROOT, env: environment() });
  for (const { name, filename, files } of JSON.parse(stdout) as Packed[]) {
    packed.set(name, { tarball: join(folder, filename), files: files.map(({ path }) => path) });
  }
}

function write(files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(appFolder, name)), { recursive: true });
    writeFileSync(join(appFolder, name), text);
  }
}

/** The versions are those of our own lock file; the two packages come from their tarballs. */
function manifest(): string {
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { version: string }>;
  };
  const versions = (names: string[]) =>
    Object.fromEntries(names.map((name) => [name, lock.packages[`node_modules/${name}`]!.version]));
  const tarballs = [...packed].map(([name, { tarball }]) => [name, `file:${tarball}`]);
  return JSON.stringify({
    name: 'bare-app',
    private: true,
    type: 'module',
    dependencies: { ...versions([...RUNTIME, 'reflect-metadata', 'rxjs']), ...Object.fromEntries(tarballs) },
    devDependencies: versions(['@nestjs/cli', '@types/node', 'typescript']),
  });
}

/** `cp .env.example .env`, with two values edited. */
function environmentFile(): string {
  const edits = { REALTIME_PATH: '/live', REALTIME_HEARTBEAT_PING_INTERVAL: '0.2' };
  return Object.entries(edits).reduce(
    (text, [name, value]) => {
      const line = new RegExp(`^${name}=.*$`, 'm');
      if (!line.test(text)) throw new Error(`.env.example has no ${name}`);
      return text.replace(line, `${name}=${value}`);
    },
    readFileSync(join(ROOT, '.env.example'), 'utf8'),
  );
}

/** The environment of a new terminal: without jest, the npm script that runs it, and our settings. */
function environment(): NodeJS.ProcessEnv {
  const isOurs =
    /^(REALTIME_|NODE_OPTIONS$|NODE_ENV$|JEST_|INIT_CWD$|npm_(package|lifecycle|config_(local_prefix|package|call)))/;
  const own = Object.entries(process.env).filter(([name]) => !isOurs.test(name));
  return { ...Object.fromEntries(own), NO_COLOR: '1' };
}

describe.each(PACKAGES.map((name) => `nestjs-${name}`))('the package %s', (name) => {
  it(`${name} holds the build, its manifest, README and licence, and nothing else`, () => {
    const { files } = packed.get(name)!;
    const isExpected =
      /^(package\.json|README\.md|LICENSE|dist\/(cjs|esm)\/.*(\.js|\.js\.map|\.d\.ts)|dist\/cjs\/package\.json)$/;
    expect(files.filter((file) => !isExpected.test(file))).toEqual([]);
    expect(files.filter((file) => file.includes('.spec.'))).toEqual([]);
  });

  it(`${name} holds every file that its manifest names`, () => {
    const { files } = packed.get(name)!;
    const named = readFileSync(join(appFolder, 'node_modules', name, 'package.json'), 'utf8').match(
      /\.\/dist\/[^"]+/g,
    )!;
    expect(named.length).toBeGreaterThan(4);
    expect(named.filter((path) => !files.includes(path.slice(2)))).toEqual([]);
  });
});

it('the package nestjs-realtime shows the README of the repository, with links that work on npm', () => {
  const shown = readFileSync(join(appFolder, 'node_modules', 'nestjs-realtime', 'README.md'), 'utf8');
  expect(shown).toBe(packageReadme(readFileSync(join(ROOT, 'README.md'), 'utf8')));
});

describe('in a bare application', () => {
  it.each(['import', 'require'])('the packages load by %s in a bare application', async (way) => {
    const load = way === 'import' ? 'await import' : 'require';
    const type = way === 'import' ? 'module' : 'commonjs';
    const script = `
      const { RealtimeModule } = ${load}('nestjs-realtime');
      const { createTestApp } = ${load}('nestjs-realtime/testing');
      const { CloseCode } = ${load}('nestjs-realtime-protocol');
      console.log(typeof RealtimeModule.forRoot, typeof createTestApp, CloseCode.GOING_AWAY);
    `;
    const args = [`--input-type=${type}`, '-e', script];
    const { stdout } = await run(process.execPath, args, { cwd: appFolder, env: environment() });
    expect(stdout.trim()).toBe('function function 1001');
  });

  it('plain `nest start` in a bare application follows its .env', async () => {
    const nest = new NestStart();
    try {
      const { url, pid } = await nest.serving();
      const client = await connect(`${url.replace('http', 'ws')}/live?name=Ann`);
      expect(await client.message()).toBe('Welcome Ann');
      await within(10_000, 'a ping of the heartbeat', client.pinged);
      client.socket.send('hello');
      expect(await client.message()).toBe('/live: hello');
      await expect(connect(`${url.replace('http', 'ws')}/ws`)).rejects.toThrow('404');

      process.kill(pid, 'SIGTERM');
      expect((await client.closed).code).toBe(1001);
      await within(20_000, '`nest start` to end', nest.exited);
      expect(nest.output).toContain('Closed 3 1001 shutdown');
      expect(nest.output).toContain('ping after 0.2s of silence');
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${nest.output}`, { cause: error });
    } finally {
      nest.kill();
    }
  });
});

/** `npx nest start` in the bare application, in a process group of its own. */
class NestStart {
  output = '';
  private readonly child: ChildProcess;
  readonly exited: Promise<unknown>;

  constructor() {
    const env = { ...environment(), PORT: '0' };
    this.child = spawn('npx', ['nest', 'start'], {
      cwd: appFolder,
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.exited = new Promise((resolve) => this.child.once('close', resolve));
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.on('data', (chunk: Buffer) => (this.output += String(chunk)));
    }
  }

  /** Waits until it prints where it listens. */
  async serving(): Promise<{ url: string; pid: number }> {
    const ask = () => /Serving (\S+) pid=(\d+)/.exec(this.output);
    const found = await until('the application to listen', () => (this.hasEnded ? 'ended' : ask()), Boolean, 45_000);
    if (!found || found === 'ended') throw new Error('`nest start` has ended');
    return { url: found[1]!, pid: Number(found[2]) };
  }

  /** Kills every process of the group that still runs. */
  kill(): void {
    try {
      process.kill(-this.child.pid!, 'SIGKILL');
    } catch {
      // no process of the group is left
    }
  }

  private get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }
}

interface Client {
  readonly socket: WebSocket;
  readonly pinged: Promise<unknown>;
  readonly closed: Promise<{ code: number }>;
  message(): Promise<string>;
}

/** Connects a client that receives everything from the first packet on. */
async function connect(url: string): Promise<Client> {
  const socket = new WebSocket(url);
  const received: string[] = [];
  socket.on('message', (data) => received.push(String(data)));
  const pinged = new Promise((resolve) => socket.once('ping', resolve));
  const closed = new Promise<{ code: number }>((resolve) => socket.once('close', (code) => resolve({ code })));
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  const message = async () => {
    await until(
      'a message',
      () => received.length,
      (count) => count > 0,
    );
    return received.shift()!;
  };
  return { socket, pinged, closed, message };
}
