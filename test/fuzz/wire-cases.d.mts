import type fc from 'fast-check';
import type { WireFrame } from '../../libs/realtime/src/cluster/messages.js';
import type { Wire } from '../../libs/realtime/src/cluster/wire.js';
import type { Frame } from '../../libs/realtime/src/frame.js';

export type WireName = 'plain' | 'signed' | 'sharded';
export type Wires = Record<WireName, Wire>;

/** Frames as nodes send them, by kind; an `entry` is a push that may have a position. */
export function frames(
  frame: typeof Frame,
): Record<'push' | 'entry' | 'order' | 'ask' | 'answer' | 'announce' | 'leave' | 'probe', fc.Arbitrary<WireFrame>>;

/** What a frame says, as plain data. */
export function plain(value: unknown): unknown;

/** The bytes as an engine would deliver them. */
export function published(wire: Wire, frame: WireFrame): Buffer;

/** Hostile input for `attack()`. */
export function hostile(frame: typeof Frame): fc.Arbitrary<object>;

export function newWires(wire: typeof Wire): Wires;

/**
 * Throws when a case is not dropped and counted, or when what was read could not have been sent by a node.
 *
 * @returns whether it was read
 */
export function attack(wires: Wires, hostile: object): boolean;
