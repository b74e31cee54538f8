import type { IncomingMessage } from 'node:http';
import { CloseCode } from 'nestjs-realtime-protocol';
import type { ClientEnd } from './wire.js';
import { open, readBody } from './http.js';
import { RequestWire } from './request-wire.js';

const LOST: ClientEnd = { code: CloseCode.ABNORMAL, reason: '' };

/** Server-sent events. A stream that breaks is the end: the client does not resume, as an `EventSource` would. */
export class SseWire extends RequestWire {
  readonly transport = 'sse';
  private greeted: () => void = () => {};

  /** Connects, and resolves with the `open` event. @throws Refusal */
  async connect(): Promise<this> {
    const headers = this.headers({ accept: 'text/event-stream' });
    const response = await open(this.url, { headers, signal: this.aborter.signal });
    this.port = response.socket.localPort;
    const status = response.statusCode ?? 0;
    this.admit({ status, headers: response.headers, body: status === 200 ? '' : await readBody(response) });
    await new Promise<void>((resolve, reject) => {
      this.greeted = resolve;
      response.once('close', () => reject(new Error('The stream ended before its "open" event')));
      this.read(response);
    });
    return this;
  }

  private read(response: IncomingMessage): void {
    let text = '';
    response.setEncoding('utf8');
    response.on('error', () => {});
    response.on('close', () => this.end(LOST));
    response.on('data', (chunk: string) => {
      const blocks = (text + chunk).split('\n\n');
      text = blocks.pop()!;
      for (const block of blocks) if (!this.hasEnded) this.take(block);
    });
  }

  private take(block: string): void {
    const fields = block.split('\n').map((line) => line.split(/: ?(.*)/s, 2));
    const lines = fields.filter(([name]) => name === 'data').map(([, value]) => value!);
    if (lines.length === 0) return;
    const data = lines.join('\n');
    const event = fields.find(([name]) => name === 'event')?.[1];
    if (event === 'open') this.greet(data);
    else if (event === 'close') this.end(JSON.parse(data) as ClientEnd);
    else if (event === 'binary') this.owner.received(Buffer.from(data, 'base64'));
    else this.owner.received(event === undefined ? data : `{"event":${JSON.stringify(event)},"data":${data}}`);
  }

  private greet(data: string): void {
    this.opened(JSON.parse(data) as { id: string; token: string });
    this.greeted();
  }
}
