import { AsyncResource } from 'node:async_hooks';
import type { Broker } from '../../../libs/realtime/src/broker.js';
import { MemoryBroker } from '../../../libs/realtime/src/brokers/memory.js';
import type { LiveConnection } from '../../../libs/realtime/src/connections/live-connection.js';
import { Engine } from '../../../libs/realtime/src/engine.js';
import type { Gateway } from '../../../libs/realtime/src/gateway.js';
import { HandshakeRequest } from '../../../libs/realtime/src/handshake-request.js';
import { Addresses } from '../../../libs/realtime/src/handshake/addresses.js';
import type { Admission } from '../../../libs/realtime/src/handshake/admission.js';
import { Places } from '../../../libs/realtime/src/handshake/places.js';
import type { Identity } from '../../../libs/realtime/src/hooks.js';
import { RealtimeServer } from '../../../libs/realtime/src/server.js';
import type { RealtimeOptions } from '../../../libs/realtime/src/settings/options.js';
import { RealtimeSettings } from '../../../libs/realtime/src/settings/settings.js';
import { fakeRequest, FakeSocket, type FakeSocketOptions } from './fake-socket.js';
import { RecordingGateway } from './recording-gateway.js';
import { RecordingLog } from './recording-log.js';
import { SETTLED } from './settled.js';

/** An engine over fake sockets, with one gateway to begin with. */
export class FakeNode {
  readonly engine: Engine;
  readonly server: RealtimeServer;
  readonly gateway = new RecordingGateway();

  constructor(
    options: RealtimeOptions = {},
    broker: Broker = new MemoryBroker(),
    readonly log = new RecordingLog(),
  ) {
    this.engine = new Engine(RealtimeSettings.from({ envFile: false, ...options }, {}), broker, this.log);
    this.server = new RealtimeServer(this.engine);
    this.engine.gate.bind(this.gateway);
  }

  async start(): Promise<this> {
    await this.engine.start();
    return this;
  }

  /** Opens a connection past its handshake; its `onOpen` has started. */
  open(identity: Identity = {}, options: OpenOptions = {}) {
    const { gateway = this.gateway, socket = new FakeSocket(options), transport = 'websocket', headers = {} } = options;
    const { path } = gateway;
    const request = new HandshakeRequest(fakeRequest({ url: path, headers }), { path, transport });
    const admission = fakeAdmission({ gateway, identity, request, id: this.engine.node.nextConnectionId() });
    const connection = this.engine.open(admission, socket, transport) as LiveConnection;
    socket.attach(connection);
    connection.opened();
    return { socket, connection };
  }

  /** Like `open`, and a synchronous `onOpen` has settled: the connection is idle. */
  async opened(identity?: Identity, options?: OpenOptions) {
    const opened = this.open(identity, options);
    await turn();
    return opened;
  }
}

export interface OpenOptions extends FakeSocketOptions {
  readonly gateway?: Gateway;
  /** Default: `websocket`. */
  readonly transport?: string;
  /** Of its handshake. Default: none. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: a new one with these options. */
  readonly socket?: FakeSocket;
}

/** Runs everything that waits in microtasks; no clock is needed. */
export async function turn(): Promise<void> {
  for (let ticks = 0; ticks < 20; ticks++) await SETTLED;
}

/** Settles every hook that is running, and those that waited for it, until nothing moves. */
export async function settleAll(gateway: RecordingGateway): Promise<void> {
  for (await turn(); gateway.running(); await turn()) gateway.running()!.resolve();
}

/** The admission of a request: by default without a user, with a place of a ledger of its own. */
export function fakeAdmission(parts: Partial<Admission> & Pick<Admission, 'gateway'>): Admission {
  const { path } = parts.gateway;
  return {
    id: 'node.1',
    request: new HandshakeRequest(fakeRequest({ url: path }), { path }),
    identity: {},
    protocol: '',
    scope: new AsyncResource('FakeHandshake'),
    place: new Places(new Addresses(Infinity)).take('192.0.2.7', parts.identity?.userId),
    ...parts,
  };
}
