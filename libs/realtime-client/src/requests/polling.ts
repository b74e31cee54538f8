/** Long polling: one GET after the other, each answered when there are messages. */
import type { Wire, WireOwner } from '../wire.js';
import { bytesOf } from './posts.js';
import { RequestWire } from './request-wire.js';

type Item = string | { readonly binary: string };

interface Batch {
  readonly position: number;
  readonly messages: readonly Item[];
  readonly close?: { readonly code: number; readonly reason: string };
}

/** What is not counted. */
const UNCOUNTED = /^\{"event":"rt:(open|ack|pong)"/;

class PollingWire extends RequestWire {
  /** How many counted messages of the connection have arrived. */
  #position = 0;
  #isUp = false;

  protected async get(): Promise<boolean> {
    const answer = await this.fetch('application/json', `transport=polling&position=${this.#position}`, this.#isUp);
    if (!answer) return false;
    this.#isUp = true;
    const batch = (await answer.json()) as Batch;
    if (this.isOver) return false;
    this.#take(batch);
    if (batch.close) this.end(batch.close);
    return true;
  }

  #take({ messages, position }: Batch): void {
    const { owner } = this;
    const isCounted = (item: Item) => typeof item !== 'string' || !UNCOUNTED.test(item);
    let n = position - messages.filter(isCounted).length;
    for (const item of messages) {
      if (!isCounted(item) || ++n > this.#position) {
        owner.received(typeof item === 'string' ? item : bytesOf(item.binary));
      }
    }
    this.#position = Math.max(this.#position, position);
  }
}

export const openPolling = (owner: WireOwner): Wire => new PollingWire(owner);
