import { UseFilters, UseGuards, UseInterceptors, UsePipes } from '@nestjs/common';
import type { FoundGateway } from '../found-gateway.js';
import { requireThatAllRun } from './hook-enhancers.js';

const DECORATORS = {
  guards: UseGuards({ canActivate: () => true }),
  interceptors: UseInterceptors({ intercept: (_context, next) => next.handle() }),
  pipes: UsePipes({ transform: (value: unknown) => value }),
  filters: UseFilters({ catch: () => {} }),
};

interface Parts {
  readonly guards?: FoundGateway['guards'];
  readonly hasBody?: boolean;
}

/** Checks a gateway that has one hook with one kind of enhancers. */
function check(hook: string, kind: keyof typeof DECORATORS, { guards = 'handshake', hasBody = true }: Parts = {}) {
  const method = () => {};
  DECORATORS[kind](method, hook, { value: method });
  const found = { name: 'Chat', instance: { [hook]: method }, guards } as unknown as FoundGateway;
  return () => requireThatAllRun(found, hasBody);
}

it.each([
  ['onHandshake', 'guards'],
  ['onOpen', 'interceptors'],
  ['onOpen', 'filters'],
  ['onMessage', 'guards'],
  ['onMessage', 'pipes'],
  ['onMessage', 'interceptors'],
  ['onDrain', 'filters'],
  ['onClose', 'interceptors'],
] as const)('admits %s with %s of its own', (hook, kind) => {
  expect(check(hook, kind)).not.toThrow();
});

it.each([
  ['onOpen', 'guards', 'guards decide at the handshake'],
  ['onClose', 'pipes', 'pipes are for the body of a message'],
  ['onDrain', 'guards', 'guards decide at the handshake'],
  ['onHandshake', 'filters', 'at the handshake only guards run'],
  ['onAuthenticate', 'interceptors', 'there is no connection yet'],
] as const)('rejects %s with %s of its own and gives the reason', (hook, kind, why) => {
  expect(check(hook, kind)).toThrow(`Chat.${hook} has ${kind} of its own that would never run: ${why}`);
});

it('rejects guards on onHandshake where guards run for messages only', () => {
  expect(check('onHandshake', 'guards', { guards: 'message' })).toThrow("the gateway has guards: 'message'");
  expect(check('onHandshake', 'guards', { guards: 'both' })).not.toThrow();
});

it('rejects pipes on an onMessage that takes no body', () => {
  expect(check('onMessage', 'pipes', { hasBody: false })).toThrow('give onMessage a parameter with @MessageBody()');
});
