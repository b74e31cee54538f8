/** The kinds of enhancers, and the keys under which Nest's decorators put them. */
export const ENHANCER_METADATA = {
  guards: '__guards__',
  interceptors: '__interceptors__',
  pipes: '__pipes__',
  filters: '__exceptionFilters__',
} as const;

export type EnhancerKind = keyof typeof ENHANCER_METADATA;

/** True when a class or method has enhancers of its own of that kind. */
export function hasEnhancers(kind: EnhancerKind, owner: object): boolean {
  return Reflect.hasMetadata(ENHANCER_METADATA[kind], owner);
}
