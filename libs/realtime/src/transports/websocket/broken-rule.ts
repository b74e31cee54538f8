/** The rules and limits that a peer can break: the close code of each, with a reason that names the rule or the limit. */
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

export const PROTOCOL_ERROR: BrokenRule = { code: 1002, initiator: 'error' };
export const INVALID_DATA: BrokenRule = { code: 1007, initiator: 'error' };
export const TOO_BIG: BrokenRule = { code: 1009, initiator: 'limit', limit: 'messageBytes' };
export const TOO_MANY_FRAGMENTS: BrokenRule = { code: 1008, initiator: 'limit', limit: 'fragments' };
export const TOO_MANY_CHUNKS: BrokenRule = { code: 1008, initiator: 'limit', limit: 'chunks' };

/**
 * Returns the rule behind an error of ws.
 *
 * @returns undefined when the error is one of the network, which closes with 1006
 */
export function brokenRule(error: Error): BrokenRule | undefined {
  const { code } = error as NodeJS.ErrnoException;
  if (code?.startsWith('Z_') || code === 'WS_ERR_INVALID_UTF8') return INVALID_DATA;
  if (!code?.startsWith('WS_ERR_')) return undefined;
  if (code === 'WS_ERR_TOO_MANY_BUFFERED_PARTS')
    return error.message.includes('chunks') ? TOO_MANY_CHUNKS : TOO_MANY_FRAGMENTS;
  return TOO_LONG.has(code) ? TOO_BIG : PROTOCOL_ERROR;
}

const TOO_LONG: ReadonlySet<string> = new Set([
  'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH',
  'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH',
]);

/** The reason in the close frame, for people who read it in a log a year later. */
export function reasonOf(code: number, settings: RealtimeSettings): string {
  if (code === 1009) return `message too big: more than ${settings.maxMessageBytes} bytes`;
  if (code === 1008) return `more than ${settings.maxFragments} fragments or ${settings.maxBufferedChunks} chunks`;
  return code === 1007 ? 'data that is not UTF-8, or cannot be inflated' : 'protocol error';
}
