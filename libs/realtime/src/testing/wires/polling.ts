import { CloseCode } from 'nestjs-realtime-protocol';
import type { ClientEnd } from './wire.js';
import { ask } from './http.js';
import { RequestWire } from './request-wire.js';

interface Batch {
  readonly id?: string;
  readonly token?: string;
  readonly position?: number;
  readonly messages: readonly (string | { readonly binary: string })[];
  readonly close?: ClientEnd;
}

/** Long polling. A poll that fails is the end: the client does not repeat it. */
export class PollingWire extends RequestWire {
  readonly transport = 'polling';
  private position = 0;

  /** Connects with the first poll; the next ones follow by themselves. @throws Refusal */
  async connect(): Promise<this> {
    await this.poll();
    void this.loop();
    return this;
  }

  private async loop(): Promise<void> {
    try {
      while (!this.hasEnded) await this.poll();
    } catch {
      this.end({ code: CloseCode.ABNORMAL, reason: '' });
    }
  }

  private async poll(): Promise<void> {
    const mark = this.url.includes('?') ? '&' : '?';
    const url = `${this.url}${mark}transport=polling&position=${this.position}`;
    const answer = await ask(url, { headers: this.headers(), signal: this.aborter.signal });
    this.admit(answer);
    const { id, token, position = this.position, messages, close } = JSON.parse(answer.body) as Batch;
    if (token !== undefined) await this.begin(id!, token, answer.port);
    this.position = position;
    for (const item of messages) {
      this.owner.received(typeof item === 'string' ? item : Buffer.from(item.binary, 'base64'));
    }
    if (close) this.end(close);
  }

  /** A token in a later answer means that the server has lost the connection and begun another one, which is ended. */
  private async begin(id: string, token: string, port: number | undefined): Promise<void> {
    const wasLost = this.token !== '';
    this.opened({ id, token });
    this.port ??= port;
    if (!wasLost) return;
    await ask(this.url, { method: 'DELETE', headers: this.headers() });
    throw new Error('The connection was lost');
  }
}
