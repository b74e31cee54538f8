/** One Redis, a Sentinel or a Cluster: which server has which channel, and how to connect to it. */
import { PARTITIONS, partitionOf } from '../../cluster/channel-names.js';
import { OptionsError } from '../../errors.js';
import { parseAddress, redactor, shownAddress, type HostPort } from './address.js';
import {
  checkClusterSupport,
  EXACT_OPTIONS,
  type ClientOptions,
  type RedisClient,
  type RedisClusterClient,
  type RedisConstructor,
} from './client.js';
import { mastersOf } from './slots.js';

/** A server, and a way to make connections to it. */
export interface Server {
  readonly key: string;
  connect(): RedisClient;
}

export interface Topology {
  /** For people, without credentials. */
  readonly shown: string;
  readonly isSharded: boolean;
  readonly partitions: number;
  /** Takes the credentials out of a text. */
  readonly redact: (text: string) => string;
  /** The number of the partition that a channel is in. */
  partitionOf(channel: string): number;
  /** What the names of a partition's channels begin with. */
  prefixOf(app: string, partition: number): string;
  /** @returns the server of each partition. @throws when nobody knows */
  servers(): Promise<readonly Server[]>;
}

/** What an application passes in place of a URL. */
export type PassedClient = RedisClient | RedisClusterClient;

/**
 * @param at a URL, or an instance of ioredis, whose settings are used for connections of our own
 * @throws OptionsError for a URL that is not one, and for a Cluster with an ioredis before version 6
 */
export function topologyOf(at: string | PassedClient, Redis: RedisConstructor, connectTimeout: number): Topology {
  const exact = { ...EXACT_OPTIONS, connectTimeout, sentinelCommandTimeout: connectTimeout };
  if (typeof at !== 'string') return isCluster(at) ? passedCluster(at, Redis, exact) : passed(at, exact);
  const address = parseAddress(at);
  const { username, password, db, tls, kind, hosts, masterName } = address;
  const common = { ...exact, username, password, db, ...(tls && { tls: {} }) };
  const named = { shown: shownAddress(address), redact: redactor(username, password) };
  if (kind === 'cluster') return cluster(named, hosts, (to) => new Redis({ ...common, ...to }));
  if (kind === 'single') return single(named, () => new Redis({ ...common, ...hosts[0]! }));
  const by = { name: masterName, enableTLSForSentinelMode: tls, ...(tls && { sentinelTLS: {} }) };
  return single(named, () => new Redis({ ...common, ...by, sentinels: shuffled(hosts) }));
}

const isCluster = (client: PassedClient): client is RedisClusterClient => client.isCluster;

type Named = Pick<Topology, 'shown' | 'redact'>;

function single(named: Named, connect: () => RedisClient): Topology {
  const servers = [{ key: 'redis', connect }];
  return {
    ...named,
    isSharded: false,
    partitions: 1,
    partitionOf: () => 0,
    prefixOf: (app) => `${app}:`,
    servers: async () => servers,
  };
}

function cluster(named: Named, seeds: readonly HostPort[], connect: (to: HostPort) => RedisClient): Topology {
  checkClusterSupport(connect(seeds[0]!));
  let known = seeds;
  const servers = async () => {
    const masters = await ask([...shuffled(known), ...seeds], connect);
    known = [...new Map(masters.map((each) => [keyOf(each), each])).values()];
    return masters.map((to) => ({ key: keyOf(to), connect: () => connect(to) }));
  };
  return {
    ...named,
    isSharded: true,
    partitions: PARTITIONS,
    partitionOf,
    prefixOf: (app, partition) => `${app}:${PARTITIONS}:{${partition}}.`,
    servers,
  };
}

const keyOf = ({ host, port }: HostPort) => `${host}:${port}`;

/** @returns the first answer. @throws the error of the last server */
async function ask(hosts: readonly HostPort[], connect: (to: HostPort) => RedisClient): Promise<HostPort[]> {
  let failure: unknown;
  for (const to of hosts) {
    try {
      return await mastersSeenBy(to, connect(to));
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

async function mastersSeenBy(to: HostPort, client: RedisClient): Promise<HostPort[]> {
  let failure: Error | undefined;
  client.on('error', (error: Error) => (failure ??= error));
  const { connectTimeout } = client.options as { connectTimeout: number };
  const cut = setTimeout(() => client.stream?.destroy(new Error(`${keyOf(to)} did not answer`)), connectTimeout);
  try {
    await client.connect();
    return mastersOf(await client.cluster('SLOTS'), to.host);
  } catch (error) {
    throw failure ?? error;
  } finally {
    clearTimeout(cut);
    client.disconnect();
  }
}

/** A sentinel or server that does not answer is not always the first to be asked. */
function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

function passed(client: RedisClient, exact: ClientOptions): Topology {
  const { host, port, path, sentinels, name, username, password, sentinelPassword } =
    client.options as unknown as Passed;
  const shown = sentinels ? `sentinel ${name}` : (path ?? `${host}:${port}`);
  const redact = redactor(username, password, sentinelPassword);
  return single({ shown: `redis ${shown} (passed)`, redact }, () =>
    client.duplicate({ ...exact, ...(sentinels && { sentinels: shuffled(sentinels) }) }),
  );
}

interface Passed extends HostPort {
  readonly path?: string;
  readonly sentinels?: readonly HostPort[] | null;
  readonly name?: string;
  readonly username?: string;
  readonly password?: string;
  readonly sentinelPassword?: string;
}

function passedCluster(client: RedisClusterClient, Redis: RedisConstructor, exact: ClientOptions): Topology {
  const { redisOptions = {}, natMap } = client.options;
  const seeds = client.nodes().map(({ options }) => ({ host: String(options['host']), port: Number(options['port']) }));
  if (seeds.length === 0) {
    throw new OptionsError('The Cluster of ioredis that was passed is not connected: pass it when it is ready');
  }
  const { username, password } = redisOptions as unknown as Passed;
  const named = { shown: `redis+cluster ${seeds.map(keyOf).join(',')} (passed)`, redact: redactor(username, password) };
  return cluster(named, seeds, (to) => new Redis({ ...redisOptions, ...exact, ...translated(natMap, to), db: 0 }));
}

/** The address of a server as this process reaches it, by the `natMap` of the Cluster. */
function translated(natMap: unknown, to: HostPort): HostPort {
  const found = typeof natMap === 'function' ? natMap(keyOf(to)) : (natMap as Record<string, HostPort>)?.[keyOf(to)];
  return (found as HostPort | null | undefined) ?? to;
}
