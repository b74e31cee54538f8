/**
 * The JSON form in which a program that is not a node pushes: `redis-cli`, PHP, Python. The channel on which it is
 * published is its address.
 */
import { encodeEnvelope, RESERVED_PREFIX } from 'nestjs-realtime-protocol';
import { z } from 'zod';
import { type Channel, channelOf, type Command } from '../command.js';
import { Frame } from '../frame.js';
import { parsed } from './bodies.js';
import { hasMembers } from './channel-names.js';
import { MAX_EXCEPT, nodeChannel } from './format.js';
import { connectionId } from './schemas.js';

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** An unknown field is refused: a misspelt `except` would otherwise reach those whom it should leave out. */
const FOREIGN = z
  .strictObject({
    event: z
      .string()
      .min(1)
      .refine((event) => !event.startsWith(RESERVED_PREFIX))
      .optional(),
    data: z.unknown().optional(),
    text: z.string().optional(),
    binary: z.string().optional(),
    to: connectionId.optional(),
    except: z.array(connectionId).max(MAX_EXCEPT).optional(),
  })
  .refine(({ event, text, binary }) => [event, text, binary].filter((each) => each !== undefined).length === 1)
  .refine(({ event, data }) => data === undefined || event !== undefined);

type Foreign = z.infer<typeof FOREIGN>;

/**
 * Reads what a foreign publisher has sent.
 *
 * @param channel on which it was published
 * @param maxNameLength of an event, in characters
 * @returns the push; undefined when it is not one
 */
export function readForeign(channel: Channel, bytes: Buffer, maxNameLength: number): Command | undefined {
  const { data: foreign } = FOREIGN.safeParse(parsed(bytes));
  if (!foreign || (foreign.event ?? '').length > maxNameLength) return undefined;
  const target = targetOf(channel, foreign.to);
  const frame = frameOf(foreign);
  if (target === undefined || !frame) return undefined;
  return { channel: target, except: (foreign.except ?? []).map(channelOf.connection), action: { kind: 'push', frame } };
}

/** One connection is addressed on the channel of its node, everything else on its own. */
function targetOf(channel: Channel, to: string | undefined): Channel | undefined {
  if (to === undefined) return hasMembers(channel) ? channel : undefined;
  return channel === nodeChannel(to.slice(0, to.indexOf('.'))) ? channelOf.connection(to) : undefined;
}

function frameOf({ event, data, text, binary }: Foreign): Frame | undefined {
  if (event !== undefined) return envelopeOf(event, data);
  if (text !== undefined) return new Frame(text);
  return BASE64.test(binary!) ? new Frame(Buffer.from(binary!, 'base64')) : undefined;
}

/** JSON can be read to any depth, but it can be written only as deep as the stack is. */
function envelopeOf(event: string, data: unknown): Frame | undefined {
  try {
    return new Frame(encodeEnvelope(event, data), undefined, true);
  } catch {
    return undefined;
  }
}
