/**
 * Every setting is one row of a table: its type, default, bounds, environment name and one sentence. Bounds, and the
 * settings of several nodes and of histories, have tables of their own. `.env.example` and `docs/settings.md` are
 * generated from all (`npm run docs:settings`) and held to them by a test. Times are seconds, as in LaravelS and Swoole,
 * fractions allowed; every other number names its unit.
 */
import { isIP } from 'node:net';
import { z } from 'zod';
import { CLUSTER_SETTINGS } from './cluster-options.js';
import { HISTORY_SETTINGS } from './history-options.js';
import { PRESENCE_SETTINGS } from './presence-options.js';
import { LIMIT_SETTINGS } from './limit-options.js';
import { choice, count, flag, MAX_INT32, ORIGIN, seconds, type Setting } from './kinds.js';
import type { RoomSettings } from './room-options.js';
import { SHUTDOWN_SETTINGS } from './shutdown-options.js';

/** A way to connect. */
export type TransportName = 'websocket' | 'sse' | 'polling';

const list = (text: string): string[] =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean);

/** The table. Its order is the order of the docs. */
export const SETTINGS = {
  enabled: flag(
    'REALTIME_ENABLED',
    true,
    'Whether the module is on; when it is off, upgrades get 404 and `RealtimeServer` delivers to nobody.',
  ),
  listenIp: {
    env: 'REALTIME_LISTEN_IP',
    fallback: '127.0.0.1',
    schema: z.string().refine((text) => isIP(text) !== 0),
    allowed: 'an IPv4 or IPv6 address, such as 127.0.0.1, 0.0.0.0 or ::',
    about: 'The address that the application listens on, provided that its `main.ts` passes it to `app.listen`.',
    read: (text: string) => text,
  } satisfies Setting<string>,
  listenPort: count(
    'REALTIME_LISTEN_PORT',
    3000,
    0,
    65_535,
    'a port',
    'The port that the application listens on, provided that its `main.ts` passes it to `app.listen`; 0 picks a free port.',
  ),
  path: {
    env: 'REALTIME_PATH',
    fallback: '/ws',
    schema: z.string().regex(/^\/[^\s?#]*$/),
    allowed: 'a path that starts with /, without spaces, ? or #',
    about: 'The path of a gateway with hooks that does not name a path itself.',
    read: (text: string) => text,
  } satisfies Setting<string>,
  transports: {
    env: 'REALTIME_TRANSPORTS',
    fallback: ['websocket', 'sse', 'polling'],
    schema: z.array(z.enum(['websocket', 'sse', 'polling'])).min(1),
    allowed: 'a comma-separated list of websocket, sse and polling',
    about: 'The transports that gateways accept on their path.',
    read: list,
  } satisfies Setting<TransportName[]> as Setting<readonly TransportName[]>,
  heartbeatPingInterval: seconds(
    'REALTIME_HEARTBEAT_PING_INTERVAL',
    25,
    0,
    'How long a connection may be silent before it is pinged; 0 never pings (the passive mode of LaravelS).',
  ),
  heartbeatIdleTime: seconds(
    'REALTIME_HEARTBEAT_IDLE_TIME',
    60,
    0,
    'How long a client may send nothing (no data, ping or pong) before it is closed with 4000; if only this is set, the check interval becomes half of it.',
  ),
  heartbeatCheckInterval: seconds(
    'REALTIME_HEARTBEAT_CHECK_INTERVAL',
    15,
    0,
    'How often the server looks for idle connections, at most half the idle time; if only this is set, the idle time becomes twice as long.',
  ),
  handshakeTimeout: seconds(
    'REALTIME_HANDSHAKE_TIMEOUT',
    10,
    0.001,
    'How long a handshake may take, hooks included, before it is refused with 503.',
  ),
  closeTimeout: seconds(
    'REALTIME_CLOSE_TIMEOUT',
    5,
    0.001,
    'How long a client may take to answer a close frame before its connection is cut.',
  ),
  ...SHUTDOWN_SETTINGS,
  graceTime: seconds(
    'REALTIME_GRACE_TIME',
    15,
    0.001,
    'How long a connection of polling, SSE or a client library survives without a request or a wire before it is closed.',
  ),
  pollHold: seconds(
    'REALTIME_POLL_HOLD',
    20,
    0.001,
    'How long a poll is held open while there is nothing to deliver; keep it below 30.',
  ),
  sseHold: seconds(
    'REALTIME_SSE_HOLD',
    300,
    0,
    'How long one SSE stream is held open, up to a fifth less; then its client has to come back, which shows that it is still there. 0 for no limit: a client that vanishes is then noticed only when the network gives up, after some 15 minutes.',
  ),
  sseRetry: seconds('REALTIME_SSE_RETRY', 2, 0, 'How long an EventSource is asked to wait before it reconnects.'),
  authenticateTimeout: seconds(
    'REALTIME_AUTHENTICATE_TIMEOUT',
    5,
    0.001,
    'How long the first message and `onAuthenticate` may take, on gateways that have that hook, before the connection is closed with 4501, or with 1013 while the hook runs.',
  ),
  expiryNotice: seconds(
    'REALTIME_EXPIRY_NOTICE',
    0,
    0,
    'How long before its credential expires a client gets the event `rt:expires`, so that it can send a newer one.',
  ),
  recheckInterval: seconds(
    'REALTIME_RECHECK_INTERVAL',
    0,
    0,
    'How often the guards of open connections are asked again, so that a revoked user is out; a request is then kept for each connection.',
  ),
  maxRechecks: count(
    'REALTIME_MAX_RECHECKS',
    20,
    1,
    10_000,
    'connections',
    'How many open connections have their guards asked again at the same time; the others wait.',
  ),
  queryToken: {
    env: 'REALTIME_QUERY_TOKEN',
    fallback: '',
    schema: z.string().regex(/^[\w.-]*$/),
    allowed: 'the name of a query parameter: letters, digits, _ . -',
    about:
      'The query parameter that `request.token` and `bearerToken()` are read from; empty reads none, because queries end up in access logs.',
    read: (text: string) => text,
  } satisfies Setting<string>,
  cookieToken: {
    env: 'REALTIME_COOKIE_TOKEN',
    fallback: '',
    schema: z.string().regex(/^[\w.-]*$/),
    allowed: 'the name of a cookie: letters, digits, _ . -',
    about:
      'The cookie that `request.token` and `bearerToken()` are read from, if the request has no other credential; empty reads none.',
    read: (text: string) => text,
  } satisfies Setting<string>,
  allowedOrigins: {
    env: 'REALTIME_ALLOWED_ORIGINS',
    fallback: [],
    schema: z.array(z.string().regex(ORIGIN)),
    allowed: 'a comma-separated list of origins: https://app.example.com, https://*.example.com, null, or * for any',
    about: 'The origins whose pages may connect, besides the same origin.',
    read: list,
  } satisfies Setting<string[]> as Setting<readonly string[]>,
  flushWindow: seconds(
    'REALTIME_FLUSH_WINDOW',
    0,
    0,
    'How long pushes are collected before they are written together; 0 collects them for one turn of the event loop, 0.001 adds a millisecond and saves CPU under load.',
  ),
  compression: flag(
    'REALTIME_COMPRESSION',
    false,
    'Whether permessage-deflate (RFC 7692) is offered to clients; it costs memory and CPU.',
  ),
  compressionThresholdBytes: count(
    'REALTIME_COMPRESSION_THRESHOLD_BYTES',
    1024,
    0,
    MAX_INT32,
    'bytes',
    'The length below which messages are sent uncompressed.',
  ),
  logLifecycle: choice(
    'REALTIME_LOG_LIFECYCLE',
    ['all', 'failures', 'none'],
    'Which lines about connections are logged: `all`; `failures`, which are refusals and connections that did not end cleanly; `none`. Errors of the application and limits that are reached are always logged.',
  ),
  logMessages: flag(
    'REALTIME_LOG_MESSAGES',
    false,
    'Whether each received message gets a line at the level `verbose`, with its length and never its content; it costs more than the message itself.',
  ),
  ...CLUSTER_SETTINGS,
  ...HISTORY_SETTINGS,
  ...PRESENCE_SETTINGS,
  ...LIMIT_SETTINGS,
};

type SettingsTable = typeof SETTINGS;

/** The name of a setting in code. */
export type SettingName = keyof SettingsTable;

/** The value of every setting. */
export type SettingValues = {
  readonly [K in SettingName]: SettingsTable[K] extends Setting<infer T> ? T : never;
};

/** What `RealtimeModule.forRoot()` takes: any setting, which then wins over the environment, and the file to read. */
export interface RealtimeOptions extends Partial<SettingValues>, RoomSettings {
  /** A file of `REALTIME_*` variables; the real environment wins over it. Default `.env`; `false` reads none. */
  readonly envFile?: string | false;
  /** An instance of ioredis in place of `REALTIME_REDIS_URL`: connections with its options are made, it stays as it is. */
  readonly redis?: IoredisInstance;
}

/** A `Redis` or a `Cluster` of ioredis. */
export interface IoredisInstance {
  readonly isCluster: boolean;
}
