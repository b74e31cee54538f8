import type { Log } from '../../../libs/realtime/src/log.js';

/** A log that keeps its lines, each with its level in front: `log …`, `warn …`. */
export class RecordingLog implements Log {
  readonly lines: string[] = [];
  readonly stacks: string[] = [];
  log = (line: string) => this.keep('log', line);
  warn = (line: string) => this.keep('warn', line);
  debug = (line: string) => this.keep('debug', line);
  verbose = (line: string) => this.keep('verbose', line);
  error = (line: string, stack?: string) => {
    this.keep('error', line);
    if (stack !== undefined) this.stacks.push(stack);
  };

  with(text: string): string[] {
    return this.lines.filter((line) => line.includes(text));
  }

  private keep(level: string, line: string): void {
    this.lines.push(`${level} ${line}`);
  }
}
