/** Clients that reconnect by themselves, as docs/transports.md describes, and keep the messages they have received. */
import { setTimeout as sleep } from 'node:timers/promises';
import { EventSourceParser } from './event-source-parser.js';

const RETRY_MS = 10;

abstract class SteadyClient {
  /** The messages in the order of their arrival. */
  readonly messages: string[] = [];
  /** How many connections it was given; one when nothing was lost. */
  connections = 0;
  /** Requests that failed or broke off. */
  failures = 0;
  token = '';
  protected readonly aborter = new AbortController();
  private readonly done: Promise<void>;

  constructor(protected readonly url: string) {
    this.done = Promise.resolve().then(() => this.run());
  }

  stop(): Promise<void> {
    this.aborter.abort();
    return this.done;
  }

  private async run(): Promise<void> {
    while (!this.aborter.signal.aborted) {
      try {
        await this.request();
      } catch {
        this.failures++;
        await sleep(RETRY_MS);
      }
    }
  }

  protected abstract request(): Promise<void>;
}

export class SteadyPolling extends SteadyClient {
  private position = 0;

  protected async request(): Promise<void> {
    const headers: Record<string, string> = this.token ? { 'x-realtime-token': this.token } : {};
    const url = `${this.url}?transport=polling&position=${this.position}`;
    const response = await fetch(url, { headers, signal: this.aborter.signal });
    if (!response.ok) throw new Error(`refused with ${response.status}`);
    const { token, position, messages } = (await response.json()) as {
      token?: string;
      position: number;
      messages: string[];
    };
    if (token !== undefined) {
      this.token = token;
      this.position = 0;
      this.connections++;
    }
    // a repeated answer begins with messages that are here already
    const known = Math.max(0, this.position - (position - messages.length));
    this.messages.push(...messages.slice(known));
    this.position = Math.max(this.position, position);
  }
}

export class SteadySse extends SteadyClient {
  private lastEventId = '';

  protected async request(): Promise<void> {
    const again: Record<string, string> = this.lastEventId ? { 'last-event-id': this.lastEventId } : {};
    const headers = { accept: 'text/event-stream', ...again };
    const response = await fetch(this.url, { headers, signal: this.aborter.signal });
    if (response.status !== 200) throw new Error(`refused with ${response.status}`);
    const decoder = new TextDecoder();
    const parser = new EventSourceParser(({ type, data, lastEventId }) => {
      this.lastEventId = lastEventId;
      if (type === 'message') this.messages.push(data);
      if (type !== 'open') return;
      const { token, recovered } = JSON.parse(data) as { token: string; recovered: boolean };
      this.token = token;
      if (!recovered) this.connections++;
    });
    for await (const chunk of response.body!) parser.push(decoder.decode(chunk, { stream: true }));
    throw new Error('the stream has ended');
  }
}
