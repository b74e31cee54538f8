import { BadRequestException, HttpException, InternalServerErrorException } from '@nestjs/common';
import { WsException } from '@nestjs/websockets';
import { MessageError } from '../../errors.js';
import { exceptionFrame, isClientFault } from './exception-frame.js';

const cause = { pattern: 'join', data: { room: 1 } };
const INTERNAL = { status: 'error', code: 'internal', message: 'Internal server error' };

it('exposes the text of a WsException', () => {
  expect(exceptionFrame(new WsException('Not a member'))).toEqual({ status: 'error', message: 'Not a member' });
});

it('sends the object of a WsException as it is, without the cause', () => {
  expect(exceptionFrame(new WsException({ reason: 'closed' }), cause)).toEqual({ reason: 'closed' });
});

it('exposes code and details of a MessageError', () => {
  const error = new MessageError('unknown_room', 'Unknown room', { room: 1 });
  const expected = { status: 'error', code: 'unknown_room', message: 'Unknown room', room: 1 };
  expect(exceptionFrame(error)).toEqual(expected);
});

it('exposes an HttpException below 500 with its status', () => {
  expect(exceptionFrame(new BadRequestException('No room'))).toEqual({
    ...{ status: 'error', code: 'http_exception', statusCode: 400, message: 'No room', error: 'Bad Request' },
  });
  expect(exceptionFrame(new HttpException('Too big', 413))).toMatchObject({ statusCode: 413, message: 'Too big' });
});

it('keeps the status of an HttpException with an object from replacing `error`', () => {
  expect(exceptionFrame(new HttpException({ status: 'fine' }, 400))).toMatchObject({ status: 'error' });
});

it('exposes the fields of a validation error', () => {
  const error = Object.assign(new Error('invalid'), { issues: [{ path: ['name'], message: 'Required' }] });
  expect(exceptionFrame(error)).toEqual({
    ...{ status: 'error', code: 'validation', statusCode: 400, message: 'Validation failed' },
    errors: [{ path: ['name'], message: 'Required' }],
  });
});

it.each([
  ['an Error', new Error('password=secret')],
  ['an HttpException of 500', new InternalServerErrorException('password=secret')],
  ['a string', 'password=secret'],
  ['undefined', undefined],
])('hides everything about %s', (_what, error) => {
  expect(exceptionFrame(error)).toEqual(INTERNAL);
  expect(isClientFault(error)).toBe(false);
});

it('names the message that failed in every other frame', () => {
  expect(exceptionFrame(new WsException('no'), cause)).toMatchObject({ cause });
  expect(exceptionFrame(new BadRequestException(), cause)).toMatchObject({ cause });
  expect(exceptionFrame(new Error('no'), cause)).toEqual({ ...INTERNAL, cause });
});

it.each([
  ['a WsException', new WsException('no')],
  ['a MessageError', new MessageError('no', 'no')],
  ['an HttpException below 500', new BadRequestException()],
  ['a validation error', Object.assign(new Error('invalid'), { issues: [{ message: 'Required' }] })],
])('counts %s as the fault of the client', (_what, error) => {
  expect(isClientFault(error)).toBe(true);
});
