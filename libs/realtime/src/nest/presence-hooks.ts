/** Finds `onPresence`, which a gateway or any other provider may have, and has it called with each change. */
import { Inject, Injectable } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { Engine } from '../engine.js';
import { OptionsError } from '../errors.js';
import type { OnPresence } from '../hooks.js';
import { misspeltPresence } from './gateways/misspelt-hooks.js';
import { hookedProviders, otherClasses } from './internals/nest.js';

@Injectable()
export class PresenceHooks {
  constructor(
    @Inject(ModulesContainer) private readonly modules: ModulesContainer,
    @Inject(Engine) private readonly engine: Engine,
  ) {}

  /**
   * @throws OptionsError for an `onPresence` that could never run: no room has presence, its class is request-scoped, or its
   *   name is misspelt (in gateways, that is found with the other hooks)
   */
  bind(): void {
    const found = hookedProviders(this.modules, 'onPresence');
    const { presentUsers } = this.engine.node;
    const problems = found.flatMap(({ name, isStatic }) => {
      if (!isStatic)
        return `${name}.onPresence would never be called, because ${name} is request-scoped: make it a singleton`;
      return presentUsers
        ? []
        : `${name}.onPresence would never be called: give rooms presence with RealtimeModule.forRoot({ rooms: { 'chat:*': { presence: true } } })`;
    });
    if (presentUsers) problems.push(...otherClasses(this.modules).flatMap(misspeltPresence));
    if (problems.length > 0) throw new OptionsError(problems);
    for (const { instance } of found) {
      presentUsers!.handlers.push((change) => (instance as OnPresence).onPresence(change));
    }
  }
}
