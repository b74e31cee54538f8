/** A handler for unit specs that records when its hooks start and end, and a node (engine) that it is bound to. */
import { AsyncResource } from 'node:async_hooks';
import type { Broker } from '../../../libs/realtime/src/broker.js';
import { MemoryBroker } from '../../../libs/realtime/src/brokers/memory.js';
import type { CloseInfo } from '../../../libs/realtime/src/close-info.js';
import type { Connection } from '../../../libs/realtime/src/connection.js';
import type { LiveConnection } from '../../../libs/realtime/src/connections/live-connection.js';
import { Engine } from '../../../libs/realtime/src/engine.js';
import type { Gateway } from '../../../libs/realtime/src/gateway.js';
import { HandshakeRequest } from '../../../libs/realtime/src/handshake-request.js';
import { Addresses } from '../../../libs/realtime/src/handshake/addresses.js';
import type { Admission } from '../../../libs/realtime/src/handshake/admission.js';
import { Places } from '../../../libs/realtime/src/handshake/places.js';
import type { Awaitable, Identity } from '../../../libs/realtime/src/hooks.js';
import type { Log } from '../../../libs/realtime/src/log.js';
import type { Message } from '../../../libs/realtime/src/message.js';
import { RealtimeServer } from '../../../libs/realtime/src/server.js';
import type { RealtimeOptions } from '../../../libs/realtime/src/settings/options.js';
import { RealtimeSettings } from '../../../libs/realtime/src/settings/settings.js';
import { fakeRequest, FakeSocket, type FakeSocketOptions } from './fake-socket.js';

export type HookName = 'onOpen' | 'onMessage' | 'onClose';

/** How a hook behaves: it returns, throws, or gives a promise that the test settles. */
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

/** A hook's body: decides how it behaves, and may act on the connection from inside. */
export type Body = (run: HookRun) => Behaviour | void;

export class RecordingGateway implements Gateway {
  readonly name = 'RecordingGateway';
  /** Every call, in order. */
  readonly runs: HookRun[] = [];
  /** What happened, in order: `onOpen starts`, `onOpen ends`, `onMessage(hello) starts`, … */
  readonly events: string[] = [];
  /** Times a hook of a connection started while another one of it was running. */
  overlaps = 0;
  private readonly bodies = new Map<HookName, Body>();

  constructor(readonly path = '/ws') {}

  /** Says what a hook does; without it hooks are synchronous. */
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

  /** The run that is under way; there is at most one per connection. */
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

/** Keeps the lines, each with its level in front: `log …`, `warn …`. */
export class RecordingLog implements Log {
  readonly lines: string[] = [];
  readonly stacks: string[] = [];
  log = (line: string) => this.keep('log', line);
  warn = (line: string) => this.keep('warn', line);
  debug = (line: string) => this.keep('debug', line);
  verbose = (line: string) => this.keep('verbose', line);
  error = (line: string, stack?: string) => {
    this.keep('error', line);
    if (stack !== undefined) this.stacks.push(stack);
  };

  with(text: string): string[] {
    return this.lines.filter((line) => line.includes(text));
  }

  private keep(level: string, line: string): void {
    this.lines.push(`${level} ${line}`);
  }
}

/** A node of one gateway (or several) over fake sockets. */
export class FakeNode {
  readonly log = new RecordingLog();
  readonly engine: Engine;
  readonly server: RealtimeServer;
  readonly gateway = new RecordingGateway();

  constructor(options: RealtimeOptions = {}, broker: Broker = new MemoryBroker()) {
    this.engine = new Engine(RealtimeSettings.from({ envFile: false, ...options }, {}), broker, this.log);
    this.server = new RealtimeServer(this.engine);
    this.engine.gate.bind(this.gateway);
  }

  async start(): Promise<this> {
    await this.engine.start();
    return this;
  }

  /** A connection past its handshake; its `onOpen` has started. */
  open(identity: Identity = {}, options: OpenOptions = {}) {
    const { gateway = this.gateway, socket = new FakeSocket(options) } = options;
    const admission = fakeAdmission({ gateway, identity, id: this.engine.node.nextConnectionId() });
    const connection = this.engine.open(admission, socket, 'websocket') as LiveConnection;
    socket.attach(connection);
    connection.opened();
    return { socket, connection };
  }

  /** As `open`, and `onOpen` has settled: with synchronous hooks the connection is idle. */
  async opened(identity?: Identity, options?: OpenOptions) {
    const opened = this.open(identity, options);
    await turn();
    return opened;
  }
}

export interface OpenOptions extends FakeSocketOptions {
  readonly gateway?: Gateway;
  /** Default: a new one with these options. */
  readonly socket?: FakeSocket;
}

/** Lets everything that waits in microtasks happen; no clock is needed. */
export async function turn(): Promise<void> {
  for (let ticks = 0; ticks < 20; ticks++) await Promise.resolve();
}

/** What a request was admitted with: by default as nobody, with a place of its own ledger. */
export function fakeAdmission(parts: Partial<Admission> & Pick<Admission, 'gateway'>): Admission {
  const { path } = parts.gateway;
  return {
    id: 'node.1',
    request: new HandshakeRequest(fakeRequest({ url: path }), { path }),
    identity: {},
    scope: new AsyncResource('FakeHandshake'),
    place: new Places(new Addresses(Infinity)).take('192.0.2.7', parts.identity?.userId),
    ...parts,
  };
}
