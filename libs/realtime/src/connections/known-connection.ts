/** What is known of a connection: the facts of its handshake, its counters, and how the server reports both. */
import { Connection, type ConnectionInfo } from '../connection.js';
import type { Admission } from '../handshake/admission.js';
import type { HandshakeRequest } from '../handshake-request.js';
import type { Counters } from '../stats.js';
import type { Socket } from '../transport.js';

/** The counters of a connection since it was opened. */
export interface Traffic {
  readonly messagesIn: number;
  readonly messagesOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

export abstract class KnownConnection extends Connection implements Traffic {
  readonly id: string;
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
  url: string;
  address: string;
  readonly protocol: string;
  readonly openedAt = Date.now();
  data: unknown;
  /** When the last sign of life was received, in milliseconds of `performance.now()`. */
  lastSeenAt = performance.now();
  messagesIn = 0;
  messagesOut = 0;
  bytesIn = 0;
  bytesOut = 0;
  beatSlot = -1;
  beatPingAt = 0;
  /** True for a client library: it may send a message again. */
  readonly isSession: boolean;
  /** True while a client library has no wire. */
  isDetached = false;
  private remotePort: number | undefined;

  constructor(
    public transport: string,
    { id, gateway, request, identity, ticket }: Admission,
    readonly socket: Socket,
  ) {
    super();
    this.id = id;
    this.isSession = ticket !== undefined;
    this.path = gateway.path;
    this.params = request.params;
    this.url = request.url;
    this.address = request.address;
    this.protocol = socket.protocol;
    this.data = identity.data ?? {};
    this.remotePort = request.incoming.socket?.remotePort;
  }

  protected countIn(bytes: number, counters: Counters): void {
    this.messagesIn++;
    this.bytesIn += bytes;
    counters.messagesIn++;
    counters.bytesIn += bytes;
  }

  /** It has another wire: what is true of a wire is that one's from now on. */
  protected moved(transport: string, { url, address, incoming }: HandshakeRequest): void {
    this.isDetached = false;
    this.transport = transport;
    this.url = url;
    this.address = address;
    this.remotePort = incoming.socket?.remotePort;
  }

  protected abstract readonly membership: { present(room: string, state: unknown): void };

  present(room: string, state?: unknown): void {
    this.membership.present(room, state);
  }

  /** @returns a copy of its public facts */
  info(): ConnectionInfo {
    const { id, transport, path, address, remotePort, protocol, userId, openedAt, bufferedBytes } = this;
    const { messagesIn, messagesOut, bytesIn, bytesOut } = this;
    const now = performance.now();
    const { sentAt } = this.socket;
    return {
      ...{ id, transport, path, address, remotePort, protocol, userId, rooms: [...this.rooms] },
      ...{ state: this.isOpen ? 'open' : 'closing', openedAt, bufferedBytes },
      silentForMs: Math.max(0, Math.round(now - this.lastSeenAt)),
      lastSentAt: sentAt > 0 ? Math.round(Date.now() - (now - sentAt)) : undefined,
      ...{ messagesIn, messagesOut, bytesIn, bytesOut },
    };
  }
}
