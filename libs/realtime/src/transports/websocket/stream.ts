/** The network socket of a WebSocket, with one owner: functions that all of them share, instead of closures for each. */
import type { Duplex } from 'node:stream';
import { READ, readIntoCommon } from './read-buffer.js';
import { Unmasker } from './unmask.js';

/** Who hears of what happens on a network socket. */
export interface StreamOwner {
  /** A message has begun and not ended: what comes next is kept until it has. */
  readonly isUnfinished: boolean;
  /** ws has read a chunk. */
  heard(chunk: Buffer): void;
  /** What had to wait in the socket has gone. */
  drained(): void;
  /** Writes what waits for the end of the turn. */
  writeOut(): void;
}

const OWNER = Symbol('owner');
const UNMASKER = Symbol('unmasker');

/** A network socket that is a WebSocket's. */
export interface OwnedStream extends Duplex {
  [OWNER]: StreamOwner;
  [UNMASKER]: Unmasker;
}

/**
 * Makes somebody the owner. ws ends the socket as soon as the client has ended its half: what waits then goes before.
 */
export function own(stream: Duplex, owner: StreamOwner): void {
  const owned = stream as OwnedStream;
  owned[OWNER] = owner;
  owned.end = endInOrder;
  owned.on('data', heard);
  // What came with the handshake has not been followed
  owned[UNMASKER] = new Unmasker(owned.readableLength > 0);
  readIntoCommon(owned, take);
}

/** Has the owner told, once, when what had to wait has gone. */
export function tellWhenDrained(stream: Duplex): void {
  stream.once('drain', drained);
}

/**
 * A copy, in memory that it shares with others. What is kept for long has memory of its own: a client that sends a message
 * byte by byte would keep the neighbours' memory with each of them.
 */
function take(this: OwnedStream, length: number): boolean {
  const { isUnfinished } = this[OWNER];
  const unmasker = this[UNMASKER];
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

function endInOrder(this: OwnedStream, ...args: unknown[]): OwnedStream {
  this[OWNER].writeOut();
  const { end } = Object.getPrototypeOf(this) as Duplex;
  return Reflect.apply(end, this, args) as OwnedStream;
}
