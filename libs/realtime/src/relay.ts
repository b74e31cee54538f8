/**
 * Requests of SSE and polling clients that arrive at another node than that of their connection. The node that a request
 * has reached serves it; the node of the connection, its owner, decides. Road IN, step 1, and road OUT, step 10.
 */
import type { Writable } from 'node:stream';
import type { ClientMessage } from './transport.js';

/** Which connection a request is for, and whose request it is. The broker sees neither the token nor a credential. */
export interface Claim {
  /** SHA-256 of the token, in base64url. */
  readonly tokenDigest: string;
  /** Digests of everything that may identify the owner of the token, keyed with the token; at most `MAX_DIGESTS`. */
  readonly ownerDigests: readonly string[];
}

/** The most digests of one claim. */
export const MAX_DIGESTS = 32;

/** A request that is answered with a status: the messages of a client (`POST`), or the end of a connection (`DELETE`). */
export interface ForwardedRequest extends Claim {
  /** The path of the request, as the client sent it. */
  readonly path: string;
  readonly method: 'POST' | 'DELETE';
  /** The id that the client gave to its request, if it did. */
  readonly messageId?: string;
  /** The number of the first message, from a client library. */
  readonly count?: number;
  readonly messages: readonly ClientMessage[];
}

/** A request that is answered with a response of its own: a stream, or a poll. */
export interface RelayedRequest extends Claim {
  readonly path: string;
  readonly transport: string;
  /** The position that the client has reached. */
  readonly position: number;
  /** What the key of this response is made of, together with the token. */
  readonly salt: string;
}

/** What became of a request: its HTTP status. */
export interface Outcome {
  readonly status: number;
  /** Why, where it was refused. */
  readonly message?: string;
  /** After how many seconds the client may try again. */
  readonly retryAfter?: number;
}

/** The client's response, at the node that serves it. Its methods MUST NOT throw. */
export interface ServedResponse {
  /** Begins the response. */
  begin(headers: Readonly<Record<string, string>>): void;
  /** @param taken called when the network has taken the bytes */
  write(bytes: Buffer, taken: () => void): void;
  end(): void;
  /** Cuts the client's connection: it has not had everything, and comes back. */
  cut(): void;
  /** Calls the listener once, when the response has ended or the client has gone; at once if that has happened. */
  onClose(listener: () => void): void;
}

/** The response as the owner writes it; it behaves as one of its own clients'. */
export interface OwnerAnswer {
  readonly isClosed: boolean;
  header(name: string, value: string): void;
  /** Ends the response. */
  send(status: number, body?: string): void;
  /** Starts a 200 response. @returns the stream that its body is written to */
  stream(): Writable;
  onClose(listener: () => void): void;
  cut(): void;
}

/** Answers the requests that other nodes have received for connections of this one. Its methods MUST NOT throw. */
export interface RelayOwner {
  take(request: ForwardedRequest): Outcome;
  /**
   * Answers with a stream or a poll.
   *
   * @returns the outcome when the answer is left alone; undefined when it is, or will be, written
   */
  open(request: RelayedRequest, answer: SealedAnswer): Outcome | undefined;
  /** The client has a new connection on another node: the old one ends. */
  superseded(claim: Claim): void;
}

/** An answer whose bytes are not for the broker. */
export interface SealedAnswer extends OwnerAnswer {
  /** Encrypts what is sent, in its order. MUST be called before anything is written. */
  sealWith(seal: (bytes: Buffer) => Buffer): void;
}

/** The way to the owners, for requests that have reached another node. */
export interface Relays {
  /** From now on requests of other nodes are answered. Called once, before the broker starts. */
  serve(owner: RelayOwner): void;
  /**
   * @returns `there`: the owner can be asked; `away`: it may exist, but the broker has been away for a short while;
   *   `gone`: it does not exist or is lost, or nobody knows because the broker has been away for long
   */
  reach(owner: string): Promise<Reach>;
  /** @returns what the owner has answered; undefined when it has not, and may have taken the messages or not */
  forward(owner: string, request: ForwardedRequest): Promise<Outcome | undefined>;
  /**
   * Serves a stream or a poll.
   *
   * @returns `served` when the response is, or was, written; an outcome when it is left alone; undefined when the owner
   *   has not answered in time
   */
  open(owner: string, request: RelayedRequest, response: ServedResponse): Promise<Outcome | 'served' | undefined>;
  /** Ends a connection whose client has a new one here. It is not waited for. */
  supersede(owner: string, claim: Claim): void;
}

export type Reach = 'there' | 'away' | 'gone';
