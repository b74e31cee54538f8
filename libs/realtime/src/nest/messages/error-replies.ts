import { encodeEnvelope, EXCEPTION_EVENT } from 'nestjs-realtime-protocol';
import type { Connection } from '../../connection.js';
import { exceptionData } from '../../errors.js';
import { field } from '../../log.js';
import type { Node } from '../../node/node.js';
import { type Cause, exceptionFrame, isClientFault } from './exception-frame.js';
import type { RequestId } from './request.js';

/** Longest message, in bytes, that an error frame repeats to its sender. */
const MAX_CAUSE_BYTES = 4096;

/** Where an error came from: a hook, or the method of an event. */
export interface ErrorSource {
  readonly hook?: string;
  readonly cause?: Cause;
  readonly id?: RequestId;
  /** The length of the message. */
  readonly bytes?: number;
  /** Where the answer to the request is kept. */
  readonly kept?: { add(text: string): void };
}

/**
 * Turns an error that no filter took into a reply, a count and a log line: the client learns what it may, and an error
 * that is the server's own is logged.
 */
export class ErrorReplies {
  constructor(private readonly node: Pick<Node, 'counters' | 'faultLog'>) {}

  /** Never throws. */
  send(connection: Connection, error: unknown, source: ErrorSource): void {
    try {
      this.note(connection, error, source);
      write(connection, encodeEnvelope(EXCEPTION_EVENT, exceptionFrame(error, causeOf(source)), source.id), source);
    } catch (failure) {
      // The error cannot be read or encoded
      this.report(connection, failure, source);
      write(connection, encodeEnvelope(EXCEPTION_EVENT, exceptionData(failure), source.id), source);
    }
  }

  /** Counts an error, and logs one that is the server's own, for a request that has its answer already. */
  note(connection: Connection, error: unknown, source: ErrorSource): void {
    if (isClientFault(error)) this.node.counters.messageErrors++;
    else this.report(connection, error, source);
  }

  private report(connection: Connection, error: unknown, { hook, cause }: ErrorSource): void {
    this.node.counters.hookErrors++;
    const what = hook ?? `message method event=${field(String(cause?.pattern))}`;
    this.node.faultLog.report(connection, what, error);
  }
}

function write(connection: Connection, text: string, { kept }: ErrorSource): void {
  kept?.add(text);
  connection.send(text);
}

function causeOf({ cause, bytes = 0 }: ErrorSource): Cause | undefined {
  return cause && bytes > MAX_CAUSE_BYTES ? { pattern: cause.pattern } : cause;
}
