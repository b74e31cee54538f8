/**
 * Road IN, step 1, and road OUT, step 10: server-sent events (WHATWG HTML §9.2). The client sends by `POST`
 * (requests.ts).
 */
import type { Writable } from 'node:stream';
import { mayReconnect } from 'nestjs-realtime-protocol';
import { detached } from '../../async-context.js';
import type { ControlFrame } from '../../frame.js';
import { parseEventId } from '../../http/event-id.js';
import type { HttpAnswer, HttpExchange } from '../../http/exchange.js';
import type { Place } from '../../transport.js';
import { EventIds } from './event-ids.js';
import type { Entry } from './kept-messages.js';
import { type OfSession, type RequestEnd, type RequestNode, RequestSocket } from './request-socket.js';
import type { RequestTransport } from './request-transport.js';
import { COMMENT, controlBlock, messageBlock, messageBody, plainBody } from './sse-format.js';
import { endStream, POSTPONED_RETRY_MS, RENEW_RETRY_MS, startStream } from './sse-stream.js';
import type { CarryingAnswer } from './watched-answer.js';

export class SseTransport implements RequestTransport {
  readonly name = 'sse';

  private readonly streams: Streams = { count: 0 };

  constructor(private readonly node: RequestNode) {}

  takes({ incoming }: HttpExchange): boolean {
    const types = incoming.headers.accept?.split(',') ?? [];
    return types.some((type) => type.split(';')[0]!.trim() === 'text/event-stream');
  }

  /** A browser sends the last id that it received, `<token>.<position>` and where it stands in rooms with history. */
  ticket({ incoming }: HttpExchange): { token: string; position: number } | undefined {
    const id = parseEventId(String(incoming.headers['last-event-id'] ?? ''));
    return id && { token: id.token, position: id.n };
  }

  createSocket(session?: OfSession): SseSocket {
    return new SseSocket(this.node, this.streams, session);
  }

  /** An empty stream: an EventSource comes back with its last id. */
  postpone(answer: HttpAnswer): void {
    endStream(startStream(answer), POSTPONED_RETRY_MS);
  }
}

/** The share of the hold time by which a stream may end earlier. */
const HOLD_SPREAD = 0.2;

/** The streams of a node: they share the memory for replays. */
interface Streams {
  count: number;
}

export class SseSocket extends RequestSocket {
  private answer?: CarryingAnswer;
  private holdTimer?: NodeJS.Timeout;
  private stream?: Writable;
  private readonly ids = new EventIds();
  /** Where the client stands with the last message that is no longer kept. */
  private basePlaces = '';
  /** The bytes in a stream that is full, as far as they are counted against the limit of the process. */
  private streamBytes = 0;

  constructor(
    node: RequestNode,
    private readonly streams: Streams,
    session?: OfSession,
  ) {
    super(node, session);
    this.isLostAtOnce = session !== undefined;
    streams.count++;
  }

  get bufferedBytes(): number {
    return this.ring.waitingBytes + (this.stream?.writableLength ?? 0);
  }

  open(answer: CarryingAnswer, id: string, position: number | undefined): boolean {
    if (position !== undefined && !this.ring.reaches(position)) return this.isGone && this.turnAway(answer, this.end!);
    this.cut();
    const stream = this.begin(answer);
    const start = { id, token: this.token, recovered: position !== undefined };
    const retry = `retry: ${Math.round(this.settings.sseRetry * 1000)}\n`;
    if (position !== undefined) this.ring.turnTo(position);
    stream.write(retry + controlBlock(this.idAt(this.ring.taken), 'open', start));
    if (this.isGone) return this.sayGoodbye(this.end!);
    this.present();
    this.hold();
    this.flush();
    this.drained();
    this.finishClose();
    answer.onClose(() => this.left(answer));
    return true;
  }

  /** An EventSource stays away after a 204. Its network connection may carry the newer stream too (HTTP/2). */
  turnBack(answer: CarryingAnswer): void {
    answer.send(204);
  }

  /**
   * Answers a client that has had the end, or can no longer get it. An EventSource stays away after a 204 (WHATWG HTML
   * §9.2.3).
   */
  private turnAway(answer: CarryingAnswer, { code }: RequestEnd): boolean {
    if (mayReconnect(code)) return false;
    answer.send(204);
    return true;
  }

  private begin(answer: CarryingAnswer): Writable {
    const stream = startStream(answer);
    this.answer = answer;
    this.stream = stream;
    stream.on('drain', () => {
      if (this.stream !== stream) return;
      this.countStream(0);
      this.flush();
      this.drained();
    });
    stream.on('error', () => {});
    return stream;
  }

  /**
   * Ends the stream after the hold time. The network takes comments long after a client has vanished: only a request is
   * a sign of life. Streams that began together do not end together.
   */
  private hold(): void {
    const milliseconds = this.settings.sseHold * 1000 * (1 - Math.random() * HOLD_SPREAD);
    if (milliseconds > 0) this.holdTimer = detached(() => setTimeout(() => this.renew(), milliseconds));
  }

  /** Asks the client for its next request: it resumes where it was. */
  private renew(): void {
    const { answer, stream } = this;
    if (!answer || !stream) return;
    endStream(stream, RENEW_RETRY_MS);
    answer.cutAfter(this.settings.graceTime);
    this.release();
    this.absent();
  }

  /**
   * Sends a comment, which keeps proxies from cutting the stream. Within the hold time, one that the network takes keeps
   * the connection open.
   */
  ping(): void {
    this.trim();
    this.stream?.write(COMMENT, (error) => {
      if (!error) this.alive();
    });
  }

  protected tell(frame: ControlFrame): void {
    this.stream?.write(messageBlock(this.idAt(this.ring.taken), plainBody(frame)));
  }

  protected override placesWith = (place?: Place): string => {
    if (place) this.ids.moved(place);
    return this.ids.suffix;
  };

  protected flush(): void {
    while (this.stream && !this.stream.writableNeedDrain && this.writeNext(this.stream));
  }

  /** @returns false when there is none */
  private writeNext(stream: Writable): boolean {
    const entry = this.ring.take();
    if (!entry) return false;
    const body = this.session ? plainBody(entry.frame) : messageBody(entry.frame);
    stream.write(messageBlock(this.idAt(this.ring.taken, entry), body));
    this.sentAt = performance.now();
    if (stream.writableNeedDrain) this.countStream(stream.writableLength);
    this.trim();
    return true;
  }

  /**
   * All streams together keep at most half of what the process may hold for its clients: the rest is for messages that
   * wait.
   */
  private trim(): void {
    const { ring } = this;
    // The session keeps them
    if (this.session) return ring.acknowledge(ring.taken);
    const { maxReplayBytes, maxBufferedBytesTotal } = this.settings;
    const max = Math.min(maxReplayBytes, maxBufferedBytesTotal / 2 / this.streams.count);
    while (ring.takenBytes > max) this.basePlaces = ring.forgetOldest().places;
  }

  private countStream(bytes: number): void {
    this.node.slowConsumers.bytes += bytes - this.streamBytes;
    this.streamBytes = bytes;
  }

  override forget(): void {
    this.streams.count--;
    this.countStream(0);
    super.forget();
  }

  private left(answer: CarryingAnswer): void {
    if (this.answer !== answer) return;
    this.release();
    this.absent();
  }

  protected sayGoodbye(end: RequestEnd): boolean {
    const { answer, stream } = this;
    if (!answer || !stream) return false;
    while (this.writeNext(stream));
    // The end has a position too: a client that states it has received the end
    stream.end(controlBlock(this.idAt(this.ring.last + 1, this.ring.at(this.ring.last)), 'close', end));
    answer.cutAfter(this.settings.closeTimeout);
    this.release();
    return true;
  }

  protected cut(): void {
    const { answer } = this;
    this.release();
    answer?.cut();
  }

  private release(): void {
    clearTimeout(this.holdTimer);
    this.answer = this.stream = undefined;
    this.countStream(0);
  }

  private idAt(n: number, entry: Entry | undefined = this.ring.at(n)): string {
    return `${this.token}.${n}${entry?.places ?? this.basePlaces}`;
  }
}
