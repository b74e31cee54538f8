/**
 * Which hooks a gateway has: methods of its class, accessors and arrow properties, own or inherited, also behind a Proxy.
 * A hook that would never be called is a check that admits everybody, so each is a problem that stops the boot.
 */
import type { Type } from '@nestjs/common';
import { OptionsError } from '../../errors.js';
import { type FoundGateway, type HookName, HOOKS } from '../found-gateway.js';
import { ENHANCER_KINDS, hasEnhancers, hasOwnEnhancers } from '../internals/nest-enhancers.js';
import { messageMethodsOf } from '../internals/nest.js';
import { lineOf, misspeltHooks } from './misspelt-hooks.js';

/** @returns the hooks of an instance, in the order in which they run */
export function hooksOf(instance: object): HookName[] {
  // A Proxy may answer for a property that it does not say it has
  return HOOKS.filter((hook) => hook in instance || Reflect.get(instance, hook) !== undefined);
}

/** @returns what keeps a hook, or what was meant as one, from being called; one line each */
export function hookProblems(metatype: Type, instance: object): string[] {
  const { name } = metatype;
  const values = hooksOf(instance).filter((hook) => typeof Reflect.get(instance, hook) !== 'function');
  return [
    ...values.map((hook) => `${name}.${hook} is ${kindOf(Reflect.get(instance, hook))}: a hook has to be a function`),
    ...HOOKS.filter((hook) => hook in metatype).map((hook) => `${name}.${hook} is static: a hook has to be a method`),
    ...enhancersOfProperties(metatype),
    ...enhancersOutOfSight(metatype, instance),
    ...misspeltHooks(metatype, instance),
  ];
}

/**
 * Looks again when all modules are ready: a hook that was assigned after the gateways were bound would never be called.
 *
 * @throws OptionsError that names each such hook
 */
export function requireNoLateHooks(gateways: readonly FoundGateway[]): void {
  const problems = gateways.flatMap(({ name, instance, hooks }) =>
    hooksOf(instance)
      .filter((hook) => !hooks.includes(hook))
      .map(
        (hook) =>
          `${name}.${hook} was assigned too late to be called: make it a method, or assign it in the constructor`,
      ),
  );
  if (problems.length > 0) throw new OptionsError(problems);
}

/**
 * A request-scoped gateway has no hooks, and its properties can be seen only once it has an instance.
 *
 * @throws OptionsError for a hook that is a property
 */
export function requireNoHooks(name: string, instance: object): void {
  const [hook] = hooksOf(instance);
  if (hook === undefined) return;
  throw new OptionsError(
    `${name}.${hook} would never be called, because ${name} is request-scoped: make it and what it injects singletons`,
  );
}

/** `@UseGuards()` on a property is written to the prototype, where Nest never looks. */
function enhancersOfProperties({ name, prototype }: Type): string[] {
  const found = ENHANCER_KINDS.filter((kind) =>
    lineOf(prototype as object).some((each) => hasOwnEnhancers(kind, each)),
  );
  return found.map((kind) => `${name} has ${kind} on a property, where they never run: write the hook as a method`);
}

/** Nest finds enhancers on the methods of a class alone, not on what an instance has in their place. */
function enhancersOutOfSight({ name, prototype }: Type, instance: object): string[] {
  const line = lineOf(prototype as object);
  const methods = [...hooksOf(instance), ...messageMethodsOf(instance).map((method) => method.name)];
  return methods.flatMap((key) => {
    const used: unknown = Reflect.get(instance, key);
    const owner = line.find((each) => Object.hasOwn(each, key));
    const declared: unknown = owner && Object.getOwnPropertyDescriptor(owner, key)!.value;
    if (used === declared) return [];
    const functions = [used, declared].filter((each) => typeof each === 'function');
    const hidden = ENHANCER_KINDS.filter((kind) => functions.some((each) => hasEnhancers(kind, each)));
    return hidden.map(
      (kind) =>
        `${name}.${key} has ${kind} that would never run, because a property or a Proxy hides the method: ` +
        'write it as a method of the class, or put them on the class',
    );
  });
}

function kindOf(value: unknown): string {
  return value === undefined || value === null ? String(value) : `of the type ${typeof value}`;
}
