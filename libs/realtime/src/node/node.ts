/**
 * Everything that the parts of one node share: settings, counters, limits, connections, and the way to the other nodes.
 * A class that needs some of it takes `Pick<Node, …>`.
 */
import { randomBytes } from 'node:crypto';
import type { Awaitable } from '../awaitable.js';
import type { Broker, LocalNode, NodeFacts } from '../broker.js';
import { type Action, type Channel, channelOf, type Command, nodeOf } from '../command.js';
import type { HistoryEvents } from '../history.js';
import { Hub } from '../hub.js';
import { Deadlines } from '../limits/deadlines.js';
import { Limits } from '../limits/limits.js';
import { errorField, type Log, stackOf } from '../log.js';
import {
  type Answer,
  NOBODY_ELSE,
  type OwnerQuestionKind,
  type Question,
  type QuestionKind,
  type Reached,
} from '../question.js';
import type { PresenceSink } from '../presence.js';
import type { RealtimeSettings } from '../settings/settings.js';
import { type AllAnswers, allOf } from './all-answers.js';
import { Answers, type NodeConnection } from './answers.js';
import { FaultLog } from './fault-log.js';
import { Heartbeat } from './heartbeat.js';
import { Histories } from './histories.js';
import { NodePresence } from './node-presence.js';
import { NO_CONNECTION, noAnswer, ownerIn } from './owner.js';
import { SlowConsumers } from './slow-consumers.js';
import { Counters, NO_HISTORY, type Stats } from '../stats.js';
import { type About, watched } from './watched-promise.js';

/** A hook that may take too long. */
export interface LateHook {
  /** Called once when its time is over. */
  late(): void;
}

/** True closes all other connections of a user, a number the oldest ones above it. */
export type Replace = boolean | { readonly keep: number };

/** Whose connection it will be, and where. */
interface Coming {
  readonly userId?: string;
  readonly rooms?: readonly string[];
}

export class Node implements LocalNode {
  /** The first part of every connection id; no other node, and no other run of this one, has the same. */
  readonly id = randomBytes(9).toString('base64url');
  readonly counters = new Counters();
  readonly limits: Limits;
  readonly faultLog: FaultLog;
  readonly heartbeat: Heartbeat;
  readonly slowConsumers: SlowConsumers;
  readonly hub: Hub<NodeConnection>;
  /** Undefined where neither rooms nor users have a history. */
  readonly histories?: Histories;
  /** Undefined where no room has presence. */
  readonly presentUsers?: NodePresence;
  /** The time that asynchronous hooks have. */
  readonly hookTimes: Deadlines<LateHook>;
  private readonly answers: Answers;
  /** Handshakes under way. The engine, which has them, sets it. */
  underWay: () => number = () => 0;
  /** Connections that have lost their wire. The engine, which has them, sets it. */
  detached: () => number = () => 0;
  private ids = 0;

  constructor(
    readonly settings: RealtimeSettings,
    readonly broker: Broker,
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
    this.histories = Histories.of(settings, broker, () => this.hub);
    this.hub = new Hub(broker, log, this.histories?.streams);
    this.presentUsers = NodePresence.of(this, broker);
    this.answers = new Answers(this.id, this.hub, settings, this.limits, () => this.stats(), this.presentUsers);
  }

  /** @returns logs a fault that would otherwise end a loop over connections */
  failed(what: string): (error: unknown) => void {
    return (error) => this.log.error(`Realtime ${what} failed error=${errorField(error)}`, stackOf(error));
  }

  /** @throws OptionsError for rooms with history over a broker that keeps none */
  async start(): Promise<void> {
    await this.broker.start(this);
    await this.histories?.check();
  }

  async stop(): Promise<void> {
    this.heartbeat.stop();
    this.hookTimes.clear();
    this.slowConsumers.stop();
    await this.presentUsers?.rooms.farewell();
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
   * @param what was called, and `about` whom: for the log, when nobody waits for the promise
   * @param work what was asked for; what it throws becomes the rejection
   */
  promise<T>(what: string, about: About, work: () => Awaitable<T>): Promise<T> {
    return watched(this.log, what, about, work);
  }

  // --- road OUT, step 7: to all nodes ---

  /** Hands a command to every node that has members of its channel, this one included. */
  publish(command: Command): Awaitable<Reached> {
    return this.broker.publish(command);
  }

  /** What the broker reports of rooms with history goes there. */
  get history(): HistoryEvents | undefined {
    return this.histories?.streams;
  }

  /**
   * Subscribes for a connection that is about to be opened, so that it misses nothing.
   *
   * @returns undefined when there is nothing to wait for; else resolves within `REALTIME_BROKER_TIMEOUT`
   */
  prepare(path: string, { userId, rooms = [] }: Coming): Promise<unknown> | undefined {
    if (!this.broker.isShared) return undefined;
    const own = [channelOf.path(path), ...rooms.map(channelOf.room)];
    return this.broker.prepare(userId === undefined ? own : [...own, channelOf.user(userId)]);
  }

  /**
   * Asks the node of one connection.
   *
   * @throws RealtimeError `no_answer` when that node does not answer in time, or what it throws itself
   */
  ask<K extends OwnerQuestionKind>(question: Question<K>): Awaitable<Answer<K>> {
    const { id } = question as Question<OwnerQuestionKind>;
    if (this.hub.connections.has(id)) return this.answer(question);
    const owner = nodeOf(id);
    return owner === this.id ? this.answer(question) : this.askOwner(question, owner);
  }

  /**
   * Asks all nodes that may know the answer.
   *
   * @returns the answers of those who answered in time, this node first
   */
  askAll<K extends QuestionKind>(question: Question<K>): Awaitable<AllAnswers<Answer<K>>> {
    const owner = ownerIn(question as Question);
    const own = owner === undefined || owner === this.id ? [this.answer(question)] : [];
    if (owner === this.id || !this.broker.isShared) return allOf(own, NOBODY_ELSE);
    const asked = this.broker.ask(question, owner);
    return Promise.resolve(asked).then((others) => allOf(own, others));
  }

  /** Answers a question about the connections of this node, for any node. */
  answer<K extends QuestionKind>(question: Question<K>): Awaitable<Answer<K>> {
    const answer = this.answers.to(question);
    const subscribed = question.kind === 'order' && this.subscribed((question as Question<'order'>).action);
    return subscribed ? subscribed.then(() => answer) : answer;
  }

  /**
   * Closes connections of a user with 4503: all others on every node, or the oldest on this node.
   *
   * @param id the connection that replaces them
   */
  replace(userId: string, id: string, replace: Replace): Awaitable<unknown> {
    const channel = channelOf.user(userId);
    const action = { kind: 'replace', by: id } as const;
    if (typeof replace === 'boolean') return this.publish({ channel, except: [], action });
    const open = [...this.hub.members(channel)].filter(({ isOpen }) => isOpen);
    for (const { id } of open.slice(0, -replace.keep)) this.answers.to({ kind: 'order', id, action });
    return undefined;
  }

  // --- what it says of itself ---

  get presence(): PresenceSink | undefined {
    return this.presentUsers?.sink;
  }

  deliver(command: Command): void {
    this.hub.deliver(command);
  }

  size(channel: Channel): number {
    return this.hub.size(channel);
  }

  facts(): NodeFacts {
    const { hub } = this;
    const [rooms, users] = [hub.count(channelOf.room('')), hub.count(channelOf.user(''))];
    return { connections: hub.connections.size, rooms, users };
  }

  /** @returns a copy of what this node has counted, and of what is open now */
  stats(): Stats {
    const { counters, limits, slowConsumers, broker } = this;
    const { connections: current, rooms, users } = this.facts();
    const [unfinished, detached, present] = [this.underWay(), this.detached(), this.presentUsers?.size ?? 0];
    const now = { current, detached, present, slow: slowConsumers.count, unfinished, rooms, users };
    const counted = { ...counters, closed: { ...counters.closed }, limits: { ...limits.counts } };
    return { ...counted, ...now, history: this.histories?.stats() ?? NO_HISTORY, broker: broker.stats() };
  }

  private async askOwner<K extends OwnerQuestionKind>(question: Question<K>, owner: string): Promise<Answer<K>> {
    const { answers, missing } = await this.broker.ask(question, owner);
    if (missing.length > 0) throw noAnswer(owner, this.broker.isDegraded);
    const [answer] = answers.values();
    return answer ?? (NO_CONNECTION[question.kind] as Answer<K>);
  }

  /** Resolves when pushes of other nodes come to whoever has obeyed. */
  private subscribed(action: Action): Promise<unknown> | undefined {
    if (!this.broker.isShared) return undefined;
    if (action.kind === 'join') return this.broker.prepare([channelOf.room(action.room)]);
    return action.kind === 'bind' ? this.broker.prepare([channelOf.user(action.userId)]) : undefined;
  }
}
