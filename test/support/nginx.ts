/** A real nginx in front of an application, with default settings or with a configuration of the test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nginxConf } from '../../scripts/nginx-conf.mjs';
import { until } from './process-guard.js';
import { toolPath } from './tools.js';

/** Returns the content of `http { … }` in the configuration. */
export type Servers = (port: number) => string;

/** A server that passes every request on, with default buffering and default timeouts. */
export const plainProxy =
  (target: string): Servers =>
  (port) =>
    `server { listen 127.0.0.1:${port}; location / { proxy_pass ${target}; } }`;

/** How many ports are tried, because tests that run at the same time take ports too. */
const ATTEMPTS = 3;
const TAKEN = 'Address already in use';

export class Nginx {
  private output = '';

  private constructor(
    readonly port: number,
    private readonly folder: string,
    private readonly child: ChildProcess,
  ) {
    child.stderr!.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
  }

  /**
   * Starts one in a single process that belongs to the test, on a free port.
   *
   * @throws Error when there is no nginx (`npm run test:setup` installs it or says how), or when it does not run
   */
  static async start(servers: Servers): Promise<Nginx> {
    for (let attempt = 1; ; attempt++) {
      const nginx = await Nginx.spawn(servers);
      try {
        await nginx.listening();
        return nginx;
      } catch (error) {
        await nginx.stop();
        if (attempt === ATTEMPTS || !nginx.output.includes(TAKEN)) throw error;
      }
    }
  }

  private static async spawn(servers: Servers): Promise<Nginx> {
    const folder = mkdtempSync(join(tmpdir(), 'nginx-'));
    const port = await freePort();
    const path = join(folder, 'nginx.conf');
    writeFileSync(path, nginxConf(folder, servers(port)));
    const args = ['-p', folder, '-c', path, '-e', 'stderr'];
    return new Nginx(port, folder, spawn(toolPath('nginx'), args, { stdio: ['ignore', 'ignore', 'pipe'] }));
  }

  /** For example `http://127.0.0.1:8080`. */
  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async stop(): Promise<void> {
    if (this.isRunning) {
      this.child.kill('SIGTERM');
      await once(this.child, 'exit');
    }
    rmSync(this.folder, { recursive: true });
  }

  private get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  private async listening(): Promise<void> {
    const ask = async () => {
      if (!this.isRunning || this.output.includes(TAKEN)) throw new Error(`nginx does not listen:\n${this.output}`);
      return fetch(this.url).then(
        () => true,
        () => false,
      );
    };
    await until('nginx to listen', ask, Boolean);
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
