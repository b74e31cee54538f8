/** Who ended a connection. `client` also stands for a client that vanished; `limit` for a bound that was exceeded. */
export type CloseInitiator = 'client' | 'server' | 'heartbeat' | 'limit' | 'shutdown' | 'error';

/** How a connection ended. When this side decided, `code` is what it decided, also where the client never answered. */
export class CloseInfo {
  constructor(
    /** The close code; 1006 when the connection broke without one (RFC 6455 §7.4.1). */
    readonly code: number,
    /** The reason that came with the code, at most 123 bytes; it may be the client's own text. */
    readonly reason: string,
    /** True when both sides finished the closing handshake (RFC 6455 §7.1.4). */
    readonly wasClean: boolean,
    /** Who ended it. */
    readonly initiator: CloseInitiator,
  ) {}
}
