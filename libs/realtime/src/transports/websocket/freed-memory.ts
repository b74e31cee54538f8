/**
 * Road IN, step 1: the memory of long messages. V8 frees a thousand of them at once, and glibc then returns all but 128
 * KiB of it to the system, to ask for it again page by page: that took half of the CPU time of an echo of 16 KiB. How
 * much it keeps follows the largest block that was ever freed (mallopt(3), M_MMAP_THRESHOLD), so one such block is freed.
 * It is never written to, so it takes no memory. Other systems do not need this, and it changes nothing there.
 */

/** glibc then keeps twice as much at the end of its heap: what 1,000 messages of 32 KiB need. */
const BLOCK_BYTES = 16 * 1024 * 1024;

/** Has the process keep freed memory for the next messages, up to 32 MiB. */
export function keepFreedMemory(): void {
  if (process.platform === 'linux') Buffer.allocUnsafeSlow(BLOCK_BYTES);
}
