/** Frames of RFC 6455 §5.2 as bytes: a builder that can break every rule, and a parser of what a server sent. */
import { randomBytes } from '../random.js';

/** Opcodes of RFC 6455 §11.8. */
export const Opcode = { CONTINUATION: 0, TEXT: 1, BINARY: 2, CLOSE: 8, PING: 9, PONG: 10 } as const;

/** How the length of a payload is written: in 7 bits, in 16, or in 64. */
export type LengthForm = 7 | 16 | 64;

/** A frame of a client; every part that is left out follows the RFC. */
export interface FrameParts {
  /** Default text. */
  readonly opcode?: number;
  /** Default true. */
  readonly fin?: boolean;
  /** The three reserved bits as a number: 4 is RSV1, 2 is RSV2, 1 is RSV3. */
  readonly rsv?: number;
  /** Default true. */
  readonly isMasked?: boolean;
  readonly payload?: string | Uint8Array;
  /** Default the shortest. */
  readonly lengthForm?: LengthForm;
  /** The length in the header, when it is not the length of the payload. */
  readonly declaredLength?: number | bigint;
}

/** Builds one frame of a client. */
export function frame(parts: FrameParts = {}): Buffer {
  const { opcode = Opcode.TEXT, fin = true, rsv = 0, isMasked = true, payload = '' } = parts;
  const bytes = Buffer.from(payload as string);
  const { declaredLength = bytes.length } = parts;
  const form = parts.lengthForm ?? shortestForm(declaredLength);
  const start = Buffer.from([(fin ? 0x80 : 0) | (rsv << 4) | opcode]);
  const length = encodeLength(declaredLength, form);
  if (!isMasked) return Buffer.concat([start, length, bytes]);
  length[0]! |= 0x80;
  const mask = randomBytes(4);
  return Buffer.concat([start, length, mask, bytes.map((byte, index) => byte ^ mask[index % 4]!)]);
}

/** Builds a close frame; without a code its payload is empty. */
export function closeFrame(code?: number, reason: string | Uint8Array = ''): Buffer {
  return frame({ opcode: Opcode.CLOSE, payload: code === undefined ? '' : closePayload(code, reason) });
}

/** The payload of a close frame: two bytes of code, then the reason. */
export function closePayload(code: number, reason: string | Uint8Array = ''): Buffer {
  return Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason as string)]);
}

/** The only form in which a server may write a length: RFC 6455 §5.2, "the minimal number of bytes MUST be used". */
export function shortestForm(length: number | bigint): LengthForm {
  if (length < 126) return 7;
  return length < 65_536 ? 16 : 64;
}

function encodeLength(length: number | bigint, form: LengthForm): Buffer {
  if (form === 7) return Buffer.from([Number(length)]);
  const bytes = Buffer.alloc(form === 16 ? 3 : 9);
  bytes[0] = form === 16 ? 126 : 127;
  if (form === 16) bytes.writeUInt16BE(Number(length), 1);
  else bytes.writeBigUInt64BE(BigInt(length), 1);
  return bytes;
}

/** A frame of the server. */
export interface ServerFrame {
  readonly fin: boolean;
  readonly rsv: number;
  readonly opcode: number;
  readonly isMasked: boolean;
  readonly lengthForm: LengthForm;
  readonly payload: Buffer;
}

/**
 * Reads one frame from the start of some bytes.
 *
 * @returns the frame and how many bytes it took; undefined while it is not complete
 */
export function parseFrame(bytes: Buffer): [ServerFrame, number] | undefined {
  if (bytes.length < 2) return undefined;
  const short = bytes[1]! & 0x7f;
  const lengthForm: LengthForm = short < 126 ? 7 : short === 126 ? 16 : 64;
  const start = 2 + (lengthForm === 7 ? 0 : lengthForm / 8);
  if (bytes.length < start) return undefined;
  const length = lengthForm === 7 ? short : bytes.readUIntBE(lengthForm === 16 ? 2 : 4, lengthForm === 16 ? 2 : 6);
  if (bytes.length < start + length) return undefined;
  const first = bytes[0]!;
  const head = { fin: (first & 0x80) !== 0, rsv: (first >> 4) & 7, opcode: first & 0x0f };
  const payload = bytes.subarray(start, start + length);
  return [{ ...head, isMasked: (bytes[1]! & 0x80) !== 0, lengthForm, payload }, start + length];
}
