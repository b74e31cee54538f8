/**
 * Where a channel is on a Cluster: sharded pub/sub binds a channel to a slot. 128 partitions keep the channels of one
 * SSUBSCRIBE in one slot, and their number small.
 */

export const PARTITIONS = 128;
const SLOTS = 16_384;

const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let value = byte << 8;
  for (let bit = 0; bit < 8; bit++) value = value & 0x8000 ? (value << 1) ^ 0x1021 : value << 1;
  return value;
});

/** CRC-16/XMODEM of the UTF-8 bytes, as Redis computes it. */
export function crc16(text: string): number {
  let crc = 0;
  for (const byte of Buffer.from(text)) crc = ((crc << 8) ^ TABLE[(crc >> 8) ^ byte]!) & 0xffff;
  return crc;
}

export function partitionOf(channel: string): number {
  return crc16(channel) % PARTITIONS;
}

/** The slot of each partition: that of its number, which stands in braces in the name. */
export const SLOT_OF: readonly number[] = Array.from({ length: PARTITIONS }, (_, p) => crc16(String(p)) % SLOTS);

/** A row of `CLUSTER SLOTS`: first slot, last slot, master, replicas. */
type Row = readonly [first: number, last: number, master: readonly [host: string | null, port: number]];

/**
 * @param rows what `CLUSTER SLOTS` answered
 * @param asked the host that answered: a server that does not know its own address leaves it out
 * @returns host and port of the master of each partition
 * @throws Error when a slot has no master
 */
export function mastersOf(rows: unknown, asked: string): { host: string; port: number }[] {
  const known = Array.isArray(rows) ? (rows as Row[]) : [];
  return SLOT_OF.map((slot) => {
    const row = known.find(([first, last]) => first <= slot && slot <= last);
    if (!row) throw new Error(`The Cluster has no server for slot ${slot}`);
    const [host, port] = row[2];
    return { host: host || asked, port: Number(port) };
  });
}
