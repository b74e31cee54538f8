/**
 * Road IN, step 1: the bodies of one connection's `POST`s that are being read. They are bounded in number and bytes, and
 * reading ends with the connection.
 */
import type { HandshakeError } from '../../errors.js';
import { rejection } from '../../http/refusals.js';
import type { Limits } from '../../limits/limits.js';
import type { RealtimeSettings } from '../../settings/settings.js';

/** The part of the node that the bounds need. */
export interface PostBounds {
  readonly settings: Pick<RealtimeSettings, 'maxPosts' | 'maxPostBytes'>;
  readonly limits: Pick<Limits, 'reached' | 'isReportOnly'>;
}

/** One body that is being read. */
export interface Post {
  /** The bytes that were read of it. */
  bytes: number;
  /** Stops reading, and answers the request. */
  refuse(why: HandshakeError): void;
}

export class Posts {
  private readonly reading = new Set<Post>();
  private bytes = 0;

  constructor(private readonly node: PostBounds) {}

  /** @throws HandshakeError 429 when as many as may be are being read already */
  begin(post: Post): void {
    const { settings, limits } = this.node;
    const isOver = this.reading.size >= settings.maxPosts;
    if (isOver && limits.reached('posts', `reading=${this.reading.size}`)) {
      throw later(`At most ${settings.maxPosts} requests of a connection may be under way`);
    }
    this.reading.add(post);
  }

  /** Counts bytes that were read. @returns the refusal, 429, when they are too many; one request alone never has too many */
  count(post: Post, bytes: number): HandshakeError | undefined {
    const { settings, limits } = this.node;
    const before = this.bytes;
    post.bytes += bytes;
    this.bytes += bytes;
    const isOver = this.bytes > settings.maxPostBytes && this.bytes > post.bytes;
    // Once, not with every chunk of a body that is only reported
    if (!isOver || (before > settings.maxPostBytes && limits.isReportOnly)) return undefined;
    if (!limits.reached('postBytes', `reading=${this.reading.size} bytes=${this.bytes}`)) return undefined;
    return later(`The requests of a connection that are under way may have at most ${settings.maxPostBytes} bytes`);
  }

  /** A body has been read, or refused. */
  finish(post: Post): void {
    if (this.reading.delete(post)) this.bytes -= post.bytes;
  }

  /** Refuses all bodies that are being read. */
  refuseAll(why: HandshakeError): void {
    for (const post of this.reading) post.refuse(why);
  }
}

function later(message: string): HandshakeError {
  return rejection(429, `${message}; send this one again later`, { 'Retry-After': '1' });
}
