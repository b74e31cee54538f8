/** A real nginx in front of an application, as it comes: default buffering, default timeouts. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './process-guard.js';

export class Nginx {
  private constructor(
    readonly url: string,
    private readonly process: ChildProcess,
    private readonly folder: string,
  ) {}

  /**
   * @param target for example `http://127.0.0.1:3000`
   * @throws Error when there is no nginx; `npm run test:setup` installs it or says how
   */
  static async start(target: string): Promise<Nginx> {
    const folder = mkdtempSync(join(tmpdir(), 'nginx-'));
    const port = await freePort();
    writeFileSync(join(folder, 'nginx.conf'), configuration(target, port, folder));
    const args = ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')];
    const process = spawn(binary(), args, { stdio: 'ignore' });
    const nginx = new Nginx(`http://127.0.0.1:${port}`, process, folder);
    const isUp = () =>
      fetch(`${nginx.url}/`).then(
        () => true,
        () => false,
      );
    await until('nginx', isUp, (up) => up);
    return nginx;
  }

  async stop(): Promise<void> {
    const ended = once(this.process, 'exit');
    this.process.kill('SIGTERM');
    await ended;
    rmSync(this.folder, { recursive: true });
  }
}

function configuration(target: string, port: number, folder: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  return `daemon off; worker_processes 1; pid ${folder}/nginx.pid; events {}
    http { access_log off; ${temporary.join(' ')}
      server { listen 127.0.0.1:${port}; location / { proxy_pass ${target}; } } }`;
}

function binary(): string {
  const tools = JSON.parse(readFileSync(new URL('../../scripts/tools.json', import.meta.url), 'utf8')) as {
    nginx: { env: string; binaries: string[] };
  };
  const { env, binaries } = tools.nginx;
  const path = process.env[env] || binaries.find((each) => existsSync(each));
  if (!path) throw new Error('There is no nginx here: run `npm run test:setup`');
  return path;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
