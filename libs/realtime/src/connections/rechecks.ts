/**
 * Asks the guards of open connections again, so that a user whose access was revoked is out: at intervals, and when the
 * application orders it. A bounded number of guards runs at a time, however many connections are due.
 */
import { CloseCode } from 'nestjs-realtime-protocol';
import type { CloseInitiator } from '../close-info.js';
import type { Connection } from '../connection.js';
import { HandshakeError } from '../errors.js';
import type { Gateway } from '../gateway.js';
import type { Admission } from '../handshake/admission.js';
import { Attempts } from '../handshake/attempts.js';
import { KeptRequest } from '../handshake/kept-request.js';
import { Deadlines } from '../limits/deadlines.js';
import type { Node } from '../node/node.js';

/** The connection whose guards are asked. */
interface Checked extends Pick<Connection, 'id' | 'path' | 'transport' | 'isOpen'> {
  end(code: number, reason: string, initiator: CloseInitiator): void;
}

/** The guards of one open connection. */
export interface Recheck {
  readonly connection: Checked;
  readonly gateway: Gateway;
  readonly kept: KeptRequest;
}

export class Rechecks {
  private readonly due: Deadlines<Recheck>;
  private readonly waiting: (() => void)[] = [];
  private readonly attempts: Attempts<Recheck, void>;
  private running = 0;

  constructor(private readonly node: Pick<Node, 'settings' | 'log' | 'counters' | 'faultLog' | 'failed'>) {
    const { recheckInterval, handshakeTimeout } = node.settings;
    const again = (recheck: Recheck) => void this.ask(recheck);
    this.due = new Deadlines(recheckInterval * 1000 || Infinity, again, node.failed('recheck'));
    this.attempts = new Attempts(handshakeTimeout * 1000, (_recheck, refuse) =>
      refuse(new Error(`The guards took longer than ${handshakeTimeout} s`)),
    );
  }

  /** Keeps the request of a connection whose guards will be asked again. @returns undefined where they will not be */
  of(connection: Checked, { gateway, request }: Admission): Recheck | undefined {
    const isKept = gateway.recheck === true || this.node.settings.recheckInterval > 0;
    if (!gateway.guard || !isKept) return undefined;
    const recheck = { connection, gateway, kept: new KeptRequest(request) };
    this.due.add(recheck);
    return recheck;
  }

  /** The connection has ended. */
  delete(recheck: Recheck): void {
    this.due.delete(recheck);
  }

  stop(): void {
    this.due.clear();
  }

  /**
   * Asks the guards of a connection. A refusal with 401 or 403 closes it with 4501; anything else that they throw is
   * logged, and the connection stays.
   *
   * @returns false when the connection was refused
   */
  async ask(recheck: Recheck): Promise<boolean> {
    const { connection } = recheck;
    this.due.delete(recheck);
    await this.turn();
    try {
      if (connection.isOpen) await this.attempts.run(recheck, () => this.guard(recheck));
      return true;
    } catch (error) {
      return !this.refused(connection, error);
    } finally {
      this.endTurn();
      if (connection.isOpen) this.due.add(recheck);
    }
  }

  private async guard({ gateway, kept }: Recheck): Promise<void> {
    const { request, response } = await kept.again();
    await gateway.guard!(request, response);
  }

  private refused(connection: Checked, error: unknown): boolean {
    if (error instanceof HandshakeError && (error.status === 401 || error.status === 403)) {
      connection.end(CloseCode.UNAUTHORIZED, 'unauthorized', 'server');
      return true;
    }
    this.node.counters.hookErrors++;
    this.node.faultLog.report(connection, 'recheck', error);
    return false;
  }

  /** Waits until fewer than `REALTIME_MAX_RECHECKS` guards are running. */
  private async turn(): Promise<void> {
    if (this.running < this.node.settings.maxRechecks) this.running++;
    else await new Promise<void>((go) => this.waiting.push(go));
  }

  /** Gives the turn to the next that waits, so that nobody who comes meanwhile can take it. */
  private endTurn(): void {
    const next = this.waiting.shift();
    if (next) next();
    else this.running--;
  }
}
