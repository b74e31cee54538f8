/**
 * The contract between the core and a wire. A transport obtains sockets: it asks the Gate whether a request is
 * admitted (road IN, step 2), makes its Socket, opens it (step 3) and then reports to the Sink what happens on it
 * (step 4).
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { CloseInitiator } from './close-info.js';
import type { Frame } from './frame.js';
import type { Message } from './message.js';

/** Where a client stands in a room with history once it has a message. */
export interface Place {
  /** The key of the room. */
  readonly key: string;
  /** `<n>.<tag>`; undefined when nobody knows where the client stands. */
  readonly position: string | undefined;
  /** True when the client has left the room. */
  readonly hasLeft?: true;
}

/** The wire under a connection. Its methods MUST NOT throw. */
export interface Socket {
  /** Bytes that wait in this process until the peer reads them, in all buffers of the transport. */
  readonly bufferedBytes: number;
  /** Nothing more should be sent for now. Once it was true, `Sink.drained` MUST follow. */
  readonly isFull: boolean;
  /** The agreed subprotocol, or an empty string. */
  readonly protocol: string;
  /** When bytes of messages were last written to the network, in milliseconds of `performance.now()`; 0 for never. */
  readonly sentAt: number;
  /**
   * Sends one message. MUST return false once a close frame was sent or received, and then send nothing.
   *
   * @param place for a transport that tells its client with each message where it stands
   */
  send(frame: Frame, place?: Place): boolean;
  ping(): void;
  /** Starts the closing handshake. MUST call `Sink.closed` in the end, even if the peer never answers. */
  close(code: number, reason: string): void;
  /** Cuts the wire at once, without a closing handshake. MUST call `Sink.closed`. */
  terminate(): void;
  /** Stops reading from the peer. */
  pause(): void;
  /** Reads from the peer again. */
  resume(): void;
  /** When the peer was last heard of, if that was before the wire was found to be gone; in milliseconds of `performance.now()`. */
  readonly absentSince?: number;
  /**
   * A session goes on over this wire, which was opened before anybody knew whose it is.
   *
   * @param token the secret of the session
   * @param seen the number of the last message that the client has
   */
  carry?(token: string, seen: number): void;
  /** Gives up the wire, but not the connection: it waits for another one. Absent where a connection is one wire. */
  lose?(): void;
}

/** One message of a client. */
export interface ClientMessage {
  readonly data: Buffer;
  readonly isBinary: boolean;
}

/** What a transport whose clients send by requests reports about a session, which counts in both directions. */
export interface Counted {
  /**
   * Messages of one request arrived.
   *
   * @param first the number of the first one, as the client counts; messages that are known already are ignored
   * @returns false, and takes none, when messages between are missing
   */
  take(first: number, messages: readonly ClientMessage[]): boolean;
  /** The client has the messages up to this number. */
  acknowledged(n: number): void;
}

/** What a transport reports about its socket. */
export interface Sink {
  /** The wire is whole: it takes what hooks send and do. MUST be called once, before all others but `closed`. */
  opened(): void;
  /** A message arrived. MUST follow a call of `alive` for the bytes that were read, which may be several messages. */
  received(message: Message): void;
  /** The peer gave a sign of life: a ping, a pong, a message or a part of one. */
  alive(): void;
  /** What waited in the socket has gone; more may be sent. MUST be called after `isFull` was true. */
  drained(): void;
  /** The peer broke a rule or a limit, and the transport closes with this code. MUST be called before `closed`. */
  failed(code: number, reason: string, initiator: CloseInitiator): void;
  /** The wire is gone. MUST be called exactly once, and never inside a call of a method of the socket. `code` is 1006 if the peer sent no close frame. */
  closed(code: number, reason: string): void;
  /** Present where the client counts: its messages MUST then be reported here if they come by requests. */
  readonly counted?: Counted;
}

/** A way to obtain sockets. */
export interface Transport {
  readonly name: string;
  /** Takes an upgrade on the path of a gateway. Never throws. */
  upgrade?(request: IncomingMessage, stream: Duplex, head: Buffer): void;
}
