/** Matches the paths of gateways as the platform's own router matches those of controllers. */
import { match, type MatchFunction, type MatchOptions } from 'path-to-regexp';
import { OptionsError } from '../errors.js';
import type { PathMatcher } from '../gateway.js';
import { NO_PARAMS, type Params } from '../handshake-request.js';

/** How the platform's router reads paths. */
export interface PathRules {
  /** True if `/WS` and `/ws` are different paths. */
  readonly isCaseSensitive: boolean;
  /** True if `/ws/` and `/ws` are different paths. */
  readonly isStrict: boolean;
  /** True if `/files/*path` matches `/files/`. */
  readonly isWildcardOptional?: boolean;
  /** True if a path without parameters goes before one with them; otherwise the path that was declared first does. */
  readonly prefersStatic?: boolean;
  /** Changes a request's path as the router does before it matches it. Never throws. */
  readonly prepare?: (path: string) => string;
}

/**
 * Compiles a path with parameters (`/rooms/:id`).
 *
 * @throws OptionsError when the path cannot be read
 * @example compilePath('/rooms/:id', rules)('/rooms/7') // { id: '7' }
 */
export function compilePath(path: string, rules: PathRules): PathMatcher {
  const { prepare = asItIs } = rules;
  const pattern = rules.isWildcardOptional ? path.replace(/\*\w+/g, '{$&}') : path;
  const matcher = compiled(pattern, { sensitive: rules.isCaseSensitive, trailing: !rules.isStrict, decode: decoded });
  const wildcards = rules.isWildcardOptional ? [...path.matchAll(/\*(\w+)/g)] : [];
  const empty = Object.fromEntries(wildcards.map(([, name]) => [name!, '']));
  return (candidate) => {
    const found = matcher(prepare(candidate));
    return found ? flat({ ...empty, ...found.params }) : undefined;
  };
}

/**
 * Compares paths for a router that prefers static segments. The first segment that differs decides: a static one goes
 * before one that contains a parameter, then come a parameter and a wildcard.
 */
export function bySpecificity(one: string, other: string): number {
  const [ranks, others] = [one, other].map((path) => path.split('/').map(rankOf)) as [number[], number[]];
  const at = ranks.findIndex((rank, index) => rank !== others[index]);
  return at < 0 ? 0 : ranks[at]! - (others[at] ?? -1);
}

function rankOf(segment: string): number {
  if (segment.startsWith('*')) return 3;
  if (!segment.includes(':')) return 0;
  return segment.startsWith(':') ? 2 : 1;
}

function compiled(path: string, options: MatchOptions): MatchFunction<Record<string, string | string[]>> {
  try {
    return match(path, options);
  } catch (error) {
    throw new OptionsError(`The path ${path} of a gateway cannot be read: ${(error as Error).message}`);
  }
}

/** Returns whether a path can be decoded. One that cannot is matched all the same, so that the answer is 400. */
export function isDecodable(path: string): boolean {
  if (!path.includes('%')) return true;
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}

function decoded(text: string): string {
  return isDecodable(text) ? decodeURIComponent(text) : text;
}

function asItIs(path: string): string {
  return path;
}

/** Joins the segments of a wildcard into one string. */
function flat(params: Readonly<Record<string, string | string[] | undefined>>): Params {
  if (Object.keys(params).length === 0) return NO_PARAMS;
  const entries = Object.entries(params).map(([name, value]) => [name, [value].flat().join('/')] as const);
  return Object.fromEntries(entries);
}
