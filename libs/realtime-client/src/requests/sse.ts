/** Server-sent events, read by fetch: an EventSource can send no header, and hides events whose names it was not told. */
import type { Wire, WireOwner } from '../wire.js';
import { bytesOf } from './posts.js';
import { RequestWire } from './request-wire.js';

class SseWire extends RequestWire {
  protected async get(): Promise<boolean> {
    const answer = await this.fetch('text/event-stream');
    if (!answer) return false;
    const reader = answer.body!.pipeThrough(new TextDecoderStream() as never).getReader();
    let text = '';
    let isUseful = false;
    for (;;) {
      const { done, value } = (await reader.read()) as { done: boolean; value?: string };
      // The next stream goes on with the session
      if (done || this.isOver) return isUseful;
      this.owner.heard();
      const blocks = (text + value).split('\n\n');
      text = blocks.pop()!;
      for (const block of blocks) this.#take(block);
      isUseful ||= blocks.length > 0;
    }
  }

  /** @param block one event; the server ends each line with `\n` and puts a space after the colon */
  #take(block: string): void {
    const { owner } = this;
    const field = (name: string) => [...block.matchAll(new RegExp(`^${name}: (.*)$`, 'gm'))].map((found) => found[1]);
    const [event] = field('event');
    const lines = field('data');
    const data = lines.join('\n');
    if (lines.length === 0 || this.isOver || event === 'open') return;
    if (event === 'close') this.end(JSON.parse(data) as { code: number; reason: string });
    else if (event === 'binary') owner.received(bytesOf(data));
    else owner.received(event === undefined ? data : `{"event":${JSON.stringify(event)},"data":${data}}`);
  }
}

export const openSse = (owner: WireOwner): Wire => new SseWire(owner);
