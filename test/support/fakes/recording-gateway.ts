/** A gateway for unit specs that records when its hooks start and end. */
import type { CloseInfo } from '../../../libs/realtime/src/close-info.js';
import type { Connection } from '../../../libs/realtime/src/connection.js';
import type { Gateway } from '../../../libs/realtime/src/gateway.js';
import type { Awaitable } from '../../../libs/realtime/src/awaitable.js';
import type { Message } from '../../../libs/realtime/src/message.js';

export type HookName = 'onOpen' | 'onMessage' | 'onClose';

/** How a hook behaves: it returns, throws, or returns a promise that the test settles. */
export type Behaviour = 'sync' | 'throw' | 'async';

/** One call of a hook. */
export interface HookRun {
  readonly hook: HookName;
  readonly connection: Connection;
  readonly text?: string;
  readonly close?: CloseInfo;
  isSettled: boolean;
  /** Settles an `async` run. */
  resolve(): void;
  reject(error: unknown): void;
}

/** The body of a hook: it decides how the hook behaves, and may act on the connection from inside. */
export type Body = (run: HookRun) => Behaviour | void;

export class RecordingGateway implements Gateway {
  readonly name = 'RecordingGateway';
  /** All calls of hooks, in order. */
  readonly runs: HookRun[] = [];
  /** The events, in order: `onOpen starts`, `onOpen ends`, `onMessage(hello) starts`, … */
  readonly events: string[] = [];
  /** How often a hook started while another hook of the same connection was running. */
  overlaps = 0;
  private readonly bodies = new Map<HookName, Body>();

  constructor(readonly path = '/ws') {}

  /** Sets what a hook does. Default: it returns at once. */
  on(hook: HookName, body: Behaviour | Body): this {
    this.bodies.set(hook, typeof body === 'string' ? () => body : body);
    return this;
  }

  onOpen(connection: Connection): Awaitable<void> {
    return this.run({ hook: 'onOpen', connection });
  }

  onMessage(connection: Connection, message: Message): Awaitable<void> {
    return this.run({ hook: 'onMessage', connection, text: message.text() });
  }

  onClose(connection: Connection, close: CloseInfo): Awaitable<void> {
    return this.run({ hook: 'onClose', connection, close });
  }

  of(hook: HookName): HookRun[] {
    return this.runs.filter((run) => run.hook === hook);
  }

  /** The run that has not settled; there is at most one per connection. */
  running(connection?: Connection): HookRun | undefined {
    return this.runs.find((run) => !run.isSettled && (!connection || run.connection === connection));
  }

  private run(facts: Pick<HookRun, 'hook' | 'connection' | 'text' | 'close'>): Awaitable<void> {
    if (this.running(facts.connection)) this.overlaps++;
    const { promise, resolve, reject } = deferred();
    const label = facts.text === undefined ? facts.hook : `${facts.hook}(${facts.text})`;
    const settle = (end: string, then: () => void) => {
      if (run.isSettled) return;
      run.isSettled = true;
      this.events.push(`${label} ${end}`);
      then();
    };
    const run: HookRun = {
      ...facts,
      isSettled: false,
      resolve: () => settle('ends', resolve),
      reject: (error) => settle('fails', () => reject(error)),
    };
    this.runs.push(run);
    this.events.push(`${label} starts`);
    const behaviour = this.bodies.get(facts.hook)?.(run) ?? 'sync';
    if (behaviour === 'async') return promise;
    settle(behaviour === 'throw' ? 'fails' : 'ends', () => {});
    if (behaviour === 'throw') throw new Error(`${label} throws`);
  }
}

function deferred() {
  let resolve!: () => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<void>((yes, no) => ([resolve, reject] = [yes, no]));
  return { promise, resolve, reject };
}
