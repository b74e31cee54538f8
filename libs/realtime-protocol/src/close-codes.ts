/**
 * The close codes: those of RFC 6455 §7.4.1 that are used here, and the range for applications. The number alone says
 * whether a client should reconnect (reconnect.ts): 1001, 1005, 1006, 1011–1015 and 4000–4499 mean that it should, 1000,
 * 1002, 1003, 1007–1010 and 4500–4999 that it should stay away. A test holds `docs/errors.md` to this table.
 */

/** The close codes by name. 1005, 1006 and 1015 are never sent: RFC 6455 §7.4.1 reserves them for local reports. */
export const CloseCode = {
  NORMAL: 1000,
  GOING_AWAY: 1001,
  PROTOCOL_ERROR: 1002,
  UNSUPPORTED_DATA: 1003,
  NO_STATUS: 1005,
  ABNORMAL: 1006,
  INVALID_PAYLOAD: 1007,
  POLICY_VIOLATION: 1008,
  MESSAGE_TOO_BIG: 1009,
  EXTENSION_MISSING: 1010,
  INTERNAL_ERROR: 1011,
  SERVICE_RESTART: 1012,
  TRY_AGAIN_LATER: 1013,
  HEARTBEAT_TIMEOUT: 4000,
  SLOW_CONSUMER: 4001,
  RATE_LIMIT: 4002,
  DISCONNECTED: 4500,
  UNAUTHORIZED: 4501,
  EXPIRED: 4502,
  REPLACED: 4503,
} as const;

/** One row of the table: a code, its name and its meaning. */
export interface CloseCodeRow {
  readonly code: number;
  readonly name: keyof typeof CloseCode;
  readonly meaning: string;
}

const row = (name: keyof typeof CloseCode, meaning: string): CloseCodeRow => ({ code: CloseCode[name], name, meaning });

/** Every close code that a client of this module can receive, in numeric order. */
export const CLOSE_CODES: readonly CloseCodeRow[] = [
  row('NORMAL', 'closed on purpose, by the client or by `connection.close()`'),
  row('GOING_AWAY', 'the server shuts down, or the page was left'),
  row('PROTOCOL_ERROR', 'a frame broke RFC 6455, for example an unmasked one'),
  row('UNSUPPORTED_DATA', 'a kind of data that the other side does not accept'),
  row('NO_STATUS', 'closed without a code, by the client or a proxy; never sent'),
  row('ABNORMAL', 'the connection broke without a close frame; never sent'),
  row('INVALID_PAYLOAD', 'a text message was not valid UTF-8'),
  row('POLICY_VIOLATION', 'too many fragments or buffered chunks'),
  row('MESSAGE_TOO_BIG', 'a message was longer than REALTIME_MAX_MESSAGE_BYTES'),
  row('EXTENSION_MISSING', 'the client needed an extension that was not agreed on'),
  row('INTERNAL_ERROR', '`onOpen` failed'),
  row('SERVICE_RESTART', 'the service restarts'),
  row('TRY_AGAIN_LATER', 'the server is overloaded'),
  row('HEARTBEAT_TIMEOUT', 'nothing was heard from the client for REALTIME_HEARTBEAT_IDLE_TIME'),
  row('SLOW_CONSUMER', 'the client did not read fast enough: more than REALTIME_MAX_BUFFERED_BYTES waited for it'),
  row('RATE_LIMIT', 'the client sent more messages or control frames than allowed'),
  row('DISCONNECTED', 'disconnected by the application: the default of `disconnect()`'),
  row('UNAUTHORIZED', 'the user is no longer allowed to be connected'),
  row('EXPIRED', 'the credential of the handshake expired'),
  row('REPLACED', 'a newer connection of the same user took the place'),
];

/**
 * Returns whether a close frame may carry a code: RFC 6455 §7.4.2 allows 1000–1014 except 1004–1006, and 3000–4999.
 *
 * @param code the close code to send
 * @returns true when it may be sent
 */
export function isSendableCloseCode(code: number): boolean {
  if (!Number.isInteger(code)) return false;
  if (code >= 3000) return code <= 4999;
  return code >= 1000 && code <= 1014 && (code < 1004 || code > 1006);
}
