/**
 * The door to what Fastify 5 and Nest's adapter for it do not promise: the classes of requests and replies, and the key
 * under which a handler says which requests of a route are its own. Each has a test that fails by name when a new version
 * changes it: docs/architecture.md, "What is not public".
 */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { parse } from 'node:querystring';
import { type PlatformRequest, splitTarget } from '../../http/platform-request.js';

export interface FastifyRequest extends PlatformRequest {
  readonly raw: IncomingMessage;
  readonly log: unknown;
  /** True when no route takes it. */
  readonly is404: boolean;
}

export interface FastifyReply {
  getHeaders(): OutgoingHttpHeaders;
  readonly raw: ServerResponse;
  readonly sent: boolean;
  header(name: string, value: string): FastifyReply;
  code(status: number): FastifyReply;
  send(body?: unknown): FastifyReply;
}

type NewRequest = new (
  id: string,
  params: object,
  raw: IncomingMessage,
  query: object,
  log: unknown,
  context: undefined,
) => FastifyRequest;
type NewReply = new (raw: ServerResponse, request: FastifyRequest, log: unknown) => FastifyReply;

/** Makes requests and replies as Fastify does, with all decorations, for upgrades that do not pass its router. */
export class FastifyClasses {
  private readonly Request?: NewRequest;
  private readonly Reply?: NewReply;

  constructor(private readonly instance: { readonly log: unknown }) {
    this.Request = classOf(instance, 'fastify.Request');
    this.Reply = classOf(instance, 'fastify.Reply');
  }

  /** @returns undefined when this version of Fastify keeps the class elsewhere */
  request(node: IncomingMessage): FastifyRequest | undefined {
    const { Request } = this;
    const query = parse(splitTarget(node.url ?? '').query);
    return Request && new Request('', {}, node, query, this.instance.log, undefined);
  }

  /** @returns undefined when this version of Fastify keeps the class elsewhere */
  reply(response: ServerResponse, request: FastifyRequest): FastifyReply | undefined {
    const { Reply } = this;
    return Reply && new Reply(response, request, request.log);
  }
}

function classOf<T>(instance: object, description: string): T | undefined {
  const symbol = Object.getOwnPropertySymbols(instance).find((each) => each.description === description);
  return symbol && (Reflect.get(instance, symbol) as T | undefined);
}

/** Restricts a handler to the requests for which the constraint has that value, as `@RouteConstraints()` does. */
export function constrain(handler: object, constraint: string, value: string): void {
  Reflect.defineMetadata('__fastify_route_constraints__', { [constraint]: value }, handler);
}
