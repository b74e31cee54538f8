/** An application of examples/, built by `npm run build:examples`, as a process; and its own tests, as its user runs them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../docs.js';
import { within } from '../process-guard.js';

const PATIENCE_MS = 60_000;

export const folderOf = (name: string): string => join(ROOT, 'examples', name);

/** The environment of the test without our settings and without what jest tells its children. */
function environment(extra: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !/^(REALTIME_|JEST_|NODE_OPTIONS$|NODE_ENV$)/.test(name));
  return { ...Object.fromEntries(own), NO_COLOR: '1', ...extra };
}

/** A process of an example, and what it prints. */
class ExampleProcess {
  output = '';
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;

  constructor(readonly child: ChildProcess) {
    this.exited = new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal })));
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on('data', (chunk: Buffer) => (this.output += String(chunk)));
    }
  }

  /** Resolves with the match of what it prints. @throws Error with its output when it ends first */
  async prints(pattern: RegExp): Promise<RegExpExecArray> {
    const found = new Promise<RegExpExecArray>((resolve, reject) => {
      const look = () => {
        const match = pattern.exec(this.output);
        if (match) resolve(match);
      };
      this.child.stdout!.on('data', look);
      void this.exited.then(() => reject(new Error(`It has ended before it printed ${pattern}:\n${this.output}`)));
    });
    return within(PATIENCE_MS, `${pattern} in the output`, found);
  }
}

function run(name: string, command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = spawn(command, args, {
    cwd: folderOf(name),
    env: environment(env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return new ExampleProcess(child);
}

export class ExampleApp {
  private constructor(
    private readonly process: ExampleProcess,
    /** Its address, for example `http://127.0.0.1:54321`. */
    readonly url: string,
  ) {}

  /** Starts one on a free port. @throws Error when it is not built, or does not listen */
  static async start(name: string): Promise<ExampleApp> {
    if (!existsSync(join(folderOf(name), 'dist/main.js'))) {
      throw new Error(`examples/${name} is not built: run \`npm run build:libs && npm run build:examples\``);
    }
    const started = run(name, process.execPath, ['dist/main.js'], {
      NODE_ENV: 'production',
      REALTIME_LISTEN_PORT: '0',
    });
    const [, url] = await started.prints(/^Listening on (http:\S+)$/m);
    return new ExampleApp(started, url!);
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  /** Its output on both streams. */
  get output(): string {
    return this.process.output;
  }

  /** Ends it as a deploy does. @returns the signal by which it ended */
  async stop(): Promise<NodeJS.Signals | null> {
    this.process.child.kill('SIGTERM');
    return (await within(PATIENCE_MS, 'the example to end', this.process.exited)).signal;
  }
}

/** Runs `npm test` of an example. @returns its exit code and output */
export async function ownTests(name: string): Promise<{ code: number | null; output: string }> {
  const tests = run(name, 'npm', ['test', '--silent']);
  const { code } = await tests.exited;
  return { code, output: tests.output };
}
