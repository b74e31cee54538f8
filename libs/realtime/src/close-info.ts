/** Who ended a connection. `client` includes a client that vanished; `limit` means that a limit was exceeded. */
export type CloseInitiator = 'client' | 'server' | 'heartbeat' | 'limit' | 'shutdown' | 'error';

/**
 * How a connection ended. If this side ended it, `code` and `reason` are the ones that this side chose, even if the
 * client never answered.
 */
export class CloseInfo {
  constructor(
    /** The close code; 1005 for a close frame without one, 1006 for a connection that broke (RFC 6455 §7.4.1). */
    readonly code: number,
    /** The reason that was sent with the code, at most 123 bytes; it may be text that the client chose. */
    readonly reason: string,
    /** True when both sides finished the closing handshake (RFC 6455 §7.1.4). */
    readonly wasClean: boolean,
    /** Who ended it. */
    readonly initiator: CloseInitiator,
  ) {}
}
