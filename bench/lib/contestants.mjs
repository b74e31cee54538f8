/** The servers: how each is started, and how a client talks to it. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CORES, Peer } from './peer.mjs';

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

const BUNS = ['linux-x64', 'linux-x64-baseline', 'linux-aarch64', 'darwin-aarch64', 'darwin-x64'];

/** @returns the Bun that the environment names, or the one that npm installed, if any */
function bun() {
  const installed = BUNS.map((name) => at(`servers/node_modules/@oven/bun-${name}/bin/bun`));
  return [process.env.BENCH_BUN, ...installed].find((path) => path && existsSync(path));
}

/** Every bound is on. These rates are above what the load reaches; all other settings keep their defaults. */
const BOUNDS = {
  REALTIME_MAX_MESSAGE_RATE: '100000000',
  REALTIME_MAX_BYTE_RATE: '2147483647',
  REALTIME_MAX_CONNECTIONS_PER_ADDRESS: '1000000',
  REALTIME_MAX_CONNECTION_RATE: '1000000',
  REALTIME_MAX_CONNECTION_RATE_PER_ADDRESS: '1000000',
};

/** With `bufferutil`, `ws` unmasks natively. Only the contestant that has it in its name uses it. */
const WITHOUT_BUFFERUTIL = { WS_NO_BUFFER_UTIL: '1' };

const node = (file, env = {}) => ({
  command: [process.execPath, '--expose-gc', ...(process.env.BENCH_NODE_ARGS?.split(' ') ?? []), at(`servers/${file}`)],
  env: { NODE_ENV: 'production', ...WITHOUT_BUFFERUTIL, ...env },
});

const plain = {
  path: (place) => `/${place}?i={i}`,
  open: () => ({}),
  message: (bytes, place) => (ENVELOPED.has(place) ? envelope(bytes, place) : 'x'.repeat(bytes)),
  trigger: () => 'p',
};

/** Clients of a server that speaks TLS. */
const tls = { open: () => ({ isSecure: true }) };

const ENVELOPED = new Set(['json', 'guarded', 'validated']);

/** `{ event, data }` with a length of `bytes`. */
function envelope(bytes, place, prefix = '{"event":"echo","data":', suffix = '}') {
  if (place === 'validated') return `${prefix}{"text":"hello","amount":42}${suffix}`;
  return `${prefix}"${'x'.repeat(bytes - prefix.length - suffix.length - 2)}"${suffix}`;
}

const wsAdapter = {
  ...plain,
  path: (place) => `/${place === 'json' ? 'echo' : place}`,
  message: envelope,
  trigger: () => '{"event":"push"}',
};

/** The nodes of the study `cluster`. */
const hall = { path: (query) => `/hall?${query}`, open: () => ({}), trigger: (name) => name };
const socketIoHall = {
  path: (query) => `/socket.io/?EIO=4&transport=websocket&${query}`,
  open: () => ({ hello: '40', greeting: 2 }),
  trigger: (name) => `42["${name}"]`,
};

const NAMESPACES = { json: 'echo', users: 'rooms', churn: 'rooms' };

const socketIo = {
  path: (place) => `/socket.io/?EIO=4&transport=websocket&kind=${place}&i={i}`,
  open: (place) => ({ hello: `40/${NAMESPACES[place] ?? place},`, greeting: 2 }),
  message: (bytes, place) => {
    if (place === 'churn') return '42/rooms,["churn"]';
    return envelope(bytes, place, `42/${NAMESPACES[place] ?? place},["echo",`, ']');
  },
  trigger: (place) => (place === 'fan' ? '42/fan,["push"]' : `42/rooms,["${place}"]`),
};

export const contestants = {
  ws: { title: 'ws', ...node('ws.mjs'), ...plain },
  'ws+bufferutil': { title: 'ws + bufferutil', ...node('ws.mjs', { WS_NO_BUFFER_UTIL: '' }), ...plain },
  'ws+tls': { title: 'ws', ...node('ws.mjs', { BENCH_TLS: '1' }), ...plain, ...tls },
  WsAdapter: { title: 'Nest WsAdapter', ...node('nest-ws.mjs'), ...wsAdapter },
  IoAdapter: { title: 'Nest + socket.io', ...node('nest-socketio.mjs'), ...socketIo },
  express: { title: 'Express alone', ...node('express.mjs'), ...plain },
  bun: {
    title: 'Bun.serve',
    // It is looked up late, because the first run installs it
    get command() {
      const path = bun();
      return path && [path, at('servers/bun.mjs')];
    },
    env: {},
    ...plain,
  },
  realtime: { title: 'nestjs-realtime', ...node('realtime.mjs', BOUNDS), ...plain },
  'realtime+window': {
    title: 'nestjs-realtime, 1 ms window',
    ...node('realtime.mjs', { ...BOUNDS, REALTIME_FLUSH_WINDOW: '0.001' }),
    ...plain,
  },
  'realtime+tls': {
    title: 'nestjs-realtime',
    ...node('realtime.mjs', { ...BOUNDS, BENCH_TLS: '1' }),
    ...plain,
    ...tls,
  },
  'realtime+compression': {
    title: 'nestjs-realtime, compression offered',
    ...node('realtime.mjs', { ...BOUNDS, REALTIME_COMPRESSION: 'true' }),
    ...plain,
  },
  'realtime+middleware': {
    title: 'nestjs-realtime, three middlewares',
    ...node('realtime.mjs', { ...BOUNDS, BENCH_MIDDLEWARE: '1' }),
    ...plain,
  },
  // The next three are for studies: only the repository has the packages that they need
  'realtime+session': {
    title: 'nestjs-realtime, express-session',
    ...node('realtime.mjs', { ...BOUNDS, BENCH_SESSION: '1' }),
    ...plain,
  },
  'realtime+fastify': {
    title: 'nestjs-realtime on Fastify',
    ...node('realtime.mjs', { ...BOUNDS, BENCH_FASTIFY: '1' }),
    ...plain,
  },
  cluster: { title: 'nestjs-realtime', ...node('cluster-realtime.mjs', BOUNDS), ...hall },
  'cluster+classic': { title: 'Socket.IO, Redis adapter', ...node('cluster-socketio.mjs'), ...socketIoHall },
  'cluster+sharded': {
    title: 'Socket.IO, sharded adapter',
    ...node('cluster-socketio.mjs', { BENCH_ADAPTER: 'sharded' }),
    ...socketIoHall,
  },
  'workers+socketio': {
    title: 'Socket.IO, cluster adapter',
    ...node('workers-socketio.mjs', { BENCH_WORKERS: '4' }),
    ...socketIoHall,
  },
  soak: { title: 'nestjs-realtime', ...node('soak.mjs', BOUNDS), ...plain },
  streams: { title: 'nestjs-realtime', ...node('streams.mjs', BOUNDS), ...plain },
  validator: { title: 'ValidationPipe alone', ...node('validator.mjs'), ...plain },
  memory: { title: 'nestjs-realtime', ...node('memory.mjs', BOUNDS), ...plain },
  'memory+session': {
    title: 'nestjs-realtime, express-session',
    ...node('memory.mjs', { ...BOUNDS, BENCH_SESSION: '1' }),
    ...plain,
  },
  news: { title: 'nestjs-realtime and a plain endpoint', ...node('news.mjs', BOUNDS), ...plain },
};

/** `bench/` of another checkout, installed there: the library before a change, measured in the same run. */
const { BENCH_BEFORE } = process.env;
if (BENCH_BEFORE) {
  const { command, ...rest } = contestants.realtime;
  const server = `${BENCH_BEFORE}/servers/realtime.mjs`;
  contestants.before = { ...rest, command: [...command.slice(0, -1), server], title: 'nestjs-realtime before' };
}

/** The contestants of a case. */
export function contestantsOf({ on }) {
  return contestants.before && on.includes('realtime') ? ['before', ...on] : on;
}

/** @returns false where this machine cannot run it */
export function canRun(name) {
  return contestants[name]?.command !== undefined;
}

const OWN_PACKAGES = ['--import', new URL('own-packages.mjs', import.meta.url).href];

/**
 * @param options.core the core that the server is pinned to; none by default
 * @param options.env environment variables besides those of the contestant
 * @param options.hasOwnPackages runs it on the packages of the repository instead of those in bench/servers
 */
export async function startServer(name, { core, env = {}, hasOwnPackages = false } = {}) {
  const { command, env: own } = contestants[name];
  const [file, ...args] = command;
  const line = hasOwnPackages ? [file, ...OWN_PACKAGES, ...args] : command;
  const peer = new Peer(line, { core, env: { ...own, ...env }, shows: Boolean(process.env.BENCH_VERBOSE) });
  const { port } = await peer.ready;
  return { peer, port, cpu: async () => (await peer.call('cpu')).cpu, times: () => peer.call('cpu') };
}

export async function startLoad() {
  const peer = new Peer([process.execPath, at('lib/load.mjs')], { core: CORES.load });
  await peer.ready;
  return peer;
}

/** Starts a server and a load for it, each on a core of its own. */
export async function startPair(name, options) {
  const server = await startServer(name, { core: CORES.server, ...options });
  return { name, server, load: await startLoad() };
}

export const endPair = ({ server, load }) => Promise.all([server.peer.end(), load.end()]);
