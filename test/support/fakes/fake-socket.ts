/** A wire without a network for unit specs: it records the messages that are sent, and the test plays its peer. */
import type { IncomingMessage } from 'node:http';
import type { CloseInitiator } from '../../../libs/realtime/src/close-info.js';
import type { Frame } from '../../../libs/realtime/src/frame.js';
import { Message } from '../../../libs/realtime/src/message.js';
import type { Sink, Socket } from '../../../libs/realtime/src/transport.js';

/** How the wire and its peer behave. */
export interface FakeSocketOptions {
  readonly protocol?: string;
  /** The peer answers our close frame in the next microtask, or when the test calls `answer()`. Default `soon`. */
  readonly answers?: 'soon' | 'by hand';
  /** The wire reports its end while it is being cut, or in the next microtask as `ws` does. Default `soon`. */
  readonly reports?: 'soon' | 'at once';
  /** After how many milliseconds the wire is cut if the peer never answers. Default 5000. */
  readonly closeTimeoutMs?: number;
}

/** Which side ended a wire first, and with what. */
export interface FirstEnd {
  readonly by: 'our close' | 'our cut' | 'a broken rule' | 'the peer';
  readonly code: number;
  readonly reason: string;
}

export class FakeSocket implements Socket {
  readonly protocol: string;
  /** The messages that were sent, in order: text as a string, binary as bytes. */
  readonly sent: (string | Buffer)[] = [];
  readonly pingedAt: number[] = [];
  sentAt = 0;
  /** The close frame that this side sent. */
  closeFrame?: { code: number; reason: string };
  /** Bytes that the peer has not read yet; a test of a slow client sets it. */
  bufferedBytes = 0;

  get isFull(): boolean {
    return this.bufferedBytes >= 65_536;
  }

  isPaused = false;
  pauses = 0;
  resumes = 0;
  /** The messages that reached this side, in order. */
  readonly delivered: string[] = [];
  /** Which side ended it first, as the wire saw it. */
  firstEnd?: FirstEnd;
  /** True once the end was reported to the sink. */
  isGone = false;
  private isClosing = false;
  private sink?: Sink;
  /** Reports an end that happened before there was a sink. */
  private reportLater?: () => void;
  private unread: (() => void)[] = [];
  private timer?: NodeJS.Timeout;

  constructor(private readonly options: FakeSocketOptions = {}) {
    this.protocol = options.protocol ?? '';
  }

  attach(sink: Sink): this {
    this.sink = sink;
    this.reportLater?.();
    return this;
  }

  // --- our side: the contract of transport.ts ---

  send(frame: Frame): boolean {
    if (this.isClosing) return false;
    this.sent.push(frame.data);
    this.sentAt = performance.now();
    return true;
  }

  ping(): void {
    if (!this.isClosing) this.pingedAt.push(performance.now());
  }

  close(code: number, reason: string): void {
    if (this.isClosing) return;
    this.isClosing = true;
    this.firstEnd ??= { by: 'our close', code, reason };
    this.closeFrame = { code, reason };
    this.timer = setTimeout(() => this.end(1006, ''), this.options.closeTimeoutMs ?? 5000);
    if (this.options.answers !== 'by hand') void Promise.resolve().then(() => this.answer());
  }

  terminate(): void {
    this.isClosing = true;
    this.firstEnd ??= { by: 'our cut', code: 1006, reason: '' };
    if (this.options.reports === 'at once') this.end(1006, '');
    else void Promise.resolve().then(() => this.end(1006, ''));
  }

  pause(): void {
    this.isPaused = true;
    this.pauses++;
  }

  resume(): void {
    this.isPaused = false;
    this.resumes++;
    void Promise.resolve().then(() => this.read());
  }

  // --- the peer's side ---

  /** The peer sends a message; it waits in the network while this side does not read. */
  sends(data: string | Buffer): void {
    this.arrives(() => this.sendsUnread(data));
  }

  /** Delivers a message that was read from the network before this side stopped reading. */
  sendsUnread(data: string | Buffer): void {
    if (this.isGone) return;
    this.delivered.push(data.toString());
    this.sink!.alive();
    // Memory of its own, as the read of a socket has, and not a part of Node's pool
    const bytes = Buffer.from(Uint8Array.from(Buffer.from(data)).buffer);
    this.sink!.received(new Message(bytes, typeof data !== 'string'));
  }

  /** The peer sends a ping, a pong or a part of a message. */
  showsLife(): void {
    this.arrives(() => this.sink!.alive());
  }

  /** The peer sends a close frame; 1005 stands for one without a code. */
  closes(code = 1000, reason = ''): void {
    this.arrives(() => this.end(code, reason));
  }

  /** The peer answers our close frame. */
  answer(): void {
    if (this.closeFrame) this.arrives(() => this.end(this.closeFrame!.code, this.closeFrame!.reason));
  }

  /** The network breaks, without a close frame. */
  vanishes(): void {
    this.end(1006, '');
  }

  /** The transport finds that the peer broke a rule, and closes; the wire ends without the peer's close frame. */
  breaksRule(code: number, reason: string, initiator: CloseInitiator): void {
    if (this.isGone) return;
    this.isClosing = true;
    this.firstEnd ??= { by: 'a broken rule', code, reason };
    this.sink!.failed(code, reason, initiator);
    this.end(1006, '');
  }

  private arrives(event: () => void): void {
    if (this.isGone) return;
    if (this.isPaused) this.unread.push(event);
    else event();
  }

  private read(): void {
    while (!this.isPaused && !this.isGone && this.unread.length > 0) this.unread.shift()!();
  }

  private end(code: number, reason: string): void {
    if (!this.sink) this.reportLater = () => this.end(code, reason);
    if (this.isGone || !this.sink) return;
    this.isGone = this.isClosing = true;
    this.firstEnd ??= { by: 'the peer', code, reason };
    clearTimeout(this.timer);
    this.sink.closed(code, reason);
  }
}

/** The parts of a fake request. */
export interface FakeRequestParts {
  readonly url?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly remoteAddress?: string;
  readonly isEncrypted?: boolean;
  /** Properties that middleware put on it: user, session, cookies. */
  readonly extras?: object;
}

/** The part of an upgrade request that the core uses. */
export function fakeRequest(parts: FakeRequestParts = {}): IncomingMessage {
  const { url = '/ws', headers = {}, isEncrypted, extras } = parts;
  const remoteAddress = 'remoteAddress' in parts ? parts.remoteAddress : '192.0.2.7';
  const socket = isEncrypted ? { remoteAddress, encrypted: true } : { remoteAddress };
  return { method: 'GET', url, headers, socket, ...extras } as unknown as IncomingMessage;
}
