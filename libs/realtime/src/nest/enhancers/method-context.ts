import type { PipeTransform } from '@nestjs/common';
import { WsContextCreator } from '@nestjs/websockets/context/ws-context-creator.js';
import type { Scoped } from './connection-scope.js';
import type { EnhancerKind } from './enhancer-kinds.js';

/** A method of a gateway as it is called: `(client, payload)`. */
export type Method = (...args: unknown[]) => unknown;

/** The parts of Nest's context creators that this module puts together anew; held by a test per Nest major. */
export interface Parts {
  readonly guardsContextCreator: object;
  readonly guardsConsumer: never;
  readonly interceptorsContextCreator: object;
  readonly interceptorsConsumer: never;
  readonly pipesContextCreator: object;
  readonly pipesConsumer: { apply(value: unknown, metadata: object, pipes: PipeTransform[]): Promise<unknown> };
}

/** The part of Nest's ContextCreator that is changed. */
interface Creator {
  createContext(instance: object, callback: object, key: string, contextId?: object, inquirerId?: string): unknown[];
  createConcreteContext(metadata: unknown[], contextId?: object, inquirerId?: string): unknown[];
  getGlobalMetadata(contextId?: object, inquirerId?: string): unknown[];
}

/**
 * One of Nest's creators of enhancers, which looks them up for one connection where that has a scope of its own.
 *
 * @param changes further methods that are replaced
 */
export function inScope<T extends object>(
  creator: T,
  kind: EnhancerKind,
  { contextId, inquirerId, globals }: Scoped,
  changes: PropertyDescriptorMap = {},
): T {
  const base = creator as unknown as Creator;
  const scoped: PropertyDescriptorMap = {};
  if (globals) {
    scoped.getGlobalMetadata = { value: () => [...base.getGlobalMetadata(), ...globals[kind]] };
  }
  if (contextId) {
    scoped.createContext = {
      value(this: Creator, instance: object, callback: object, key: string) {
        return base.createContext.call(this, instance, callback, key, contextId, inquirerId);
      },
    };
    // Called without a context for the pipes of a parameter
    scoped.createConcreteContext = {
      value(this: Creator, metadata: unknown[]) {
        return base.createConcreteContext.call(this, metadata, contextId, inquirerId);
      },
    };
  }
  return Object.create(creator, { ...scoped, ...changes }) as T;
}

interface Parameter {
  readonly index: number;
  readonly type: number | string;
  readonly data: unknown;
  readonly metatype: unknown;
  readonly schema?: unknown;
  readonly pipes: PipeTransform[];
  extractValue(...args: unknown[]): unknown;
}

/** `WsParamtype.PAYLOAD` */
const PAYLOAD = 3;

type Next = () => Promise<unknown>;
type Intercept = (
  list: unknown,
  args: unknown,
  instance: unknown,
  callback: unknown,
  next: Next,
  type: string,
) => unknown;

/**
 * Nest's treatment of a message handler, with three differences: pipes touch the body alone (a global ValidationPipe
 * would take a Connection apart), a parameter without decorator gets what stands at its place, and what the method
 * returns is made ready before interceptors see it.
 */
export class MethodContext extends WsContextCreator {
  /** @param ready what interceptors see of what the method returned */
  constructor(ready: (result: unknown) => unknown, ...parts: ConstructorParameters<typeof WsContextCreator>) {
    const consumer = parts[7] as unknown as { intercept: Intercept };
    const intercept: Intercept = (list, args, instance, callback, next, type) =>
      consumer.intercept(list, args, instance, callback, async () => ready(await next()), type);
    super(parts[0], parts[1], parts[2], parts[3], parts[4], parts[5], parts[6], { intercept } as never);
  }

  /** Hooks have no pattern of their own: `getPattern()` gives their name. */
  override reflectCallbackPattern(callback: (...args: unknown[]) => unknown): string {
    return super.reflectCallbackPattern(callback) ?? callback.name;
  }

  override createPipesFn(
    ...[pipes, parameters]: Parameters<WsContextCreator['createPipesFn']>
  ): ReturnType<WsContextCreator['createPipesFn']> {
    const consumer = (this as unknown as { pipesConsumer: Parts['pipesConsumer'] }).pipesConsumer;
    const apply = async (target: unknown[], ...args: unknown[]): Promise<void> => {
      for (let place = 0; place < Math.min(target.length, 2); place++) target[place] = args[place];
      for (const parameter of parameters as unknown as Parameter[]) {
        const { index, type, data, metatype, schema } = parameter;
        const value: unknown = await parameter.extractValue(...args);
        const chosen = type === PAYLOAD ? [...pipes, ...parameter.pipes] : parameter.pipes;
        const isPiped = chosen.length > 0;
        target[index] = isPiped ? await consumer.apply(value, { metatype, type, data, schema }, chosen) : value;
      }
    };
    return parameters.length > 0 ? apply : null;
  }
}
