/** The rows of the settings table about several nodes. docs/scaling.md says how they work together. */
import { z } from 'zod';
import { choice, count, flag, MAX_INT32, seconds, type Setting } from './kinds.js';

/** That of the hash (RFC 2104 §3). `openssl rand -base64 32` makes one. */
export const MIN_KEY_BYTES = 32;

/** A number above it is a mistake. */
const MAX_WORKERS = 256;

const APP = /^[A-Za-z0-9._-]{0,64}$/;

export const CLUSTER_SETTINGS = {
  broker: choice(
    'REALTIME_BROKER',
    ['memory', 'redis', 'workers'],
    'What carries pushes and questions between the nodes: `memory` is one process alone; `redis` needs `REALTIME_APP` and the package ioredis; `workers` is for the processes of one host. `REALTIME_REDIS_URL` implies `redis`, and `nestjs-realtime/workers` implies `workers`.',
  ),
  redisUrl: {
    env: 'REALTIME_REDIS_URL',
    fallback: '',
    schema: z.string(),
    allowed:
      'redis://[user:password@]host[:port][/db], rediss://…, redis+sentinel://…/name or redis+cluster://host:port,host:port',
    about:
      'Where Redis is, as one of `redis://`, `rediss://`, `redis+sentinel://` and `redis+cluster://`; user name and password are percent-encoded.',
    read: (text: string) => text,
    isSecret: true,
  } satisfies Setting<string>,
  app: {
    env: 'REALTIME_APP',
    fallback: '',
    schema: z.string().regex(APP),
    allowed: '1 to 64 characters of A-Z a-z 0-9 . _ -',
    about:
      'The name of the application: nodes with the same name on the same Redis are one cluster. For `workers` the default is made from the path of the main script.',
    read: (text: string) => text,
  } satisfies Setting<string>,
  clusterKeys: {
    env: 'REALTIME_CLUSTER_KEYS',
    fallback: [],
    schema: z.array(z.string().refine((key) => Buffer.byteLength(key) >= MIN_KEY_BYTES)).max(2),
    allowed: 'one key of at least 32 bytes, or two with a comma between them while keys are exchanged',
    about:
      'Keys with which nodes sign what they publish (HMAC-SHA256): the first signs, both are accepted. Empty: whoever may publish is trusted.',
    read: (text: string) =>
      text
        .split(',')
        .map((key) => key.trim())
        .filter(Boolean),
    isSecret: true,
  } satisfies Setting<string[]> as Setting<readonly string[]>,
  workers: {
    env: 'REALTIME_WORKERS',
    fallback: 'auto',
    schema: z.union([z.literal('auto'), z.number().int().min(1).max(MAX_WORKERS)]),
    allowed: `auto, or a whole number of processes, 1 to ${MAX_WORKERS}`,
    about:
      'How many processes `node --import nestjs-realtime/workers` runs; `auto` is one for each CPU. It is read from the environment or from `.env`.',
    read: (text: string) => (/^\d+$/.test(text) ? Number(text) : text.toLowerCase()),
  } satisfies Setting<'auto' | number> as Setting<'auto' | number>,
  workersFolder: {
    env: 'REALTIME_WORKERS_FOLDER',
    fallback: '',
    schema: z.string().regex(/^(\/.*)?$/),
    allowed: 'an absolute path of at most 80 bytes',
    about:
      'The folder of the sockets by which the workers of a host talk; it must belong to their user alone. Empty: one in the folder for temporary files.',
    read: (text: string) => text,
  } satisfies Setting<string>,
  maxWorkerBytes: count(
    'REALTIME_MAX_WORKER_BYTES',
    16_777_216,
    131_072,
    MAX_INT32,
    'bytes',
    'How many bytes may wait for another worker of this host; one that reads more slowly is cut off, and joins again.',
  ),
  brokerRequired: flag(
    'REALTIME_BROKER_REQUIRED',
    false,
    'Whether the application fails to start without the broker; by default it starts alone, and joins the others later.',
  ),
  readyWithoutBroker: flag(
    'REALTIME_READY_WITHOUT_BROKER',
    true,
    'Whether readiness stays up while the broker is away; with `false` all nodes leave the load balancer at once.',
  ),
  foreignPublishers: flag(
    'REALTIME_FOREIGN_PUBLISHERS',
    true,
    'Whether other programs may push by publishing JSON; with `REALTIME_CLUSTER_KEYS` they may not.',
  ),
  brokerTimeout: seconds(
    'REALTIME_BROKER_TIMEOUT',
    2,
    0.001,
    'How long the broker may take for a push or a subscription, before this node goes on without it.',
  ),
  askTimeout: seconds(
    'REALTIME_ASK_TIMEOUT',
    1,
    0.001,
    'How long other nodes may take to answer a question, or to obey an order, before they are reported as missing.',
  ),
  announceInterval: seconds(
    'REALTIME_ANNOUNCE_INTERVAL',
    2,
    0.001,
    'How often a node tells the others that it is there.',
  ),
  nodeLostTime: seconds(
    'REALTIME_NODE_LOST_TIME',
    6,
    0.001,
    'How long a node may be silent before the others count it as lost.',
  ),
  probeInterval: seconds(
    'REALTIME_PROBE_INTERVAL',
    10,
    0.001,
    'How often a node sends itself a message through the broker; one that is not back after half of this time cuts the connection.',
  ),
  maxNodes: count(
    'REALTIME_MAX_NODES',
    256,
    1,
    100_000,
    'nodes',
    'How many other nodes are known; those that announce themselves above that are ignored.',
  ),
  maxBrokerFrameBytes: count(
    'REALTIME_MAX_BROKER_FRAME_BYTES',
    2_097_152,
    131_072,
    MAX_INT32,
    'bytes',
    'How long one frame between nodes may be; messages have to be 64 KiB shorter.',
  ),
  maxInFlightBytes: count(
    'REALTIME_MAX_IN_FLIGHT_BYTES',
    16_777_216,
    0,
    MAX_INT32,
    'bytes',
    'How many bytes of pushes may be on their way through the broker and back; above that, members on this node get the oldest at once.',
  ),
  maxQuestions: count(
    'REALTIME_MAX_QUESTIONS',
    10_000,
    1,
    MAX_INT32,
    'questions',
    'How many questions may wait for answers of other nodes; one more is answered as if the others were missing.',
  ),
  maxOrders: count(
    'REALTIME_MAX_ORDERS',
    10_000,
    1,
    MAX_INT32,
    'orders',
    'How many orders are kept for nodes that have not obeyed them yet; above that, the oldest are given up.',
  ),
  maxRelays: count(
    'REALTIME_MAX_RELAYS',
    10_000,
    1,
    1_000_000,
    'relays',
    'How many streams and polls of connections of other nodes are served at once, and how many of its own connections others may serve; above that, requests get 503.',
  ),
  maxRelayBytes: count(
    'REALTIME_MAX_RELAY_BYTES',
    134_217_728,
    1024,
    Number.MAX_SAFE_INTEGER,
    'bytes',
    'How many bytes of all these streams and polls may be on their way to their clients; each may have an equal part, of 1 KiB to 64 KiB.',
  ),
};
