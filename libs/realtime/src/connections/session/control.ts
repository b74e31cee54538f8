/** The messages by which both sides of a session keep its count. They are not counted themselves: see docs/recovery.md. */
import { ACK_EVENT, encodeEnvelope, OPEN_EVENT, type OpenData, PING_EVENT, PONG_EVENT } from 'nestjs-realtime-protocol';
import { ControlFrame } from '../../frame.js';
import type { Message } from '../../message.js';
import type { Session } from '../../handshake/sessions.js';
import type { RealtimeSettings } from '../../settings/settings.js';

/** Longer messages are those of the application, whatever they say. */
export const MAX_CONTROL_BYTES = 128;

/** What every control message contains. */
const MARK = Buffer.from('"rt:');

/** What a client says about the session itself. */
export type Control = { readonly kind: 'ack'; readonly n: number } | { readonly kind: 'ping' };

/** @returns undefined for a message of the application, which is counted */
export function controlOf(message: Message): Control | undefined {
  if (message.isBinary || message.size > MAX_CONTROL_BYTES || !message.holds(MARK)) return undefined;
  const { event, data: said } = read(message);
  if (event === PING_EVENT) return { kind: 'ping' };
  if (event !== ACK_EVENT) return undefined;
  const n = typeof said === 'object' && said !== null ? (said as { n?: unknown }).n : undefined;
  return { kind: 'ack', n: Number.isSafeInteger(n) ? (n as number) : 0 };
}

/**
 * Encodes the first message on a wire.
 *
 * @param seen how many counted messages of the client have arrived
 */
export function openFrame(
  { id, token: session }: Pick<Session, 'id' | 'token'>,
  resumed: boolean,
  seen: number,
  { heartbeatPingInterval, maxMessageBytes: maxBytes }: RealtimeSettings,
): ControlFrame {
  const data: OpenData = { id, session, resumed, seen, ping: heartbeatPingInterval * 1000, maxBytes };
  return new ControlFrame(encodeEnvelope(OPEN_EVENT, data));
}

export const ackFrame = (n: number): ControlFrame => new ControlFrame(encodeEnvelope(ACK_EVENT, { n }));
export const pongFrame = (): ControlFrame => new ControlFrame(encodeEnvelope(PONG_EVENT, undefined));

function read(message: Message): { readonly event?: unknown; readonly data?: unknown } {
  try {
    return Object(message.json()) as object;
  } catch {
    return {};
  }
}
