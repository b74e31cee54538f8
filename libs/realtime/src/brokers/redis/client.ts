/** The part of ioredis that the link uses, and the options it depends on. ioredis is an optional peer dependency. */
import type { Duplex } from 'node:stream';
import { OptionsError } from '../../errors.js';

export type ClientOptions = Readonly<Record<string, unknown>>;

/** A connection of ioredis to one server. */
export interface RedisClient {
  readonly isCluster: boolean;
  readonly options: ClientOptions;
  readonly stream?: Duplex;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'messageBuffer' | 'smessageBuffer', listener: (channel: Buffer, bytes: Buffer) => void): unknown;
  on(event: 'close' | 'end' | 'moved', listener: () => void): unknown;
  connect(): Promise<void>;
  disconnect(): void;
  duplicate(options: ClientOptions): RedisClient;
  info(section: string): Promise<string>;
  role(): Promise<readonly unknown[]>;
  cluster(subcommand: 'SLOTS'): Promise<unknown>;
  callBuffer(command: string, ...args: readonly (string | number | Buffer)[]): Promise<unknown>;
  publish(channel: string, bytes: Buffer): Promise<number>;
  spublish(channel: string, bytes: Buffer): Promise<number>;
  subscribe(...channels: string[]): Promise<unknown>;
  ssubscribe(...channels: string[]): Promise<unknown>;
  unsubscribe(...channels: string[]): Promise<unknown>;
  sunsubscribe(...channels: string[]): Promise<unknown>;
}

/** A Cluster of ioredis, as far as its settings are read. */
export interface RedisClusterClient {
  readonly isCluster: boolean;
  readonly options: { readonly redisOptions?: ClientOptions; readonly natMap?: unknown };
  nodes(role?: string): readonly RedisClient[];
}

export type RedisConstructor = new (options: ClientOptions) => RedisClient;

/**
 * Our own options, on every connection. ioredis neither repeats nor keeps a command: after a cut, a repeated one would
 * run twice. It does not reconnect either: the link makes a new connection, whose state is known.
 */
export const EXACT_OPTIONS: ClientOptions = {
  lazyConnect: true,
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  enableOfflineQueue: false,
  enableAutoPipelining: false,
  enableReadyCheck: true,
  retryStrategy: () => null,
  sentinelRetryStrategy: () => null,
  reconnectOnError: null,
  failoverDetector: false,
  // ioredis waits so long, in milliseconds, even for a connection that has ended; the process could not exit meanwhile
  disconnectTimeout: 50,
  commandTimeout: undefined,
  socketTimeout: undefined,
  keyPrefix: '',
  readOnly: false,
  role: 'master',
  stringNumbers: false,
};

/** @throws OptionsError when ioredis is not installed */
export async function loadIoredis(load: () => Promise<unknown> = () => import('ioredis')): Promise<RedisConstructor> {
  try {
    const { Redis } = (await load()) as { Redis: RedisConstructor };
    return Redis;
  } catch (error) {
    if (!['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'].includes(String((error as NodeJS.ErrnoException).code))) {
      throw error;
    }
    throw new OptionsError('The broker redis needs the package ioredis, which is not installed: npm install ioredis');
  }
}

/**
 * Before version 6, a message of the server about a moved slot ends a subscription of ours that is still pending.
 *
 * @throws OptionsError when the client is of an ioredis that cannot be used with a Cluster
 */
export function checkClusterSupport(client: RedisClient): void {
  if ('protocol' in client.options) return;
  throw new OptionsError('A Redis Cluster needs ioredis 6 or later: npm install ioredis@6');
}
