import { asEnvelope, EXCEPTION_EVENT } from 'nestjs-realtime-protocol';
import type { Payload, PushOptions } from '../../frame.js';
import type { Request } from './request.js';

/**
 * Runs an exception filter. An `exception` frame that it sends to its client before it first awaits something is the end
 * of the request and gets its id: filters that were written for Nest, and its BaseWsExceptionFilter, know of no ids.
 */
export function answeringAs(request: Request | undefined, filter: () => unknown): unknown {
  if (!request) return filter();
  const { connection, id } = request;
  const { send, emit } = connection;
  const hooked: Pick<typeof connection, 'send' | 'emit'> = {
    send(data: Payload, options?: PushOptions) {
      const said = typeof data === 'string' ? exceptionIn(data) : undefined;
      return send.call(connection, said && request.end() ? JSON.stringify({ ...said, id }) : data, options);
    },
    emit(event: string, data?: unknown, options?: PushOptions) {
      if (event !== EXCEPTION_EVENT || !request.end()) return emit.call(connection, event, data, options);
      return send.call(connection, JSON.stringify({ event, data, id }), options);
    },
  };
  try {
    Object.assign(connection, hooked);
    return filter();
  } finally {
    for (const name of Object.keys(hooked)) Reflect.deleteProperty(connection, name);
  }
}

function exceptionIn(text: string): object | undefined {
  try {
    const envelope = asEnvelope(JSON.parse(text));
    return envelope?.event === EXCEPTION_EVENT ? envelope : undefined;
  } catch {
    return undefined;
  }
}
