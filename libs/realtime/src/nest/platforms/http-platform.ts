/**
 * Road IN, step 2: the application's own HTTP stack in front of the hooks. An upgrade is dispatched as the request it
 * also is; what its middleware lets through arrives at a door that stands where the first controller stands. Admission
 * is only what the door says: whoever ends the response before, or instead, refuses.
 */
import type { IncomingMessage, Server } from 'node:http';
import { HttpException } from '@nestjs/common';
import { AnsweredError, HandshakeError } from '../../errors.js';
import type { Examine, Platform } from '../../platform.js';
import type { PlatformRequest } from '../../handshake-request.js';
import type { Admission } from '../../transports/transport.js';
import type { UpgradeResponse } from '../../upgrade-response.js';

/** The engine, for requests at the door that are no upgrade. */
export interface Door {
  answersGet(path: string): boolean;
  /** @throws always: the answer */
  probe(request: IncomingMessage, raw: PlatformRequest & object, response: unknown): Promise<never>;
}

/** An upgrade on its way through the middleware. */
interface Visit {
  readonly upgrade: UpgradeResponse;
  readonly examine: Examine;
  admission?: Admission;
  refusal?: unknown;
}

/** A header of the platform's response is set. */
export type SetHeader = (name: string, value: string) => void;

export abstract class HttpPlatform implements Platform {
  private readonly visits = new WeakMap<IncomingMessage, Visit>();

  constructor(
    private readonly server: Server,
    protected readonly door: Door,
  ) {}

  /** Builds the door. Called once, when the application's routes stand. */
  abstract mount(paths: readonly string[]): void;

  abstract describe(request: IncomingMessage): PlatformRequest & object;

  abstract addressOf(request: IncomingMessage): string | undefined;

  async pass(upgrade: UpgradeResponse, examine: Examine): Promise<Admission> {
    const visit: Visit = { upgrade, examine };
    this.visits.set(upgrade.request, visit);
    this.server.emit('request', upgrade.request, upgrade.response);
    await upgrade.ended;
    this.visits.delete(upgrade.request);
    if (visit.admission) return visit.admission;
    throw new AnsweredError(upgrade.response.statusCode, visit.refusal);
  }

  /**
   * A request stands at the door.
   *
   * @returns the upgrade that is admitted
   * @throws what the platform's error road should answer
   */
  protected async arrive(
    node: IncomingMessage,
    raw: PlatformRequest & object,
    response: unknown,
    setHeader: SetHeader,
  ): Promise<UpgradeResponse> {
    const visit = this.visits.get(node);
    try {
      if (!visit) return await this.door.probe(node, raw, response);
      this.visits.delete(node);
      visit.admission = await visit.examine(raw, response);
      return visit.upgrade;
    } catch (error) {
      if (visit) visit.refusal = error;
      throw asHttpException(error, setHeader);
    }
  }

  /** True for an upgrade that was sent on its way here. */
  protected isVisit(node: IncomingMessage): boolean {
    return this.visits.has(node);
  }
}

/** So that the application's exception filters see what a controller would have thrown. */
function asHttpException(error: unknown, setHeader: SetHeader): unknown {
  if (!(error instanceof HandshakeError)) return error;
  for (const [name, value] of Object.entries(error.headers)) setHeader(name, value);
  return error.cause instanceof HttpException ? error.cause : new HttpException(error.body, error.status);
}
