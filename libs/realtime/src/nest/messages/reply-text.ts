import { encodeEnvelope } from 'nestjs-realtime-protocol';
import type { RequestId } from './request.js';

/**
 * Encodes a reply. Without an id the value is sent as it is; with an id it is sent in an envelope with that id, unless it
 * is an envelope itself.
 *
 * @param value neither `undefined` nor `null`
 * @throws TypeError when the value cannot be encoded
 */
export function replyText(value: unknown, { event, id }: About): string {
  if (isPair(value)) return encodeEnvelope(value.event, value.data, id);
  return JSON.stringify(id === undefined ? value : { ...(isEnvelope(value) ? value : { event, data: value }), id });
}

/** The request that is answered. */
interface About {
  readonly event: string | number;
  readonly id: RequestId;
}

/** True for `{ event, data }` in this order and without other fields: the reply of most methods. */
function isPair(value: unknown): value is { event: string; data: unknown } {
  if (!isEnvelope(value) || 'toJSON' in value) return false;
  const keys = Object.keys(value);
  return keys.length === 2 && keys[0] === 'event' && keys[1] === 'data';
}

function isEnvelope(value: unknown): value is { event: string } {
  return typeof value === 'object' && typeof (value as { event?: unknown }).event === 'string';
}
