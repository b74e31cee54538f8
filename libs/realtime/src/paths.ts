/** Paths of gateways, matched as the platform's own router matches those of controllers. */
import { match } from 'path-to-regexp';

/** The parameters of a path, decoded. */
export type Params = Readonly<Record<string, string>>;

/** How the platform's router reads paths. */
export interface PathRules {
  /** `/WS` is another path than `/ws`. */
  readonly isCaseSensitive: boolean;
  /** `/ws/` is another path than `/ws`. */
  readonly isStrict: boolean;
}

/** Tells whether a request's path is this one; `undefined` when not. */
export type PathMatcher = (path: string) => Params | undefined;

/**
 * Compiles a path with parameters (`/rooms/:id`).
 *
 * @throws TypeError when the path cannot be read
 * @example compilePath('/rooms/:id', rules)('/rooms/7') // { id: '7' }
 */
export function compilePath(path: string, rules: PathRules): PathMatcher {
  const matcher = match<Record<string, string | string[]>>(path, {
    sensitive: rules.isCaseSensitive,
    trailing: !rules.isStrict,
    decode: decoded,
  });
  return (candidate) => {
    const found = matcher(candidate);
    return found ? flat(found.params) : undefined;
  };
}

/** A malformed escape stays as it was sent: the platform's router answers it. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A wildcard's segments as one string. */
function flat(params: Readonly<Record<string, string | string[] | undefined>>): Params {
  const entries = Object.entries(params).map(([name, value]) => [name, [value].flat().join('/')] as const);
  return Object.fromEntries(entries);
}
