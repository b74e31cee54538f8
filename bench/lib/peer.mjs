/** A process of the benchmark: it is started on its core, takes commands over IPC, and is ended by its own handle. */
import { spawn, spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { clearTimeout } from 'node:timers';

/** How long a command may take. */
const COMMAND_MS = 180_000;

/** Pinning keeps the server's caches warm and the load off its core. */
export const canPin = availableParallelism() > 1 && spawnSync('taskset', ['--version']).status === 0;

/** The last core is the server's: interrupts tend to be served by the first. */
export const CORES = { load: 0, server: Math.max(1, availableParallelism() - 1) };

export class Peer {
  pending = new Map();
  lastId = 0;
  hasEnded = undefined;

  /** @param command a program, which sends `{ ready: true, … }` when it can be used, and its arguments */
  constructor(command, { core, env = {}, shows = false } = {}) {
    const [file, ...args] = canPin && core !== undefined ? ['taskset', '-c', String(core), ...command] : command;
    const stdio = ['ignore', shows ? 'inherit' : 'ignore', 'inherit', 'ipc'];
    this.child = spawn(file, args, { env: { ...process.env, ...env }, stdio, serialization: 'json' });
    this.ready = new Promise((resolve, reject) => {
      this.child.on('message', (message) => (message.ready ? resolve(message) : this.answer(message)));
      this.child.on('exit', (code, signal) => {
        this.hasEnded = new Error(`${command.join(' ')} ended with ${code ?? signal}`);
        reject(this.hasEnded);
        for (const [id, { failed }] of this.pending) this.settle(id, () => failed(this.hasEnded));
      });
    });
    this.exited = new Promise((resolve) => this.child.on('exit', (code, signal) => resolve(signal ?? code)));
  }

  call(verb, args) {
    if (this.hasEnded) return Promise.reject(this.hasEnded);
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.settle(id, () => reject(new Error(`${verb} took too long`))), COMMAND_MS);
      this.pending.set(id, { timer, done: resolve, failed: reject });
      this.child.send({ id, verb, args });
    });
  }

  answer({ id, value, error }) {
    const waiting = this.pending.get(id);
    if (waiting) this.settle(id, () => (error ? waiting.failed(new Error(error)) : waiting.done(value)));
  }

  settle(id, what) {
    clearTimeout(this.pending.get(id)?.timer);
    what();
    this.pending.delete(id);
  }

  /** Asks the process to end, as a deploy does. @returns a promise of its exit code or of the signal that ended it */
  stop() {
    this.child.kill('SIGTERM');
    return this.exited;
  }

  async end() {
    this.child.kill('SIGKILL');
    await this.exited;
  }
}
