import { encodeEnvelope, EXCEPTION_EVENT } from 'nestjs-realtime-protocol';
import type { Connection } from '../../connection.js';
import { exceptionData } from '../../errors.js';
import { field } from '../../log.js';
import type { Node } from '../../node/node.js';
import { type Cause, exceptionFrame, isClientFault } from './exception-frame.js';

/** The id of a request, if the client gave one: replies and errors carry it. */
export type RequestId = string | number | undefined;

/** Longest message, in bytes, that an error frame repeats to its sender. */
const MAX_CAUSE_BYTES = 4096;

/** Where it failed: a hook, or the method of an event. */
export interface Place {
  readonly hook?: string;
  readonly cause?: Cause;
  readonly id?: RequestId;
  /** The length of the message. */
  readonly bytes?: number;
}

/** What becomes of an error that no filter took: the client learns what it may, and the log of the server's own faults. */
export class MessageFaults {
  constructor(private readonly node: Pick<Node, 'counters' | 'faultLog'>) {}

  /** Never throws. */
  tell(connection: Connection, error: unknown, place: Place): void {
    const { counters } = this.node;
    try {
      if (isClientFault(error)) counters.messageErrors++;
      else this.report(connection, error, place);
      connection.send(encodeEnvelope(EXCEPTION_EVENT, exceptionFrame(error, causeOf(place)), place.id));
    } catch (failure) {
      // What the error says of itself cannot be read or encoded
      this.report(connection, failure, place);
      connection.send(encodeEnvelope(EXCEPTION_EVENT, exceptionData(failure), place.id));
    }
  }

  private report(connection: Connection, error: unknown, { hook, cause }: Place): void {
    this.node.counters.hookErrors++;
    const what = hook ?? `message method event=${field(String(cause?.pattern))}`;
    this.node.faultLog.report(connection, what, error);
  }
}

function causeOf({ cause, bytes = 0 }: Place): Cause | undefined {
  return cause && bytes > MAX_CAUSE_BYTES ? { pattern: cause.pattern } : cause;
}
