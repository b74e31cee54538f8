/** An nginx of a study, in front of several nodes: on a free port, with a folder of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { balancer, nginxConf } from '../../scripts/nginx-conf.mjs';
import { freePort } from './ports.mjs';

/** @throws Error when there is no nginx (`npm run test:setup` installs it or says how), or when it does not run */
export async function startNginx(ports) {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'bench-nginx-'));
  const file = join(folder, 'nginx.conf');
  writeFileSync(file, nginxConf(folder, balancer(port, ports), { connections: 16_384 }));
  const child = spawn('nginx', ['-p', folder, '-c', file, '-e', 'stderr'], { stdio: ['ignore', 'ignore', 'pipe'] });
  process.on('exit', () => child.kill('SIGKILL'));
  let output = '';
  child.stderr.on('data', (chunk) => (output += chunk));
  child.on('error', (error) => (output += error.message));
  const answers = () => fetch(`http://127.0.0.1:${port}/`).then(Boolean, () => false);
  for (let tries = 0; !(await answers()); tries++) {
    if (child.exitCode !== null || tries === 200) throw new Error(`nginx does not run:\n${output}`);
    await sleep(20);
  }

  return {
    url: `http://127.0.0.1:${port}`,
    async end() {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
      rmSync(folder, { recursive: true });
    },
  };
}
