import type { ModulesContainer } from '@nestjs/core';
import { rootModuleInstance } from './internals/nest.js';

const HOOK = 'onApplicationBootstrap';

/** The class of a module, with or without the hook. */
interface Bootstrapped {
  onApplicationBootstrap?(): unknown;
}

/**
 * Runs a task as the last step of `app.init()`, when the `onApplicationBootstrap` hooks of all modules have settled. Nest
 * calls the hook of a global module first and offers no hook that runs last, so the task follows the hook of the root
 * module's class, which Nest calls last.
 *
 * @returns false when Nest does not call that hook, because the root module's class is request-scoped
 */
export function afterBootstrap(modules: ModulesContainer, task: () => Promise<void>): boolean {
  const instance: Bootstrapped | undefined = rootModuleInstance(modules);
  if (!instance) return false;
  const own = Object.getOwnPropertyDescriptor(instance, HOOK);
  const hook = instance.onApplicationBootstrap;
  const value = async () => {
    if (own) Object.defineProperty(instance, HOOK, own);
    else Reflect.deleteProperty(instance, HOOK);
    await hook?.call(instance);
    await task();
  };
  Object.defineProperty(instance, HOOK, { configurable: true, value });
  return true;
}
