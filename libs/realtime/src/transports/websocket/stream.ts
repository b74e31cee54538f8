/**
 * Road IN, step 1: the network socket of a WebSocket, with one owner instead of listeners. All sockets share the
 * functions of this file, so that a connection costs no closures.
 */
import type { Duplex } from 'node:stream';
import { READ, readIntoCommon } from './read-buffer.js';
import { Unmasker } from './unmask.js';

/** The object that is called for everything that happens on a network socket. */
export interface StreamOwner {
  /** True while a message has begun and not ended: the bytes that follow are kept until it has. */
  readonly isUnfinished: boolean;
  /** Called after ws has read a chunk. */
  heard(chunk: Buffer): void;
  /** Called when the bytes that had to wait in the socket are gone. */
  drained(): void;
  /** Writes the frames that wait for the end of the turn. */
  writeOut(): void;
}

const OWNER = Symbol('owner');
const UNMASKER = Symbol('unmasker');

/** The network socket of a WebSocket. */
export interface OwnedStream extends Duplex {
  [OWNER]: StreamOwner;
  /** Absent where the socket is not read into the common buffer: ws then undoes the masks itself. */
  [UNMASKER]?: Unmasker;
}

/**
 * Sets the owner. ws ends the socket as soon as the client has ended its half; frames that wait are written before
 * that.
 */
export function own(stream: Duplex, owner: StreamOwner): void {
  const owned = stream as OwnedStream;
  owned[OWNER] = owner;
  owned.end = endInOrder;
  owned.on('data', heard);
  // The unmasker has not seen the bytes that arrived with the handshake
  if (readIntoCommon(owned, take)) owned[UNMASKER] = new Unmasker(owned.readableLength > 0);
}

/** Calls the owner's `drained` once, when the bytes that had to wait are gone. */
export function reportDrain(stream: Duplex): void {
  stream.once('drain', drained);
}

/**
 * Copies a read into pooled memory. A chunk that is kept for long gets memory of its own: a client that sends a message
 * byte by byte would otherwise hold a whole pool with each of them.
 */
function take(this: OwnedStream, length: number): boolean {
  const { isUnfinished } = this[OWNER];
  const unmasker = this[UNMASKER]!;
  if (unmasker.isLost && !isUnfinished && this.readableLength === 0) unmasker.found();
  unmasker.undo(length);
  const chunk = isUnfinished ? Buffer.allocUnsafeSlow(length) : Buffer.allocUnsafe(length);
  READ.copy(chunk, 0, 0, length);
  return this.push(chunk);
}

function heard(this: OwnedStream, chunk: Buffer): void {
  this[OWNER].heard(chunk);
}

function drained(this: OwnedStream): void {
  this[OWNER].drained();
}

/** ws also ends a socket that it has ended already, for which Node would make an error that nobody sees. */
function endInOrder(this: OwnedStream, ...args: unknown[]): OwnedStream {
  if (this.writableEnded) return this;
  this[OWNER].writeOut();
  const { end } = Object.getPrototypeOf(this) as Duplex;
  return Reflect.apply(end, this, args) as OwnedStream;
}
