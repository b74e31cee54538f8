/** The network socket of a WebSocket, with one owner: functions that all of them share, instead of closures for each. */
import type { Duplex } from 'node:stream';

/** Who hears of what happens on a network socket. */
export interface StreamOwner {
  /** ws has read a chunk. */
  heard(chunk: Buffer): void;
  /** What had to wait in the socket has gone. */
  drained(): void;
  /** Writes what waits for the end of the turn. */
  writeOut(): void;
}

const OWNER = Symbol('owner');

/** A network socket that is a WebSocket's. */
export interface OwnedStream extends Duplex {
  [OWNER]: StreamOwner;
}

/**
 * Makes somebody the owner. ws ends the socket as soon as the client has ended its half: what waits then goes before.
 */
export function own(stream: Duplex, owner: StreamOwner): void {
  const owned = stream as OwnedStream;
  owned[OWNER] = owner;
  owned.end = endInOrder;
  owned.on('data', heard);
}

/** Has the owner told, once, when what had to wait has gone. */
export function tellWhenDrained(stream: Duplex): void {
  stream.once('drain', drained);
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
