/** Server-sent events, read by fetch: an EventSource can send no header, and hides events whose names it was not told. */
import type { Wire, WireOptions } from '../wire.js';
import { bytesOf } from './posts.js';
import { RequestWire } from './request-wire.js';

/** A server of the old wire says nothing after `event: open`. */
const PLAIN_AFTER_MS = 1000;

class SseWire extends RequestWire {
  readonly transport = 'sse';
  /** The secret of an opening of which it is not known yet whether an `rt:open` follows. */
  #opening: string | undefined;

  protected async get(): Promise<boolean> {
    const answer = await this.fetch('', { accept: 'text/event-stream', ...this.greeting() });
    if (!(await this.isAccepted(answer, 'text/event-stream'))) return false;
    const reader = answer.body!.pipeThrough(new TextDecoderStream() as never).getReader();
    let text = '';
    let isUseful = false;
    for (;;) {
      const { done, value } = (await reader.read()) as { done: boolean; value?: string };
      if (done || this.isOver) return isUseful;
      this.options.owner.heard();
      const blocks = (text + value).split('\n\n');
      text = blocks.pop()!;
      for (const block of blocks) {
        this.#take(fieldsOf(block));
        isUseful = true;
      }
    }
  }

  #take({ event, data }: { event?: string; data?: string }): void {
    const { owner } = this.options;
    if (data === undefined || this.isOver) return;
    if (event === 'open') return this.#open(JSON.parse(data) as { token: string });
    if (event === 'close') return this.end(JSON.parse(data) as { code: number; reason: string });
    this.#decide(event === 'rt:open' || data.startsWith('{"event":"rt:open"'));
    if (event === 'binary') owner.received(bytesOf(data));
    else owner.received(event === undefined ? data : `{"event":${JSON.stringify(event)},"data":${data}}`);
  }

  #open({ token }: { token: string }): void {
    this.#opening = token;
    this.options.environment.after(PLAIN_AFTER_MS, () => this.#decide(false));
  }

  /** The first message after an opening says which wire the server speaks. */
  #decide(isSession: boolean): void {
    const token = this.#opening;
    this.#opening = undefined;
    if (token !== undefined && !this.isOver) this.up(isSession, token);
  }
}

/** The fields of one event. The server ends each line with `\n` and puts a space after the colon. */
function fieldsOf(block: string): { event?: string; data?: string } {
  const fields: Record<string, string> = {};
  for (const line of block.split('\n')) {
    const [, name, value] = /^(\w+): (.*)$/s.exec(line) ?? [];
    if (name === 'data' && fields['data'] !== undefined) fields['data'] += `\n${value}`;
    else if (name) fields[name] = value!;
  }
  return fields;
}

export function openSse(options: WireOptions): Wire {
  return new SseWire(options).start();
}
