import type { ModulesContainer } from '@nestjs/core';
import { rootModuleInstance } from './internals/nest.js';

const HOOK = 'onApplicationBootstrap';

/** A module class with the hook, or without. */
interface Bootstrapped {
  onApplicationBootstrap?(): unknown;
}

/**
 * Runs a task when the `onApplicationBootstrap` hooks of all modules have settled, as the end of `app.init()`. Nest calls
 * that of a global module first, and has no hook for the last: so the task follows the one of the root module's class,
 * which is the last to be called.
 *
 * @returns false where that one is not called, because the root module's class is request-scoped
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
