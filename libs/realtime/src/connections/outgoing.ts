/** Road OUT, step 9: what `connection.send()` and `emit()` were given, as a frame. Neither of them ever throws. */
import type { Connection } from '../connection.js';
import { eventFrame, Frame, type Payload, type PushOptions } from '../frame.js';
import { checkSize } from '../limits/checks.js';
import type { Node } from '../node/node.js';

type Sending = Pick<Node, 'settings' | 'limits' | 'faultLog'>;

/** @returns undefined for what cannot be sent: the log says why */
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

/** @returns undefined for what cannot be encoded or sent: the log says why */
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
