import { HttpException } from '@nestjs/common';
import { WsException } from '@nestjs/websockets';
import { exceptionData, MessageError } from '../../errors.js';
import { validationErrorsOf } from './validation-errors.js';

/** The message that an error frame is about, in Nest's own form. */
export interface Cause {
  readonly pattern: string | number;
  readonly data?: unknown;
}

/**
 * What the client may know of an error. A WsException, an HttpException below 500, a validation error and a MessageError
 * are exposed in full; every other error stays hidden.
 *
 * @param cause the message that failed; every frame has it, except that of a WsException with an object of its own
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
  return { ...(isExposed(error) ? httpFrame(error) : exceptionData(error)), ...about };
}

/** True for an error that is about what the client sent: it is counted and not logged. */
export function isClientFault(error: unknown): boolean {
  const isKnown = error instanceof WsException || error instanceof MessageError;
  return isKnown || isExposed(error) || validationErrorsOf(error) !== undefined;
}

/** An HttpException of 500 or above is the server's own fault. */
function isExposed(error: unknown): error is HttpException {
  return error instanceof HttpException && error.getStatus() < 500;
}

function httpFrame(error: HttpException): object {
  const said = error.getResponse();
  const details = typeof said === 'object' ? said : { message: said };
  const known = { code: 'http_exception', message: error.message, statusCode: error.getStatus() };
  return { ...known, ...details, status: 'error' };
}
