/** Nodes of one application over a real broker, with fake sockets. */
import type { Broker } from '../../../libs/realtime/src/broker.js';
import { MemoryBroker } from '../../../libs/realtime/src/brokers/memory.js';
import { redisConnection } from '../../../libs/realtime/src/brokers/redis/redis-connection.js';
import { ClusterBroker } from '../../../libs/realtime/src/cluster/cluster-broker.js';
import { type Link, LINK_TIMES, type LinkTimes } from '../../../libs/realtime/src/cluster/link.js';
import type { LiveConnection } from '../../../libs/realtime/src/connections/live-connection.js';
import type { Identity } from '../../../libs/realtime/src/hooks.js';
import type { RealtimeOptions } from '../../../libs/realtime/src/settings/options.js';
import { RealtimeSettings } from '../../../libs/realtime/src/settings/settings.js';
import { until } from '../process-guard.js';
import { FakeNode, type OpenOptions } from './fake-node.js';
import type { FakeSocket } from './fake-socket.js';
import { RecordingLog } from './recording-log.js';

let applications = 0;

export class ClusterNode extends FakeNode {
  get id(): string {
    return this.engine.node.id;
  }

  /** Resolves when every order that this node gave to a user before has been obeyed or given up: this one comes after. */
  async settled(userId: string): Promise<void> {
    await this.server.toUser(userId).leave('nowhere');
  }

  /** How many orders of this node some other node has not acknowledged yet. */
  get ordersUnderWay(): number {
    return (this.engine.node.broker as ClusterBroker)['orders'].given.size;
  }
}

/** A connection of a test, and what it was sent. */
export class ClusterMember {
  constructor(
    readonly connection: LiveConnection,
    readonly socket: FakeSocket,
  ) {}

  get texts(): string[] {
    return this.socket.sent.map(String);
  }

  /** Waits for so many messages, or for this one. */
  async until(what: number | string): Promise<void> {
    const isThere = (texts: string[]) => (typeof what === 'number' ? texts.length >= what : texts.includes(what));
    await until(`the message ${what}`, () => this.texts, isThere);
  }
}

export class ClusterNodes {
  private readonly app = `app${process.pid}-${++applications}`;
  private readonly started: ClusterNode[] = [];

  /**
   * @param url the address of the service; undefined for memory
   * @param defaults what every node is started with
   * @param link makes a link to the service; default: one to the Redis there
   */
  constructor(
    private readonly url: string | undefined,
    private readonly defaults: RealtimeOptions = {},
    private readonly link?: (url: string, node: string) => Link,
  ) {}

  /** Starts a node; over memory it is alone. */
  one(options: RealtimeOptions = {}): Promise<ClusterNode> {
    return this.start(options, this.url === undefined ? new MemoryBroker() : undefined);
  }

  /** Starts two nodes; over memory one takes both parts. */
  async pair(options: RealtimeOptions = {}): Promise<[ClusterNode, ClusterNode]> {
    if (this.url !== undefined) return Promise.all([this.start(options), this.start(options)]);
    const alone = await this.one(options);
    return [alone, alone];
  }

  /** @param broker default: one over the service of this test */
  async start(options: RealtimeOptions = {}, broker?: Broker, times: Partial<LinkTimes> = {}): Promise<ClusterNode> {
    const service = this.link ? ({ broker: 'workers' } as const) : ({ broker: 'redis', redisUrl: this.url } as const);
    const shared = { ...service, app: this.app, ...this.defaults, ...options };
    const all = broker ? options : shared;
    const log = new RecordingLog();
    const settings = RealtimeSettings.from({ envFile: false, ...all }, {});
    const connect = async (node: string) =>
      this.link?.(this.url!, node) ??
      redisConnection({ at: settings.redisUrl, app: this.app, node, times: { ...LINK_TIMES, ...times } });
    const node = new ClusterNode(all, broker ?? new ClusterBroker(settings.broker, settings, log, connect), log);
    // The places of fake admissions are in no ledger of the gate
    node.engine.node.underWay = () => 0;
    this.started.push(node);
    await node.start();
    return node;
  }

  /** Opens a connection as the handshake does: it is subscribed first. */
  async open(node: ClusterNode, identity: Identity = {}, options: OpenOptions = {}): Promise<ClusterMember> {
    await node.engine.node.prepare('/ws', identity);
    const { connection, socket } = await node.opened(identity, options);
    return new ClusterMember(connection, socket);
  }

  async stop(): Promise<void> {
    await Promise.all(this.started.splice(0).map((node) => node.engine.stop()));
  }
}
