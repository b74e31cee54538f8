/** Who looks after connections. */
export interface ConnectionEvents<C> {
  /** `onOpen` was called. */
  opened(connection: C): void;
  /** `onClose` has settled: nothing will happen any more. */
  ended(connection: C): void;
}
