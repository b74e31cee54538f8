/** Turns the errors that ws reports about a peer into a close code, with a reason that names the rule or the limit. */
import type { CloseInitiator } from '../../close-info.js';
import type { LimitName } from '../../limits/limits.js';
import type { RealtimeSettings } from '../../settings/settings.js';

/** The rule that a peer broke. */
export interface BrokenRule {
  readonly code: number;
  readonly initiator: CloseInitiator;
  /** The limit, if the rule is a limit. */
  readonly limit?: LimitName;
}

const LIMITS: ReadonlyMap<string, readonly [code: number, limit: LimitName]> = new Map([
  ['WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', [1009, 'messageBytes']],
  ['WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH', [1009, 'messageBytes']],
  ['WS_ERR_TOO_MANY_BUFFERED_PARTS', [1008, 'fragments']],
]);

/** @returns undefined when the error is one of the network, which closes with 1006 */
export function brokenRule(error: Error): BrokenRule | undefined {
  const { code } = error as NodeJS.ErrnoException;
  if (code?.startsWith('Z_')) return { code: 1007, initiator: 'error' };
  if (!code?.startsWith('WS_ERR_')) return undefined;
  const limit = LIMITS.get(code);
  if (limit) return { code: limit[0], initiator: 'limit', limit: /chunks/.test(error.message) ? 'chunks' : limit[1] };
  return { code: code === 'WS_ERR_INVALID_UTF8' ? 1007 : 1002, initiator: 'error' };
}

/** The reason in the close frame, for people who read it in a log a year later. */
export function reasonOf(code: number, settings: RealtimeSettings): string {
  if (code === 1009) return `message too big: more than ${settings.maxMessageBytes} bytes`;
  if (code === 1008) return `more than ${settings.maxFragments} fragments or ${settings.maxBufferedChunks} chunks`;
  return code === 1007 ? 'data that is not UTF-8, or cannot be inflated' : 'protocol error';
}
