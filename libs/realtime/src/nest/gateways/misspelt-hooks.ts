/** Finds methods of a gateway that were meant as hooks: near misses, and what other libraries call the same hook. */
import type { Type } from '@nestjs/common';
import { isGatewayClass } from '../internals/nest.js';
import { HOOKS } from '../found-gateway.js';
import { hasOtherMetadata, isMessageMethod } from '../internals/nest-enhancers.js';
import { distanceIn, isNear } from './near-miss.js';

/** The hook that any provider may have. */
const PRESENCE = 'onPresence';

/** Every hook that is called: ours, and those of Nest's own gateways. */
const CALLED: readonly string[] = [...HOOKS, PRESENCE, 'handleConnection', 'handleDisconnect'];

const ADMITS = 'onHandshake, which decides who may connect';
const OPENS = 'onOpen, or onHandshake to decide who may connect';

/** What other libraries and LaravelS call a hook, in lower case, and what it is called here. */
const ELSEWHERE: ReadonlyMap<string, string> = new Map([
  ...['onauth', 'onauthorize', 'onbeforeconnect', 'onbeforehandshake', 'onupgrade'].map(
    (name) => [name, ADMITS] as const,
  ),
  ...['onconnect', 'onconnected', 'onopened', 'onconnection', 'handleconnect', 'onclientconnect'].map(
    (name) => [name, OPENS] as const,
  ),
  ...[
    'ondisconnect',
    'ondisconnected',
    'ondisconnection',
    'ondisconnecting',
    'handledisconnection',
    'onclientdisconnect',
  ].map((name) => [name, 'onClose'] as const),
  ['onerror', 'onClose for a connection that failed, and an exception filter for an error that was thrown'],
]);

/** What decides who may connect; without it, everybody may. */
const DECIDES: ReadonlySet<string> = new Set([ADMITS, OPENS]);

/** Words of their own that are one letter away from a hook, in lower case. */
const INNOCENT: ReadonlySet<string> = new Set(['onlose', 'onclone', 'onchose', 'onrain', 'ontrain']);

/** A method, accessor or function property. */
interface Member {
  /** Undefined for an accessor. */
  readonly value: unknown;
  /** True if it comes from a base class that is not a gateway: it may have a caller there. */
  readonly isFromHelper: boolean;
}

/**
 * @returns one line for each method, accessor or function property that looks like a hook and is never called. Methods
 *   under `@SubscribeMessage()` are called; so are methods with another library's name and decorator (`@OnEvent()`), and
 *   the `onError` or `onDisconnect` of a base class that is not a gateway
 */
export function misspeltHooks({ name: className, prototype }: Type, instance: object): string[] {
  const problems = new Map<string, string>();
  for (const [name, member] of membersOf(prototype as object, instance)) {
    const hook = meant(name, member);
    if (hook)
      problems.set(name, `${className}.${name} is never called: did you mean ${hook}? If not, give it another name`);
  }
  return [...problems.values()];
}

/** @returns one line for each method of a provider, which is no gateway, that looks like `onPresence` and is never called */
export function misspeltPresence({ name: className, prototype }: Type): string[] {
  return [...membersOf(prototype as object, {})]
    .filter(([name]) => startsAlike(name, PRESENCE) && isNear(name, PRESENCE))
    .filter(([, { value }]) => !(typeof value === 'function' && hasOtherMetadata(value)))
    .map(([name]) => `${className}.${name} is never called: did you mean ${PRESENCE}? If not, give it another name`);
}

function meant(name: string, { value, isFromHelper }: Member): string | undefined {
  const isMethod = typeof value === 'function';
  if (CALLED.includes(name) || INNOCENT.has(name.toLowerCase()) || (isMethod && isMessageMethod(value)))
    return undefined;
  const elsewhere = ELSEWHERE.get(name.toLowerCase());
  if (elsewhere) {
    const hasCaller = (isMethod && hasOtherMetadata(value)) || (isFromHelper && !DECIDES.has(elsewhere));
    return hasCaller ? undefined : elsewhere;
  }
  return CALLED.filter((hook) => startsAlike(name, hook) && isNear(name, hook)).sort(distanceIn(name))[0];
}

/** `isOpen` and `inMessage` are no misspelt hooks; `noOpen` is. */
function startsAlike(name: string, hook: string): boolean {
  const start = name.slice(0, 2).toLowerCase();
  return hook.startsWith('on') ? start.startsWith('o') || start === 'no' : start.startsWith('h');
}

/** The methods, accessors and function properties by name. No getter is called. */
function membersOf(prototype: object, instance: object): Map<string, Member> {
  const members = new Map<string, Member>();
  // What is nearer to the instance hides what it overrides
  for (const each of lineOf(prototype).reverse()) addMembers(each, members, !isGatewayClass(each.constructor));
  addMembers(instance, members, false);
  return members;
}

/** A prototype and what it inherits from, without Object. */
export function lineOf(prototype: object): object[] {
  const line: object[] = [];
  for (
    let each: object | null = prototype;
    each && each !== Object.prototype;
    each = Object.getPrototypeOf(each) as object
  )
    line.push(each);
  return line;
}

function addMembers(owner: object, members: Map<string, Member>, isFromHelper: boolean): void {
  for (const [name, { value, get }] of Object.entries(Object.getOwnPropertyDescriptors(owner))) {
    if (get ?? typeof value === 'function') members.set(name, { value: value as unknown, isFromHelper });
  }
}
