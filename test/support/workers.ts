/** A folder for the sockets of workers that run in the process of a test, and what can happen to it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { workersLink, type WorkersLinkOptions } from '../../libs/realtime/src/brokers/workers/workers-link.js';
import type { Link } from '../../libs/realtime/src/cluster/link.js';
import { until } from './process-guard.js';

export const BOUNDS = { maxWaitingBytes: 16 * 1024 * 1024, maxFrameBytes: 2 * 1024 * 1024 };

export class WorkersFolder {
  private readonly parent = mkdtempSync(join(tmpdir(), 'workers-'));

  get url(): string {
    return join(this.parent, 'app');
  }

  folderOf(app: string): string {
    return join(this.parent, app);
  }

  link(node: string, times: WorkersLinkOptions['times'] = {}, bounds = BOUNDS): Link {
    return workersLink({ folder: this.url, node, times, ...bounds });
  }

  /** Takes the folder away, as somebody who cleans up does, and waits until no worker listens there any more. */
  async kill(): Promise<void> {
    rmSync(this.url, { recursive: true, force: true });
    writeFileSync(this.url, '');
    const listening = () => readFileSync('/proc/net/unix', 'utf8').includes(this.url);
    await until('the end of all sockets', listening, (is) => !is, 20_000);
  }

  async restart(): Promise<void> {
    rmSync(this.url, { force: true });
  }

  async stop(): Promise<void> {
    rmSync(this.parent, { recursive: true, force: true });
  }
}
