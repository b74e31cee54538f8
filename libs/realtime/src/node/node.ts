/**
 * Everything that the parts of one node share: settings, counters, limits, connections, and the way to the other nodes.
 * A class that needs some of it takes `Pick<Node, …>`.
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
  /** The first part of every connection id; no other node, and no other run of this one, has the same. */
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

  /** @returns a connection id that no other connection has or will ever have */
  nextConnectionId(): string {
    // `join` makes one flat string; with `+`, V8 would keep the parts as well
    return [this.id, (++this.ids).toString(36)].join('.');
  }

  /** Road OUT, step 7: hands a command to every node that has members of its channel, this one included. */
  publish(command: Command): Promise<void> {
    return this.broker.publish(command);
  }

  /**
   * Asks the nodes that may know the answer. No broker carries questions yet, so only this node is asked.
   *
   * @throws RealtimeError depending on the kind of question (see Answers)
   */
  async ask<K extends QuestionKind>(question: Question<K>): Promise<Answer<K>> {
    return this.answers.to(question);
  }

  /** Closes the user's other connections, on every node, with 4503. */
  replaceOthers(userId: string, connectionId: string): Promise<void> {
    const action = { kind: 'disconnect', code: CloseCode.REPLACED, reason: 'replaced by a newer connection' } as const;
    return this.publish({ channel: channelOf.user(userId), except: [channelOf.connection(connectionId)], action });
  }
}
