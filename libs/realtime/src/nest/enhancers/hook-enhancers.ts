import { OptionsError } from '../../errors.js';
import type { FoundGateway, HookName } from '../found-gateway.js';
import { type EnhancerKind, hasEnhancers } from '../internals/nest-enhancers.js';

/** Enhancers on a hook that can never run, with the reason. */
interface Impossible {
  readonly hooks: readonly HookName[];
  readonly kinds: readonly EnhancerKind[];
  readonly why: string;
}

const ALWAYS: readonly Impossible[] = [
  {
    hooks: ['onOpen', 'onDrain', 'onClose'],
    kinds: ['guards'],
    why: 'guards decide at the handshake: put them on the class or on onHandshake',
  },
  { hooks: ['onOpen', 'onDrain', 'onClose'], kinds: ['pipes'], why: 'pipes are for the body of a message' },
  { hooks: ['onHandshake'], kinds: ['interceptors', 'pipes', 'filters'], why: 'at the handshake only guards run' },
  {
    hooks: ['onAuthenticate'],
    kinds: ['guards', 'interceptors', 'pipes', 'filters'],
    why: 'there is no connection yet',
  },
];

const WITHOUT_HANDSHAKE_GUARDS: Impossible = {
  hooks: ['onHandshake'],
  kinds: ['guards'],
  why: "the gateway has guards: 'message'",
};

const WITHOUT_BODY: Impossible = {
  hooks: ['onMessage'],
  kinds: ['pipes'],
  why: 'pipes are for the body of a message: give onMessage a parameter with @MessageBody()',
};

/**
 * Rejects enhancers on a hook where they never run: a guard there would look like a check and check nothing.
 *
 * @throws OptionsError that names the first one
 */
export function requireThatAllRun({ name, instance, guards }: FoundGateway, hasBody: boolean): void {
  const impossible = [...ALWAYS];
  if (guards === 'message') impossible.push(WITHOUT_HANDSHAKE_GUARDS);
  if (!hasBody) impossible.push(WITHOUT_BODY);
  for (const { hooks, kinds, why } of impossible) {
    for (const hook of hooks) {
      const method: object | undefined = instance[hook];
      const kind = kinds.find((each) => method && hasEnhancers(each, method));
      if (kind) throw new OptionsError(`${name}.${hook} has ${kind} of its own that would never run: ${why}`);
    }
  }
}
