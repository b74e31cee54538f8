/** Long polling: one GET after the other, each answered when there are messages. */
import type { Wire, WireOptions } from '../wire.js';
import { bytesOf } from './posts.js';
import { RequestWire } from './request-wire.js';

type Item = string | { readonly binary: string };

interface Batch {
  readonly token?: string;
  readonly position?: number;
  readonly messages: readonly Item[];
  readonly close?: { readonly code: number; readonly reason: string };
}

/** What is not counted. */
const UNCOUNTED = /^\{"event":"rt:(open|ack|pong)"/;

class PollingWire extends RequestWire {
  readonly transport = 'polling';
  /** How many counted messages of the connection have arrived. */
  #position = 0;

  protected async get(): Promise<boolean> {
    const headers = this.isUp ? this.held() : this.greeting();
    const answer = await this.fetch(`transport=polling&position=${this.#position}`, headers);
    if (!(await this.isAccepted(answer, 'application/json'))) return false;
    const batch = (await answer.json()) as Batch;
    if (this.isOver) return false;
    this.options.owner.heard();
    const { token, messages, close } = batch;
    if (token && this.isUp) return false;
    if (token) this.up(typeof messages[0] === 'string' && messages[0].startsWith('{"event":"rt:open"'), token);
    this.#take(batch);
    if (close) this.end(close);
    return true;
  }

  #take({ messages, position = 0 }: Batch): void {
    const counted = messages.filter((item) => typeof item !== 'string' || !UNCOUNTED.test(item)).length;
    let n = position - counted;
    for (const item of messages) {
      const isText = typeof item === 'string';
      if (isText && UNCOUNTED.test(item)) this.options.owner.received(item);
      else if (++n > this.#position) this.options.owner.received(isText ? item : bytesOf(item.binary));
    }
    this.#position = Math.max(this.#position, position);
  }
}

export function openPolling(options: WireOptions): Wire {
  return new PollingWire(options).start();
}
