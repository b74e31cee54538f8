/**
 * Where the partitions of channels are on a Cluster: sharded pub/sub binds a channel to the slot of its hash tag. The
 * channels of a partition are in one slot, so that one SSUBSCRIBE can have many of them.
 */
import { PARTITIONS } from '../../cluster/channel-names.js';
import { crc16 } from '../../cluster/crc16.js';

const SLOTS = 16_384;

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
