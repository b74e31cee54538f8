/** Links of workers in processes of their own (test/fixtures/mesh-worker.mjs): they can be killed, stopped and go on. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { LinkTimes } from '../../../libs/realtime/src/cluster/link.js';
import { until, within } from '../process-guard.js';
import { environment } from './child-app.js';
import { Child } from './cluster-app.js';

const FIXTURE = fileURLToPath(new URL('../../fixtures/mesh-worker.mjs', import.meta.url));

interface Said {
  readonly what?: 'message' | 'state' | 'ready';
  readonly value?: string;
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: { readonly code: string; readonly message: string };
}

export class MeshWorker extends Child {
  readonly messages: string[] = [];
  readonly states: string[] = [];
  private readonly waiting = new Map<number, (said: Said) => void>();
  private asked = 0;

  /** Starts it and waits until it is a member. */
  static async start(folder: string, node: string, times: Partial<LinkTimes>): Promise<MeshWorker> {
    const worker = MeshWorker.launch(folder, node, times);
    await worker.ready();
    return worker;
  }

  static launch(folder: string, node: string, times: Partial<LinkTimes>): MeshWorker {
    const env = environment({ LINK: JSON.stringify({ folder, node, times }) });
    const stdio = ['ignore', 'pipe', 'pipe', 'ipc'] as const;
    return new MeshWorker(fork(FIXTURE, { stdio: [...stdio], execArgv: [], env })).listened();
  }

  async ready(): Promise<void> {
    const isReady = () => this.states.length > 0 || !this.isRunning;
    await until('a worker to be a member', isReady, Boolean, 30_000);
    if (!this.isRunning) throw this.died();
  }

  subscribe(...channels: string[]): Promise<unknown> {
    return this.ask('subscribe', channels);
  }

  /** @returns how many have it, or the code of the error. @param times how often the text stands in the message */
  publish(channel: string, text: string, times = 1): Promise<unknown> {
    return this.ask('publish', [channel, text, times]).catch(({ code }: { code: string }) => code);
  }

  stop(): Promise<unknown> {
    return this.ask('stop');
  }

  async heard(text: string): Promise<void> {
    await until(
      text,
      () => this.messages,
      (all) => all.includes(text),
      30_000,
    );
  }

  async reported(...states: string[]): Promise<void> {
    const first = () => this.states.map((state) => state.split(':')[0]).join();
    await until(states.join(), first, (all) => all === states.join(), 30_000);
  }

  private listened(): this {
    this.process.on('message', (said: Said) => {
      if (said.what === 'message') this.messages.push(said.value!);
      else if (said.what === 'state') this.states.push(said.value!);
      else if (said.id !== undefined) this.waiting.get(said.id)?.(said);
    });
    return this;
  }

  private async ask(what: string, argument?: unknown): Promise<unknown> {
    const id = ++this.asked;
    const answered = new Promise<Said>((resolve, reject) => {
      this.waiting.set(id, resolve);
      void this.exited.then(() => reject(this.died()));
    });
    this.process.send({ id, what, argument });
    const { result, error } = await within(30_000, `an answer to ${what}`, answered);
    this.waiting.delete(id);
    if (error) throw Object.assign(new Error(error.message), error);
    return result;
  }
}
