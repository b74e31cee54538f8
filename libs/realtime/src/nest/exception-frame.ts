import { HttpException } from '@nestjs/common';
import { WsException } from '@nestjs/websockets';
import type { ExceptionData } from 'nestjs-realtime-protocol';
import { exceptionData, MessageError } from '../errors.js';

/** What an error frame is about, as Nest's own has it. */
export interface Cause {
  readonly pattern: string;
  readonly data: unknown;
}

/**
 * What the client may know of an error: of a WsException, of an HttpException below 500 (validation errors are such)
 * and of a MessageError all that they say; of any other nothing.
 *
 * @returns the `data` of an `exception` envelope
 */
export function exceptionFrame(error: unknown, cause?: Cause): ExceptionData | object {
  if (error instanceof WsException) {
    const said = error.getError();
    return typeof said === 'object' ? said : { status: 'error', message: said, ...(cause && { cause }) };
  }
  return { ...exceptionData(asMessageError(error)), ...(cause && { cause }) };
}

/** The same for hooks: what the core should tell the client. */
export function asMessageError(error: unknown): unknown {
  if (error instanceof WsException) {
    const said = error.getError();
    const data = typeof said === 'object' ? (said as Record<string, unknown>) : {};
    return new MessageError('ws_exception', typeof said === 'string' ? said : error.message, data, { cause: error });
  }
  if (!(error instanceof HttpException) || error.getStatus() >= 500) return error;
  const said = error.getResponse();
  const data = typeof said === 'object' ? (said as Record<string, unknown>) : { message: said };
  const details = { statusCode: error.getStatus(), ...data };
  return new MessageError('http_exception', error.message, details, { cause: error });
}
