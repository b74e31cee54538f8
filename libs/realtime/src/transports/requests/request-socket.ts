/**
 * The wire of a connection that lives between HTTP requests (Phoenix: a polling client is a process that lives between
 * requests). It keeps what was sent under rising positions, so that a lost answer is repeated and a dropped stream goes
 * on where it was; it ends when no request has come for the grace time, or when either side says so.
 */
import { randomBytes } from 'node:crypto';
import { CloseCode } from 'nestjs-realtime-protocol';
import type { Frame } from '../../frame.js';
import type { RealtimeSettings } from '../../settings/settings.js';
import type { Sink, Socket } from '../../transport.js';
import type { WatchedAnswer } from './watched-answer.js';

/** One message under its position. */
export interface Entry {
  readonly position: number;
  readonly frame: Frame;
}

/** How a socket ended; kept a while for a client that comes back. */
export interface RequestEnd {
  readonly code: number;
  readonly reason: string;
}

/** From here on the client has to take or acknowledge something first, in bytes that wait. */
const FULL_BYTES = 65_536;

/** What an entry costs beside its payload, in bytes: without it, empty messages would wait without a bound. */
const ENTRY_COST = 128;

export abstract class RequestSocket implements Socket {
  /** The credential of the connection: unguessable, apart from its public id. */
  readonly token = randomBytes(24).toString('base64url');
  readonly protocol = '';
  end?: RequestEnd;
  /** True once its end was told. */
  isGone = false;
  /** True while the hooks are behind: what the client sends is refused. */
  isPaused = false;
  protected readonly entries: Entry[] = [];
  protected entryBytes = 0;
  protected position = 0;
  private sink?: Sink;
  private grace?: NodeJS.Timeout;
  private whenGone: () => void = () => {};

  constructor(protected readonly settings: RealtimeSettings) {}

  abstract readonly bufferedBytes: number;

  /** The client has to take, or to acknowledge, something first: then it has drained. */
  get isFull(): boolean {
    return this.entryBytes >= FULL_BYTES;
  }

  /** What it costs to remember it after its end, for a client that was not told: the last answer may be lost. */
  abstract readonly keptBytes: number;

  /**
   * Takes a response. After the end it tells what the client has not had, and the end.
   *
   * @param id the connection's public id
   * @param position where the client is; undefined on a new connection
   * @returns false when it cannot go on from there
   */
  abstract open(answer: WatchedAnswer, id: string, position: number | undefined): boolean;

  /** Hands on what can be handed on now. */
  protected abstract flush(): void;

  /** Ends the response with all that waits and the end, if there is one. @returns true when there was */
  protected abstract sayGoodbye(end: RequestEnd): boolean;

  /** Cuts the response, if there is one. */
  protected abstract cut(): void;

  abstract ping(): void;

  attach(sink: Sink, whenGone: () => void): void {
    this.sink = sink;
    this.whenGone = whenGone;
  }

  /** A message from the client. */
  receive(data: Buffer, isBinary: boolean): void {
    this.sink?.alive();
    this.sink?.received(data, isBinary);
  }

  send(frame: Frame): boolean {
    if (this.end) return false;
    this.entries.push({ position: ++this.position, frame });
    this.entryBytes += costOf(frame);
    this.flush();
    return true;
  }

  close(code: number, reason: string): void {
    if (this.end) return;
    this.end = { code, reason };
    this.finishClose();
  }

  /** The client says that it goes. */
  leave(code: number, reason: string): void {
    this.end ??= { code, reason };
    this.sayGoodbye(this.end);
    this.finish(code, reason);
  }

  terminate(): void {
    this.end ??= { code: CloseCode.ABNORMAL, reason: '' };
    this.cut();
    this.finish(CloseCode.ABNORMAL, '');
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  /** The oldest entry has gone to the client. */
  protected take(): Entry {
    const entry = this.entries.shift()!;
    this.entryBytes -= costOf(entry.frame);
    return entry;
  }

  protected alive(): void {
    this.sink?.alive();
  }

  protected drained(): void {
    this.sink?.drained();
  }

  /** A request is there. */
  protected present(): void {
    clearTimeout(this.grace);
    this.alive();
  }

  /** No request is there: the client has a while to send the next. */
  protected absent(): void {
    clearTimeout(this.grace);
    if (this.isGone) return;
    const seconds = this.end ? this.settings.closeTimeout : this.settings.graceTime;
    this.grace = setTimeout(() => this.finish(CloseCode.ABNORMAL, ''), seconds * 1000);
  }

  /** After `close`: done once the client was told, else when it does not come for it. */
  protected finishClose(): void {
    const { end } = this;
    if (!end || this.isGone) return;
    if (this.sayGoodbye(end)) this.finish(end.code, end.reason);
    else this.absent();
  }

  private finish(code: number, reason: string): void {
    if (this.isGone) return;
    this.end ??= { code, reason };
    this.isGone = true;
    clearTimeout(this.grace);
    this.sink!.closed(code, reason);
    this.whenGone();
    // It may be remembered a while; the connection need not be
    this.sink = undefined;
    this.whenGone = () => {};
  }
}

/** What a frame that is kept counts against the bounds. */
export function costOf(frame: Frame): number {
  return frame.size + ENTRY_COST;
}
