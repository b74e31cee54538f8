/** Road IN, step 1, and road OUT, step 10: server-sent events (WHATWG HTML §9.2). Upstream is `POST` (requests.ts). */
import type { Writable } from 'node:stream';
import type { RealtimeSettings } from '../settings.js';
import type { Answer, Visit } from './answer.js';
import { type Entry, type RequestEnd, RequestSocket } from './request-socket.js';
import type { RequestTransport } from './requests.js';
import { COMMENT, controlBlock, messageBlock } from './sse-format.js';

export class SseTransport implements RequestTransport {
  readonly name = 'sse';

  constructor(private readonly settings: RealtimeSettings) {}

  takes({ node }: Visit): boolean {
    return node.headers.accept?.split(',').some((type) => type.trim().startsWith('text/event-stream')) ?? false;
  }

  /** The browser states where it was: `<token>.<position>`. */
  ticket({ node }: Visit): { token: string; position: number } | undefined {
    const [, token, position] = /^([\w-]+)\.(\d+)$/.exec(String(node.headers['last-event-id'] ?? '')) ?? [];
    return token === undefined ? undefined : { token, position: Number(position) };
  }

  createSocket(): SseSocket {
    return new SseSocket(this.settings);
  }

  /** 204 tells an EventSource to stay away (WHATWG HTML §9.2.3). */
  answerEnded({ answer }: Visit): void {
    answer.send(204);
  }
}

class SseSocket extends RequestSocket {
  private stream?: Writable;
  /** Positions up to here were written. */
  private written = 0;
  private replayBytes = 0;

  get bufferedBytes(): number {
    return this.entryBytes + (this.stream?.writableLength ?? 0);
  }

  /** Not encoded once for all: every block carries the connection's own id. */
  private readonly sent: Entry[] = [];

  open(answer: Answer, id: string, position: number | undefined): boolean {
    if (position !== undefined && !this.canResume(position)) return false;
    this.dropResponse();
    this.begin(answer, id, position);
    if (position !== undefined) this.replay(position);
    this.present();
    this.flush();
    this.settle();
    return true;
  }

  private begin(answer: Answer, id: string, position: number | undefined): void {
    answer.header('Content-Type', 'text/event-stream; charset=utf-8');
    answer.header('Cache-Control', 'no-cache, no-transform');
    answer.header('X-Accel-Buffering', 'no');
    const stream = (this.stream = answer.stream());
    const recovered = position !== undefined;
    const start = { id, token: this.token, recovered };
    stream.write(
      `retry: ${Math.round(this.settings.sseRetry * 1000)}\n${controlBlock(this.idAt(position ?? 0), 'open', start)}`,
    );
    stream.on('drain', () => {
      this.flush();
      this.drained();
    });
    stream.on('error', () => {});
    answer.onClose(() => {
      if (this.stream !== stream) return;
      this.stream = undefined;
      this.absent();
    });
  }

  ping(): void {
    this.stream?.write(COMMENT, () => this.alive());
  }

  protected flush(): void {
    while (this.stream && !this.isHeld && this.entries.length > 0 && !this.stream.writableNeedDrain) {
      const entry = this.entries.shift()!;
      this.entryBytes -= entry.frame.size;
      this.stream.write(messageBlock(this.idAt(entry.position), entry.frame));
      this.written = entry.position;
      this.remember(entry);
    }
  }

  /** What was written may not have arrived: it is kept, within its bound, for a client that comes back. */
  private remember(entry: Entry): void {
    this.sent.push(entry);
    this.replayBytes += entry.frame.size;
    while (this.replayBytes > this.settings.maxReplayBytes) this.replayBytes -= this.sent.shift()!.frame.size;
  }

  private canResume(position: number): boolean {
    const oldest = this.sent[0]?.position ?? this.written + 1;
    return position <= this.written && position >= oldest - 1;
  }

  private replay(position: number): void {
    for (const entry of this.sent) {
      if (entry.position > position) this.stream?.write(messageBlock(this.idAt(entry.position), entry.frame));
    }
  }

  protected sayGoodbye(end: RequestEnd): boolean {
    if (!this.stream) return false;
    while (this.entries.length > 0) {
      const { position, frame } = this.entries.shift()!;
      this.stream.write(messageBlock(this.idAt(position), frame));
    }
    this.stream.write(controlBlock(undefined, 'close', end));
    return true;
  }

  protected dropResponse(): void {
    const { stream } = this;
    this.stream = undefined;
    stream?.end();
  }

  private idAt(position: number): string {
    return `${this.token}.${position}`;
  }
}
