/**
 * Road IN, step 2: the application's own HTTP stack in front of the hooks. An upgrade is dispatched as the request it
 * also is; what its middleware lets through arrives at a door that stands where the first controller stands. Admission
 * is only what the door says: whoever ends the response before, or instead, refuses.
 */
import { Writable } from 'node:stream';
import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { HttpException } from '@nestjs/common';
import { type Awaitable, settle } from '../../awaitable.js';
import { AnsweredError, HandshakeError } from '../../errors.js';
import type { Verdict } from '../../handshake/admission.js';
import type { Examine, Platform } from '../../handshake/platform.js';
import type { HttpAnswer, HttpExchange } from '../../http/exchange.js';
import { LazyRequest, splitTarget, targetOf } from '../../http/platform-request.js';
import { validateHeaders } from '../../http/refusal-writer.js';
import type { UpgradeResponse } from '../../http/upgrade-response.js';
import { isUpstream } from '../../transports/requests/request-transport.js';

/** Who answers requests at the door that are not upgrades. */
export interface Door {
  answersGet(path: string): boolean;
  /** @throws always: the answer */
  probe(exchange: HttpExchange): Promise<never>;
  /** SSE and polling. @returns false when the request is not for them @throws the answer */
  request(exchange: HttpExchange): Promise<boolean>;
}

/** An upgrade that was sent through the middleware. */
interface PassedUpgrade {
  readonly upgrade: UpgradeResponse;
  readonly examine: Examine;
  /** True once it has arrived, or cannot any more: the application has answered, or the handshake is over. */
  isDone: boolean;
  verdict?: Verdict;
  refusal?: unknown;
}

/** Without these there is no body for a parser. */
const BODY_HEADERS = ['content-type', 'content-length', 'transfer-encoding'];

/** Takes what is written to it for nobody: the response has been answered by somebody else. */
export function endedStream(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() });
}

/** What waits for the end of a response behind another one, by the network connection of both. */
const queued = new WeakMap<Socket, Set<() => void>>();

/**
 * Calls the listener once, when a response has ended or its client has gone; at once if that has happened. Node closes
 * the response that is being written when its client goes, but none of those that wait behind it (pipelining).
 */
export function onceOver(response: ServerResponse, listener: () => void): void {
  if (response.destroyed) {
    listener();
    return;
  }
  const { socket } = response.req;
  const waiting = response.socket ? undefined : queueOf(socket).add(listener);
  response.once('close', () => {
    // When the client goes, Node closes this response and the queue calls all others
    if (!waiting || waiting.delete(listener)) listener();
  });
}

function queueOf(socket: Socket): Set<() => void> {
  const known = queued.get(socket);
  if (known) return known;
  const queue = new Set<() => void>();
  queued.set(socket, queue);
  socket.once('close', () => {
    for (const listener of queue) {
      queue.delete(listener);
      listener();
    }
  });
  return queue;
}

/** As nginx logs it; nobody is there to receive it. */
const CLIENT_CLOSED_REQUEST = 499;

/** Marks an upgrade that was sent through the middleware. */
const PASSED = Symbol('passed');

type Passing = IncomingMessage & { [PASSED]?: PassedUpgrade };

export abstract class HttpPlatform implements Platform {
  /** What says that a request has a body, of those that the door reads. */
  private readonly bodies = new WeakMap<IncomingMessage, IncomingHttpHeaders>();

  constructor(
    private readonly server: Server,
    protected readonly door: Door,
  ) {}

  /** Builds the door. Called once, when the application's routes stand. */
  abstract mount(paths: readonly string[]): void;

  abstract addressOf(request: IncomingMessage): string | undefined;

  abstract trustsPeerOf(request: IncomingMessage): boolean;

  abstract bypass(upgrade: UpgradeResponse, examine: Examine): Awaitable<Verdict>;

  async pass(upgrade: UpgradeResponse, examine: Examine): Promise<Verdict> {
    const passed: PassedUpgrade = { upgrade, examine, isDone: false };
    (upgrade.request as Passing)[PASSED] = passed;
    this.server.emit('request', upgrade.request, upgrade.response);
    await upgrade.ended;
    passed.isDone = true;
    if (passed.verdict && upgrade.isAdmitted) return passed.verdict;
    throw answeredError(upgrade, passed.refusal);
  }

  /** For `bypass`: a guard that answers the request itself refuses it, whatever it returns. */
  protected unlessAnswered(upgrade: UpgradeResponse, examine: () => Awaitable<Verdict>): Awaitable<Verdict> {
    return settle(
      examine,
      (verdict) => (upgrade.isAnswered ? this.answered(upgrade) : verdict),
      (error) => {
        if (upgrade.isAnswered) return this.answered(upgrade);
        throw error;
      },
    );
  }

  private async answered(upgrade: UpgradeResponse): Promise<never> {
    await upgrade.ended;
    throw answeredError(upgrade);
  }

  /**
   * An upgrade stands at the door.
   *
   * @returns undefined when it is too late: nothing is left to do
   * @throws what the platform's error road should answer
   */
  protected async arrive({ incoming, raw, response, answer }: HttpExchange): Promise<UpgradeResponse | undefined> {
    const passed = (incoming as Passing)[PASSED]!;
    if (passed.isDone) return undefined;
    passed.isDone = true;
    try {
      passed.verdict = await passed.examine(LazyRequest.of(raw), () => response);
      return passed.upgrade;
    } catch (error) {
      passed.refusal = error;
      throw asHttpException(error, answer);
    }
  }

  /**
   * The application's parsers read a body to its end before they refuse it. One that is ours they must not see: the door
   * reads it, within our bounds. MUST be called before they run.
   *
   * @param isUnclaimed true for a request that no route takes: on a gateway's path nobody reads its body
   */
  protected hideBody(incoming: IncomingMessage, isUnclaimed = false): void {
    if (!(isUnclaimed || isUpstream(incoming)) || !this.door.answersGet(splitTarget(targetOf(incoming)).path)) return;
    const { headers } = incoming;
    this.bodies.set(incoming, Object.fromEntries(BODY_HEADERS.map((name) => [name, headers[name]])));
    for (const name of BODY_HEADERS) delete headers[name];
  }

  /**
   * A plain request stands at the door. One that middleware has answered already, or whose client has gone, goes no
   * further.
   *
   * @returns false when it is somebody else's
   * @throws what the platform's error road should answer
   */
  protected async answerPlain(exchange: HttpExchange, response: ServerResponse): Promise<boolean> {
    if (response.headersSent || response.writableEnded || response.destroyed) return true;
    const { headers } = exchange.incoming;
    for (const [name, value] of Object.entries(this.bodies.get(exchange.incoming) ?? {})) {
      if (value !== undefined) headers[name] = value;
    }
    try {
      if (await this.door.request(exchange)) return true;
      return exchange.incoming.method === 'GET' && (await this.door.probe(exchange));
    } catch (error) {
      throw asHttpException(error, exchange.answer);
    }
  }

  /** True for an upgrade that was sent on its way here. */
  protected isUpgrade(incoming: IncomingMessage): boolean {
    return PASSED in incoming;
  }
}

function answeredError(upgrade: UpgradeResponse, refusal?: unknown): AnsweredError {
  if (upgrade.isCut) return new AnsweredError(CLIENT_CLOSED_REQUEST, new Error('The client has gone'));
  return new AnsweredError(upgrade.response.statusCode, refusal);
}

/** To Express these are not errors: the request would go on to the next route. */
const SKIPPING: ReadonlySet<unknown> = new Set(['route', 'router']);

/** So that the application's exception filters see what a controller would have thrown. */
function asHttpException(error: unknown, answer: HttpAnswer): unknown {
  if (!error || SKIPPING.has(error)) {
    return new TypeError(`A guard or hook threw ${String(error)}, which is not an error: throw an HttpException`);
  }
  if (!(error instanceof HandshakeError)) return error;
  try {
    validateHeaders(error.headers);
  } catch (broken) {
    return broken;
  }
  for (const [name, value] of Object.entries(error.headers)) answer.header(name, value);
  return error.cause instanceof HttpException ? error.cause : new HttpException(error.body, error.status);
}
