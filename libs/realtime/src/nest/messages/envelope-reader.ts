import { isRequestId } from 'nestjs-realtime-protocol';
import type { Message } from '../../message.js';
import type { EnvelopeIn, RequestId } from './request.js';

const START = '{"event":"';
const ID_FIELD = Buffer.from(',"id":');
const QUOTE = 0x22;
const ZERO = 0x30;
const NINE = 0x39;
const CLOSING_BRACE = 0x7d;

/** Longest message for which the short way is tried: of a longer one, its beginning is no part of the cost. */
const MAX_BYTES = 4096;

/** Longest name of an event, and longest id, in bytes, for which the short way is tried. */
const MAX_EVENT = 64;
const MAX_ID = 64;

/** An event with a method, and how an envelope of it begins: `{"event":"name","data":`. */
interface KnownEvent {
  readonly event: string;
  readonly prefix: Buffer;
}

/**
 * Road IN, step 5: reads the envelopes of known events as clients write them: without spaces, `event` before `data`, `id`
 * last or missing. Only `data` and `id` are parsed, which costs half of parsing the whole. What is read is exactly what
 * `JSON.parse` finds: the beginning is compared byte by byte, and what stands between it and the end has to be one JSON
 * value.
 */
export class EnvelopeReader {
  /** By the hash of the name. Of two events with the same hash, envelopes of the second are left to `JSON.parse`. */
  private readonly known = new Map<number, KnownEvent>();

  constructor(events: Iterable<unknown>) {
    for (const event of events) this.add(event);
  }

  /** @returns undefined for everything else, which may be an envelope all the same; never throws */
  read(message: Message): EnvelopeIn | undefined {
    const { data, start, end } = message;
    if (end - start > MAX_BYTES) return undefined;
    const known = this.find(data, start, end);
    if (!known || data[end - 1] !== CLOSING_BRACE) return undefined;
    const dataAt = start + known.prefix.length;
    const fieldAt = idField(data, dataAt, end - 1);
    try {
      const said: unknown = JSON.parse(data.toString('utf8', dataAt, fieldAt));
      const id = fieldAt < end - 1 ? readId(data.toString('utf8', fieldAt + ID_FIELD.length, end - 1)) : undefined;
      return { event: known.event, data: said, id };
    } catch {
      return undefined;
    }
  }

  private add(event: unknown): void {
    if (typeof event !== 'string' || JSON.stringify(event) !== `"${event}"`) return;
    const name = Buffer.from(event);
    const hash = hashOf(name, 0, name.length);
    if (name.length > MAX_EVENT || this.known.has(hash)) return;
    this.known.set(hash, { event, prefix: Buffer.from(`${START}${event}","data":`) });
  }

  private find(data: Buffer, start: number, end: number): KnownEvent | undefined {
    const nameAt = start + START.length;
    const limit = Math.min(end, nameAt + MAX_EVENT + 1);
    let nameEnd = nameAt;
    while (nameEnd < limit && data[nameEnd] !== QUOTE) nameEnd++;
    const known = this.known.get(hashOf(data, nameAt, nameEnd));
    return known && startsWith(data, start, end, known.prefix) ? known : undefined;
  }
}

/**
 * Finds the id of a request at the end of an envelope. One that is longer, or a string with a quote in it, is not found.
 *
 * @param start where the data begins
 * @param end where the closing brace is
 * @returns where the field begins, with its comma; `end` without an id
 */
function idField(data: Buffer, start: number, end: number): number {
  const lowest = Math.max(start, end - MAX_ID);
  let at = end - 1;
  if (data[at] === QUOTE) {
    do at--;
    while (at > lowest && data[at] !== QUOTE);
  } else {
    while (at > lowest && isDigit(data[at]!) && isDigit(data[at - 1]!)) at--;
  }
  const field = at - ID_FIELD.length;
  return field > start && startsWith(data, field, end, ID_FIELD) ? field : end;
}

/** @throws SyntaxError when it is not JSON */
function readId(text: string): RequestId {
  const id: unknown = JSON.parse(text);
  return isRequestId(id) ? id : undefined;
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}

function startsWith(data: Buffer, start: number, end: number, wanted: Buffer): boolean {
  const { length } = wanted;
  if (start + length > end) return false;
  for (let i = 0; i < length; i++) if (data[start + i] !== wanted[i]) return false;
  return true;
}

function hashOf(data: Buffer, start: number, end: number): number {
  let hash = 0;
  for (let at = start; at < end; at++) hash = (Math.imul(hash, 31) + data[at]!) | 0;
  return hash;
}
