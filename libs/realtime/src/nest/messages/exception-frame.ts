import { HttpException } from '@nestjs/common';
import { WsException } from '@nestjs/websockets';
import { exceptionData, MessageError } from '../../errors.js';
import { validationErrorsOf } from './validation-errors.js';

/** What an error frame is about, as Nest's own has it. */
export interface Cause {
  readonly pattern: string | number;
  readonly data?: unknown;
}

/**
 * What the client may know of an error: of a WsException, of an HttpException below 500, of a validation error and of a
 * MessageError all that they say; of any other nothing.
 *
 * @param cause the message that failed; it goes with every frame but that of a WsException with an object of its own
 * @returns the `data` of an `exception` envelope
 */
export function exceptionFrame(error: unknown, cause?: Cause): object {
  const about = cause && { cause };
  if (error instanceof WsException) {
    const said = error.getError();
    return typeof said === 'object' ? said : { status: 'error', message: said, ...about };
  }
  const errors = validationErrorsOf(error);
  if (errors) {
    return { status: 'error', code: 'validation', statusCode: 400, message: 'Validation failed', errors, ...about };
  }
  return { ...(isTold(error) ? httpFrame(error) : exceptionData(error)), ...about };
}

/** True for an error that is about what the client sent: it is counted, and fills no log. */
export function isClientFault(error: unknown): boolean {
  const isKnown = error instanceof WsException || error instanceof MessageError;
  return isKnown || isTold(error) || validationErrorsOf(error) !== undefined;
}

/** An HttpException from 500 on is the server's own affair. */
function isTold(error: unknown): error is HttpException {
  return error instanceof HttpException && error.getStatus() < 500;
}

function httpFrame(error: HttpException): object {
  const said = error.getResponse();
  const details = typeof said === 'object' ? said : { message: said };
  const known = { code: 'http_exception', message: error.message, statusCode: error.getStatus() };
  return { ...known, ...details, status: 'error' };
}
