/** What a RealtimeServer addresses when it has a contract. Nothing of this file exists at run time. */
import type { Contract, EmitArgs, EventOf, IsAny } from './contract.js';
import type { Target } from './target.js';

/** A target: with a contract, one that emits only its events. */
export type TargetOf<T> = IsAny<T> extends true ? Target : T extends Contract ? TypedTarget<T> : Target;

type Narrowing = 'except' | 'exceptRoom' | 'exceptUser';

/** A Target that emits only the events of a contract. */
export type TypedTarget<C extends Contract> = Omit<Target, 'emit' | Narrowing> & {
  readonly [K in Narrowing]: (...args: Parameters<Target[K]>) => TypedTarget<C>;
} & {
  /** As `Target.emit`, with the events and the data of the contract. */
  emit<E extends EventOf<C>>(
    event: E,
    ...args: EmitArgs<C, E, Parameters<Target['emit']>[2]>
  ): ReturnType<Target['emit']>;
};
