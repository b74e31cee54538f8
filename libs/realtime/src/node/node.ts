/**
 * Everything that the parts of one node share: settings, counters, limits, connections, and the way to the other nodes.
 * A class that needs some of it takes `Pick<Node, …>`.
 */
import { randomBytes } from 'node:crypto';
import { CloseCode } from 'nestjs-realtime-protocol';
import type { Awaitable } from '../awaitable.js';
import type { Broker } from '../broker.js';
import { type Action, channelOf, type Command } from '../command.js';
import { RealtimeError } from '../errors.js';
import { Hub } from '../hub.js';
import { Deadlines } from '../limits/deadlines.js';
import { Limits } from '../limits/limits.js';
import { errorField, type Log, stackOf } from '../log.js';
import type { Answer, Question, QuestionKind } from '../question.js';
import type { RealtimeSettings } from '../settings/settings.js';
import { Answers, type NodeConnection } from './answers.js';
import { FaultLog } from './fault-log.js';
import { Heartbeat } from './heartbeat.js';
import { SlowConsumers } from './slow-consumers.js';
import { Counters } from './stats.js';
import { type About, watched } from './watched-promise.js';

/** A hook that may take too long. */
export interface LateHook {
  /** Called once when its time is over. */
  late(): void;
}

/** What `RealtimeServer.recheck()` has done. */
export interface Rechecked {
  /** How many connections were checked; one that has no guards may stay. */
  readonly checked: number;
  /** How many of them were refused, and are closed with 4501. */
  readonly closed: number;
}

/** True closes all other connections of a user, a number the oldest ones above it. */
export type Replace = boolean | { readonly keep: number };

const REPLACED: Action = { kind: 'disconnect', code: CloseCode.REPLACED, reason: 'replaced by a newer connection' };

export class Node {
  /** The first part of every connection id; no other node, and no other run of this one, has the same. */
  readonly id = randomBytes(9).toString('base64url');
  readonly counters = new Counters();
  readonly limits: Limits;
  readonly faultLog: FaultLog;
  readonly heartbeat: Heartbeat;
  readonly slowConsumers: SlowConsumers;
  readonly hub: Hub<NodeConnection>;
  /** The time that asynchronous hooks have. */
  readonly hookTimes: Deadlines<LateHook>;
  private readonly answers: Answers;
  private ids = 0;

  constructor(
    readonly settings: RealtimeSettings,
    private readonly broker: Broker,
    readonly log: Log,
  ) {
    this.limits = new Limits(log, settings.limits === 'report');
    this.faultLog = new FaultLog(log);
    this.heartbeat = new Heartbeat(settings, this.faultLog);
    this.slowConsumers = new SlowConsumers(settings.maxSlowTime, this.limits, this.failed('slow time'));
    this.hookTimes = new Deadlines(
      settings.hookTimeout * 1000 || Infinity,
      (hook) => hook.late(),
      this.failed('hook time'),
    );
    this.hub = new Hub(broker, log);
    this.answers = new Answers(this.id, this.hub, settings, this.limits);
  }

  /** @returns logs a fault that would otherwise end a loop over connections */
  failed(what: string): (error: unknown) => void {
    return (error) => this.log.error(`Realtime ${what} failed error=${errorField(error)}`, stackOf(error));
  }

  async start(): Promise<void> {
    await this.broker.start((command) => this.hub.deliver(command));
  }

  async stop(): Promise<void> {
    this.heartbeat.stop();
    this.hookTimes.clear();
    this.slowConsumers.stop();
    await this.broker.stop();
  }

  /** @returns a connection id that no other connection has or will ever have */
  nextConnectionId(): string {
    // `join` makes one flat string; with `+`, V8 would keep the parts as well
    return [this.id, (++this.ids).toString(36)].join('.');
  }

  /**
   * Makes the promise that the application gets for a call: whatever it rejects with, the process lives.
   *
   * @param about for the log, when nobody waits for the promise
   * @param work what was asked for; what it throws becomes the rejection
   */
  promise<T>(about: About, work: () => Awaitable<T>): Promise<T> {
    return watched(this.log, about, work);
  }

  /** Road OUT, step 7: hands a command to every node that has members of its channel, this one included. */
  publish(command: Command): Awaitable<void> {
    return this.broker.publish(command);
  }

  /**
   * Asks the nodes that may know the answer. No broker carries questions yet, so only this node is asked.
   *
   * @throws RealtimeError depending on the kind of question (see Answers)
   */
  ask<K extends QuestionKind>(question: Question<K>): Awaitable<Answer<K>> {
    return this.answers.to(question);
  }

  /**
   * Closes connections of a user with 4503: all others on every node, or the oldest on this node.
   *
   * @param id the connection that replaces them
   */
  replace(userId: string, id: string, replace: Replace): Awaitable<void> {
    const channel = channelOf.user(userId);
    if (typeof replace === 'boolean')
      return this.publish({ channel, except: [channelOf.connection(id)], action: REPLACED });
    const open = [...this.hub.members(channel)].filter(({ isOpen }) => isOpen);
    for (const { id } of open.slice(0, -replace.keep)) this.answers.to({ kind: 'order', id, action: REPLACED });
  }

  /**
   * Asks the guards of a user's connections on this node again.
   *
   * @throws RealtimeError `not_kept` for connections whose request was not kept; the others are asked all the same
   */
  async recheck(userId: string): Promise<Rechecked> {
    const asked = [...this.hub.members(channelOf.user(userId))].map((connection) => connection.recheck());
    const kept = asked.filter((answer) => answer !== undefined);
    const stayed = (await Promise.all(kept)).filter(Boolean).length;
    if (kept.length < asked.length) throw notKept(asked.length - kept.length);
    return { checked: kept.length, closed: kept.length - stayed };
  }
}

function notKept(count: number): RealtimeError {
  return new RealtimeError(
    'not_kept',
    `The requests of ${count} connections were not kept, so their guards cannot be asked again: set recheck: true in @WebSocketGateway() or REALTIME_RECHECK_INTERVAL`,
  );
}
