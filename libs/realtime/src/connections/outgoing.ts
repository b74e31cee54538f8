/** Road OUT, step 9: frames of `connection.send()` and `emit()`, which never throw: what cannot be sent is logged. */
import type { Connection } from '../connection.js';
import { eventFrame, Frame, type Payload, type PushOptions } from '../frame.js';
import { checkSize } from '../limits/checks.js';
import type { Node } from '../node/node.js';

type Sending = Pick<Node, 'settings' | 'limits' | 'faultLog'>;

/** @returns the frame of a payload; undefined when it cannot be sent, and the log says why */
export function payloadFrame(
  connection: Connection,
  node: Sending,
  data: Payload,
  options: PushOptions | undefined,
): Frame | undefined {
  try {
    return checked(Frame.of(data, options?.slow), node);
  } catch (error) {
    node.faultLog.report(connection, 'send', error);
    return undefined;
  }
}

/** @returns the frame of an envelope; undefined when it cannot be encoded or sent, and the log says why */
export function envelopeFrame(
  connection: Connection,
  node: Sending,
  event: string,
  data: unknown,
  options: PushOptions | undefined,
): Frame | undefined {
  try {
    return checked(eventFrame(event, data, options?.slow, node), node);
  } catch (error) {
    node.faultLog.report(connection, 'emit', error);
    return undefined;
  }
}

function checked(frame: Frame, node: Sending): Frame {
  checkSize(frame, node);
  return frame;
}
