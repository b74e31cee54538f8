/**
 * Road IN, step 1: unmasks long payloads with vector instructions, in the memory that sockets are read into. 16 KiB take
 * 0.4 µs that take 2.6 in JavaScript, and whatever the compiler makes of a loop in this process. WebAssembly is part of
 * every Node, unlike `bufferutil`; where it is missing (`--jitless`, a processor without such instructions, a bounded
 * address space), JavaScript does the work.
 */
import { UNMASK_WASM } from './unmask-wasm.js';

declare const WebAssembly: {
  readonly Module: new (bytes: Buffer) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
};

export interface VectorUnmask {
  /** 128 KiB, which never move. */
  readonly memory: { readonly buffer: ArrayBuffer };
  /**
   * Unmasks bytes of the memory where they are.
   *
   * @param key for the byte at `start`, with its first byte in the lowest bits
   * @returns 0 if all bytes are ASCII
   */
  unmask(start: number, end: number, key: number): number;
}

/** @returns undefined where there is no WebAssembly, or none with vector instructions */
export function vectorUnmask(): VectorUnmask | undefined {
  try {
    const module = new WebAssembly.Module(Buffer.from(UNMASK_WASM, 'base64'));
    return new WebAssembly.Instance(module).exports as VectorUnmask;
  } catch {
    return undefined;
  }
}
