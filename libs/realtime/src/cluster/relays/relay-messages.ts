/** What nodes say to each other about the requests of SSE and polling clients; docs/cluster-wire.md has the bodies. */
import type { ForwardedRequest, Outcome, RelayedRequest } from '../../relay.js';

/** A request that is answered with a status, on its way to the owner. */
export interface Forward extends ForwardedRequest {
  /** As for orders and questions; the same when it is repeated. */
  readonly id: number;
}

/** The answer to it. */
export interface Done extends Outcome {
  readonly id: number;
}

/** The id of a relay: the node that serves it has no other with this id. */
export type RelayId = string;

/** Who serves asks the owner for a stream or a poll. */
export interface OpenRelay extends RelayedRequest {
  readonly type: 'open';
  readonly id: RelayId;
  /** How many bytes the owner may send before it gets more credit. */
  readonly credit: number;
  /** The era of the node that serves. */
  readonly era: number;
}

export type RelayControl =
  | OpenRelay
  /** The owner has taken it. `era` is that of the owner. */
  | { readonly type: 'opened'; readonly id: RelayId; readonly era: number }
  /** The response begins. */
  | { readonly type: 'head'; readonly id: RelayId; readonly headers: Readonly<Record<string, string>> }
  /** So many bytes more may be sent. */
  | { readonly type: 'credit'; readonly id: RelayId; readonly bytes: number }
  /** The response ends after `seq` frames of data; without an `opened` before it, this is all of the answer. */
  | ({ readonly type: 'end'; readonly id: RelayId; readonly seq: number } & Outcome)
  /** The owner does not have it, or does not have it any longer: the response is cut. */
  | { readonly type: 'gone'; readonly id: RelayId }
  /** The client has had all of it, or has left. */
  | { readonly type: 'left'; readonly id: RelayId }
  /** A client has a new connection on the node that says so. */
  | { readonly type: 'superseded'; readonly tokenDigest: string; readonly ownerDigests: readonly string[] };

/** A part of a response. */
export interface RelayData {
  readonly id: RelayId;
  /** Counts the parts of a response, from 1. */
  readonly seq: number;
  readonly bytes: Buffer;
}
