/**
 * 10,000 idle connections and pushes to everyone: memory per connection, and the time to the last client.
 * The server is a real Nest application in a process of its own, so are the clients (raw sockets, no WebSocket library).
 *
 *   npm run bench:idle -- --connections 10000 --bytes 128 --pushes 5
 */
import { execSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    connections: { type: 'string', default: '10000' },
    bytes: { type: 'string', default: '128' },
    pushes: { type: 'string', default: '5' },
    role: { type: 'string', default: 'main' },
  },
});
const connections = Number(values.connections);
const bytes = Number(values.bytes);
const pushes = Number(values.pushes);

/** Handshakes under way at the same time. */
const BATCH = 200;

// --- server: memory and pushes, on request ---

async function serve() {
  const { Module } = await import('@nestjs/common');
  const { NestFactory } = await import('@nestjs/core');
  const { WebSocketGateway } = await import('@nestjs/websockets');
  const { RealtimeModule, RealtimeServer } = await import('nestjs-realtime');

  class IdleGateway {
    onOpen() {}
    onMessage() {}
    onClose() {}
  }
  WebSocketGateway({ path: '/ws' })(IdleGateway);
  class AppModule {}
  const heartbeat = { heartbeatPingInterval: 300, heartbeatIdleTime: 600, heartbeatCheckInterval: 60 };
  const imports = [RealtimeModule.forRoot({ envFile: false, ...heartbeat })];
  Module({ imports, providers: [IdleGateway] })(AppModule);
  const app = await NestFactory.create(AppModule, { logger: ['error'] });
  await app.listen(0, '127.0.0.1');
  const server = app.get(RealtimeServer);
  const requests = {
    memory: () => memory(),
    count: () => server.toEveryone().count(),
    push: () => push(server),
    close: () => app.close(),
  };
  process.on('message', async ({ request }) => process.send({ reply: await requests[request]() }));
  process.send({ reply: app.getHttpServer().address().port });
}

async function memory() {
  for (let round = 0; round < 3; round++) {
    globalThis.gc();
    await delay(200);
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss, heapUsed, external };
}

async function push(server) {
  const loop = monitorEventLoopDelay({ resolution: 1 });
  loop.enable();
  await delay(50);
  loop.reset();
  const startedAt = process.hrtime.bigint();
  await server.toEveryone().push('x'.repeat(bytes));
  const pushedAt = process.hrtime.bigint();
  await delay(1000);
  loop.disable();
  return { startedAt: String(startedAt), callMs: Number(pushedAt - startedAt) / 1e6, loopMaxMs: loop.max / 1e6 };
}

// --- clients: they count what arrives ---

/** The length of one message on the wire: RFC 6455 §5.2, unmasked. */
const frameBytes = bytes + (bytes < 126 ? 2 : bytes < 65_536 ? 4 : 10);

async function runClients() {
  const clients = [];
  let arrived = 0;
  let lastAt = 0n;
  const heard = () => {
    if (++arrived === connections) lastAt = process.hrtime.bigint();
  };
  const requests = {
    connect: async (port) => {
      for (let from = 0; from < connections; from += BATCH) {
        const count = Math.min(BATCH, connections - from);
        clients.push(...(await Promise.all(Array.from({ length: count }, () => openClient(port, heard)))));
      }
      return clients.length;
    },
    expect: () => void (arrived = 0),
    arrived: async () => {
      for (let waited = 0; arrived < connections && waited < 30_000; waited += 10) await delay(10);
      return { arrived, lastAt: String(lastAt) };
    },
    close: () => clients.forEach((client) => client.destroy()),
  };
  process.on('message', async ({ request, value }) => process.send({ reply: await requests[request](value) }));
  process.send({ reply: 'ready' });
}

const KEY = Buffer.alloc(16, 7).toString('base64');

/** A connected socket after its handshake; every `frameBytes` that come in are one message. */
function openClient(port, heard) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let unread = 0;
    const count = (chunk) => {
      for (unread += chunk.length; unread >= frameBytes; unread -= frameBytes) heard();
    };
    socket.once('data', (chunk) => {
      const answer = chunk.toString('latin1');
      if (!answer.startsWith('HTTP/1.1 101 ')) return reject(new Error(`The handshake was refused: ${answer}`));
      socket.on('data', count);
      resolve(socket);
    });
    socket.on('error', reject);
    socket.write(
      `GET /ws HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\n\r\n`,
    );
  });
}

// --- main: one after the other, then the table ---

/** The bounds against a flood from one address would refuse this bench; a server without them ignores the names. */
const NO_FLOOD_BOUNDS = {
  REALTIME_MAX_CONNECTIONS_PER_ADDRESS: '1000000',
  REALTIME_MAX_CONNECTION_RATE: '1000000',
  REALTIME_MAX_CONNECTION_RATE_PER_ADDRESS: '1000000',
};

function start(role) {
  const args = ['--role', role, '--connections', values.connections, '--bytes', values.bytes];
  const env = { ...process.env, ...NO_FLOOD_BOUNDS };
  const child = fork(import.meta.filename, args, { execArgv: ['--expose-gc'], env });
  child.once('exit', (code) => child.emit('error', new Error(`The ${role} process ended: ${code}`)));
  child.on('error', () => {});
  // rejects with the error that is emitted meanwhile
  const reply = async () => (await once(child, 'message'))[0].reply;
  return { child, reply, ask: (request, value) => (child.send({ request, value }), reply()) };
}

/** Node raises its own limit of open files as far as the system allows. */
function hasFiles() {
  const limit = execSync('ulimit -Hn', { encoding: 'utf8' }).trim();
  if (limit === 'unlimited' || Number(limit) >= connections + 200) return true;
  console.error(`${connections} connections need as many open files, but the hard limit is ${limit} (ulimit -Hn)`);
  return false;
}

async function pushOnce(server, clients) {
  await clients.ask('expect');
  const { startedAt, callMs, loopMaxMs } = await server.ask('push');
  const { arrived, lastAt } = await clients.ask('arrived');
  if (arrived !== connections) throw new Error(`Only ${arrived} of ${connections} messages arrived`);
  return { lastMs: Number(BigInt(lastAt) - BigInt(startedAt)) / 1e6, callMs, loopMaxMs };
}

async function measure(server, clients) {
  const port = await server.reply();
  await clients.reply();
  const empty = await server.ask('memory');
  const startedAt = Date.now();
  await clients.ask('connect', port);
  const seconds = (Date.now() - startedAt) / 1000;
  const open = await server.ask('count');
  if (open !== connections) throw new Error(`Only ${open} of ${connections} connections are open`);
  const full = await server.ask('memory');
  const perConnection = (name) => Math.round((full[name] - empty[name]) / connections);
  const rounds = [];
  for (let round = 0; round < pushes; round++) rounds.push(await pushOnce(server, clients));
  return { empty, full, seconds, perConnection, rounds };
}

function report({ empty, full, seconds, perConnection, rounds }) {
  const [first, ...later] = rounds;
  const median = (name) => later.map((round) => round[name]).sort((a, b) => a - b)[Math.floor(later.length / 2)];
  const ms = (value) => (value === undefined ? '-' : `${value.toFixed(1)} ms`);
  const megabytes = (value) => `${(value / 1e6).toFixed(1)} MB`;
  console.table({
    'idle connections': { value: connections },
    'handshakes per second': { value: Math.round(connections / seconds) },
    'memory of the process (RSS)': { value: `${megabytes(empty.rss)} → ${megabytes(full.rss)}` },
    'RSS per connection': { value: `${perConnection('rss')} B` },
    'heap per connection, after gc': { value: `${perConnection('heapUsed')} B` },
    'external per connection': { value: `${perConnection('external')} B` },
    [`first push of ${bytes} B, to the last client`]: { value: ms(first.lastMs) },
    'first push, the call itself': { value: ms(first.callMs) },
    'first push, longest event-loop delay': { value: ms(first.loopMaxMs) },
    [`median of ${later.length} more, to the last client`]: { value: ms(median('lastMs')) },
    [`median of ${later.length} more, longest event-loop delay`]: { value: ms(median('loopMaxMs')) },
  });
  const bytesPerConnection = Object.fromEntries(
    ['rss', 'heapUsed', 'external'].map((name) => [name, perConnection(name)]),
  );
  console.log(JSON.stringify({ node: process.version, connections, bytes, seconds, bytesPerConnection, rounds }));
}

async function main() {
  const [server, clients] = [start('server'), start('clients')];
  try {
    report(await measure(server, clients));
    await clients.ask('close');
    await server.ask('close');
  } finally {
    server.child.kill();
    clients.child.kill();
  }
}

if (values.role === 'server') await serve();
else if (values.role === 'clients') await runClients();
else if (hasFiles()) await main();
else process.exitCode = 1;
