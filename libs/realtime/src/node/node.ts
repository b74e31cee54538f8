/**
 * What everything on one node shares: its settings, counters and bounds, its connections, and the way to the other
 * nodes. Whoever needs a part of it takes `Pick<Node, …>`.
 */
import { randomBytes } from 'node:crypto';
import { CloseCode } from 'nestjs-realtime-protocol';
import type { Broker } from '../broker.js';
import { channelOf, type Command } from '../command.js';
import { Hub } from '../hub.js';
import { Limits } from '../limits/limits.js';
import type { Log } from '../log.js';
import type { Answer, Question, QuestionKind } from '../question.js';
import type { RealtimeSettings } from '../settings/settings.js';
import { Answers, type NodeConnection } from './answers.js';
import { FaultLog } from './fault-log.js';
import { Heartbeat } from './heartbeat.js';
import { SlowConsumers } from './slow-consumers.js';
import { Counters } from './stats.js';

export class Node {
  /** Unique over nodes and restarts; the first part of every connection id. */
  readonly id = randomBytes(9).toString('base64url');
  readonly counters = new Counters();
  readonly limits: Limits;
  readonly faultLog: FaultLog;
  readonly heartbeat: Heartbeat;
  readonly slowConsumers: SlowConsumers;
  readonly hub: Hub<NodeConnection>;
  private readonly answers: Answers;
  private ids = 0;

  constructor(
    readonly settings: RealtimeSettings,
    private readonly broker: Broker,
    readonly log: Log,
  ) {
    this.limits = new Limits(log, settings.limits === 'report');
    this.faultLog = new FaultLog(log);
    this.heartbeat = new Heartbeat(settings);
    this.slowConsumers = new SlowConsumers(settings.maxSlowTime, this.limits);
    this.hub = new Hub(broker, log);
    this.answers = new Answers(this.id, this.hub, settings, this.limits);
  }

  async start(): Promise<void> {
    await this.broker.start((command) => this.hub.deliver(command));
  }

  async stop(): Promise<void> {
    this.heartbeat.stop();
    this.slowConsumers.stop();
    await this.broker.stop();
  }

  /** @returns a connection id that no other connection has, or will have */
  nextConnectionId(): string {
    // Joined, it is one string; added up, V8 would keep its parts as well
    return [this.id, (++this.ids).toString(36)].join('.');
  }

  /** Road OUT, step 7: hands a command to every node that has members of its channel, this one included. */
  publish(command: Command): Promise<void> {
    return this.broker.publish(command);
  }

  /**
   * Asks the nodes that may know. No broker carries questions yet, so this node is the one that does.
   *
   * @throws RealtimeError as the question's kind says (see Answers)
   */
  async ask<K extends QuestionKind>(question: Question<K>): Promise<Answer<K>> {
    return this.answers.to(question);
  }

  /** Closes the user's other connections, on every node, with 4503. */
  replaceOthers(userId: string, connectionId: string): Promise<void> {
    const action = { kind: 'disconnect', code: CloseCode.REPLACED, reason: 'replaced by a newer connection' } as const;
    return this.publish({ channel: channelOf.user(userId), except: new Set([connectionId]), action });
  }
}
