/** The guards of a gateway in words, for the table at boot: a guard that is missing there does not run. */
import type { ApplicationConfig } from '@nestjs/core';
import type { FoundGateway } from '../found-gateway.js';
import { enhancersOn, globalEnhancers, scopedGlobals } from '../internals/nest-enhancers.js';
import { messageMethodsOf } from '../internals/nest.js';

/** @returns for example `JwtGuard at the handshake, RolesGuard per message`; `none` for a gateway without guards */
export function guardNames(config: ApplicationConfig, { instance, guards }: FoundGateway): string {
  const on = (name: string): readonly unknown[] => {
    const method: unknown = Reflect.get(instance, name);
    return typeof method === 'function' ? enhancersOn('guards', method) : [];
  };
  const common = [
    ...globalEnhancers(config, 'guards'),
    ...scopedGlobals(config).guards.map(({ token }) => token),
    ...enhancersOn('guards', instance.constructor),
  ];
  const methods = ['onMessage', ...messageMethodsOf(instance).map(({ name }) => name)];
  const times = [
    ['at the handshake', guards === 'message' ? [] : [...common, ...on('onHandshake')]],
    ['per message', [...(guards === 'handshake' ? [] : common), ...methods.flatMap(on)]],
  ] as const;
  const found = times.filter(([, list]) => list.length > 0).map(([when, list]) => `${namesOf(list)} ${when}`);
  return found.join(', ') || 'none';
}

function namesOf(guards: readonly unknown[]): string {
  const names = guards.map((guard) => (typeof guard === 'function' ? guard.name : (guard as object).constructor.name));
  return [...new Set(names)].join(', ');
}
