/**
 * Every setting is one row of the table below: its type, default, bounds, environment name and one sentence.
 * `.env.example` and `docs/settings.md` are generated from it (`npm run docs:settings`) and held to it by a test.
 * Times are seconds, as in LaravelS and Swoole, fractions allowed; every other number names its unit.
 */
import { isIP } from 'node:net';
import { z } from 'zod';

/** One row of the settings table. */
export interface Setting<T> {
  /** The environment variable. */
  readonly env: string;
  /** What holds when nobody says otherwise. */
  readonly fallback: T;
  readonly schema: z.ZodType<T>;
  /** What is allowed, in words; a boot error quotes it. */
  readonly allowed: string;
  /** One sentence for the docs. */
  readonly about: string;
  /** Reads the text of an environment variable; what it cannot read it returns as it is, for the schema to refuse. */
  readonly read: (text: string) => unknown;
}

const number = (text: string): unknown => (Number.isNaN(Number(text)) ? text : Number(text));

function seconds(env: string, fallback: number, min: number, about: string): Setting<number> {
  const zero = min === 0 ? ', 0 turns it off' : '';
  const allowed = `seconds, ${min || 0} to 86400, fractions allowed${zero}`;
  return { env, fallback, schema: z.number().min(min).max(86_400), allowed, about, read: number };
}

function count(env: string, fallback: number, min: number, max: number, unit: string, about: string): Setting<number> {
  const allowed = `a whole number of ${unit}, ${min} to ${max}`;
  return { env, fallback, schema: z.number().int().min(min).max(max), allowed, about, read: number };
}

const WORDS: ReadonlyMap<string, boolean> = new Map([
  ...['true', '1', 'yes', 'on'].map((word) => [word, true] as const),
  ...['false', '0', 'no', 'off'].map((word) => [word, false] as const),
]);

function flag(env: string, fallback: boolean, about: string): Setting<boolean> {
  const read = (text: string) => WORDS.get(text.toLowerCase()) ?? text;
  return { env, fallback, schema: z.boolean(), allowed: 'true or false (also 1/0, yes/no, on/off)', about, read };
}

const ORIGIN = /^(\*|null|https?:\/\/(\*\.)?[^\s/*@?#]+)$/i;

/** Largest value that ws takes as a limit: 2^31 and more, and everything below 1, would mean "unlimited". */
const MAX_INT32 = 2 ** 31 - 1;

/** The table. Its order is the order of the docs. */
export const SETTINGS = {
  enabled: flag('REALTIME_ENABLED', true, 'Off: upgrades get 404 and `RealtimeServer` delivers to nobody.'),
  listenIp: {
    env: 'REALTIME_LISTEN_IP',
    fallback: '127.0.0.1',
    schema: z.string().refine((text) => isIP(text) !== 0),
    allowed: 'an IPv4 or IPv6 address, such as 127.0.0.1, 0.0.0.0 or ::',
    about: 'The address the application listens on, when its `main.ts` passes it to `app.listen`.',
    read: (text: string) => text,
  } satisfies Setting<string>,
  listenPort: count('REALTIME_LISTEN_PORT', 3000, 0, 65_535, 'the port', 'The port, likewise; 0 takes any free one.'),
  path: {
    env: 'REALTIME_PATH',
    fallback: '/ws',
    schema: z.string().regex(/^\/[^\s?#]*$/),
    allowed: 'a path that starts with /, without spaces, ? or #',
    about: 'The path of a gateway with hooks that names none itself.',
    read: (text: string) => text,
  } satisfies Setting<string>,
  heartbeatPingInterval: seconds(
    'REALTIME_HEARTBEAT_PING_INTERVAL',
    25,
    0,
    'A connection that has been silent this long is pinged; 0 never pings (the passive mode of LaravelS).',
  ),
  heartbeatIdleTime: seconds(
    'REALTIME_HEARTBEAT_IDLE_TIME',
    60,
    0,
    'A connection that has sent nothing (data, ping or pong) this long is closed with 4000; alone set, the check interval is half of it.',
  ),
  heartbeatCheckInterval: seconds(
    'REALTIME_HEARTBEAT_CHECK_INTERVAL',
    15,
    0,
    'How often idle connections are looked for, at most half the idle time; alone set, the idle time is twice it.',
  ),
  handshakeTimeout: seconds(
    'REALTIME_HANDSHAKE_TIMEOUT',
    10,
    0.001,
    'How long a handshake may take, hooks included, before it gets 503.',
  ),
  closeTimeout: seconds(
    'REALTIME_CLOSE_TIMEOUT',
    5,
    0.001,
    'How long a client may take to answer a close frame before its connection is cut.',
  ),
  shutdownTimeout: seconds(
    'REALTIME_SHUTDOWN_TIMEOUT',
    10,
    0.001,
    'How long a shutdown waits for running hooks and closing connections before it cuts them.',
  ),
  maxConnections: count(
    'REALTIME_MAX_CONNECTIONS',
    100_000,
    1,
    10_000_000,
    'connections',
    'Connections and unfinished handshakes of this process; one more gets 503.',
  ),
  maxMessageBytes: count(
    'REALTIME_MAX_MESSAGE_BYTES',
    1_048_576,
    1,
    MAX_INT32,
    'bytes',
    'Longest message a client may send, after inflation; a longer one closes with 1009.',
  ),
  maxFragments: count(
    'REALTIME_MAX_FRAGMENTS',
    128,
    1,
    MAX_INT32,
    'fragments',
    'Fragments of one message; more close with 1008.',
  ),
  maxBufferedChunks: count(
    'REALTIME_MAX_BUFFERED_CHUNKS',
    4096,
    16,
    MAX_INT32,
    'chunks',
    'Network reads that one unfinished frame may be spread over; more close with 1008.',
  ),
  maxQueuedMessages: count(
    'REALTIME_MAX_QUEUED_MESSAGES',
    128,
    1,
    1_000_000,
    'messages',
    'Messages of one client that may wait for its hooks; then its socket is not read until half are handled.',
  ),
  maxQueuedBytes: count(
    'REALTIME_MAX_QUEUED_BYTES',
    1_048_576,
    1,
    MAX_INT32,
    'bytes',
    'Bytes of one client that may wait for its hooks, likewise.',
  ),
  maxBufferedBytes: count(
    'REALTIME_MAX_BUFFERED_BYTES',
    1_048_576,
    1024,
    MAX_INT32,
    'bytes',
    'Bytes that may wait for a client to read them; one message more closes it with 4001. No single message may be longer.',
  ),
  maxNameLength: count(
    'REALTIME_MAX_NAME_LENGTH',
    256,
    1,
    65_536,
    'characters',
    'Longest name of a room or user; a longer one is refused with `bad_name`.',
  ),
  allowedOrigins: {
    env: 'REALTIME_ALLOWED_ORIGINS',
    fallback: [],
    schema: z.array(z.string().regex(ORIGIN)),
    allowed: 'a comma-separated list of origins: https://app.example.com, https://*.example.com, null, or * for any',
    about: 'Origins that may connect from a browser besides the same origin.',
    read: (text: string) =>
      text
        .split(',')
        .map((item) => item.trim())
        .filter(Boolean),
  } satisfies Setting<string[]> as Setting<readonly string[]>,
  compression: flag('REALTIME_COMPRESSION', false, 'Offers permessage-deflate (RFC 7692); it costs memory and CPU.'),
  compressionThresholdBytes: count(
    'REALTIME_COMPRESSION_THRESHOLD_BYTES',
    1024,
    0,
    MAX_INT32,
    'bytes',
    'Messages below this length are sent uncompressed.',
  ),
};

type SettingsTable = typeof SETTINGS;

/** The name of a setting in code. */
export type SettingName = keyof SettingsTable;

/** The value of every setting. */
export type SettingValues = {
  readonly [K in SettingName]: SettingsTable[K] extends Setting<infer T> ? T : never;
};

/** What `RealtimeModule.forRoot()` takes: any setting, which then wins over the environment, and the file to read. */
export interface RealtimeOptions extends Partial<SettingValues> {
  /** A file of `REALTIME_*` variables; the real environment wins over it. Default `.env`; `false` reads none. */
  readonly envFile?: string | false;
}
