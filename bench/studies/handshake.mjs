/**
 * What a handshake costs: CPU time of the server process per handshake, and memory per idle connection, for this module
 * without and with middleware, for plain `ws` and for Nest's WsAdapter. Servers and clients are processes of their own;
 * clients are raw sockets.
 *
 *   npm run build:libs && node bench/studies/handshake.mjs --handshakes 3000 --idle 3000
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    handshakes: { type: 'string', default: '3000' },
    idle: { type: 'string', default: '3000' },
    rounds: { type: 'string', default: '5' },
    role: { type: 'string', default: 'main' },
    case: { type: 'string', default: '' },
  },
});
const [handshakes, idle, rounds] = [Number(values.handshakes), Number(values.idle), Number(values.rounds)];

/** Handshakes under way at the same time. */
const CONCURRENCY = 50;

// --- servers ---

/** The classes that every Nest case needs, without decorators: this file is JavaScript. */
async function nest({ gateway, configure, adapter, realtime = true }) {
  await import('reflect-metadata');
  const { Controller, Get, Module, Session } = await import('@nestjs/common');
  const { NestFactory } = await import('@nestjs/core');
  const { WebSocketGateway } = await import('@nestjs/websockets');

  class Gateway {
    onOpen() {}
    onMessage() {}
    onClose() {}
  }
  class PlainGateway {
    handleConnection() {}
    handleDisconnect() {}
  }
  class Login {
    login(session) {
      if (session) session.user = { id: 7, name: 'Ann' };
      return 'ok';
    }
  }
  Controller()(Login);
  Session()(Login.prototype, 'login', 0);
  Get('login')(Login.prototype, 'login', Object.getOwnPropertyDescriptor(Login.prototype, 'login'));
  const provider = realtime ? Gateway : PlainGateway;
  WebSocketGateway({ path: '/ws', ...gateway })(provider);
  class AppModule {}
  Module({ imports: realtime ? [await realtimeModule()] : [], controllers: [Login], providers: [provider] })(AppModule);
  const app = await NestFactory.create(AppModule, adapter, { logger: ['error'] });
  await configure?.(app);
  await app.listen(0, '127.0.0.1');
  return app.getHttpServer();
}

async function realtimeModule() {
  const { RealtimeModule } = await import('nestjs-realtime');
  const unbounded = { maxConnectionRate: 0, maxConnectionRatePerAddress: 0, maxConnectionsPerAddress: 0 };
  return RealtimeModule.forRoot({ envFile: false, ...unbounded });
}

async function express() {
  const { ExpressAdapter } = await import('@nestjs/platform-express');
  return new ExpressAdapter();
}

async function fastify() {
  const { FastifyAdapter } = await import('@nestjs/platform-fastify');
  return new FastifyAdapter();
}

async function useSession(app) {
  const { default: session } = await import('express-session');
  app.use(session({ secret: 'of the benchmark', resave: false, saveUninitialized: false }));
}

async function plainWs() {
  const { WebSocketServer } = await import('ws');
  const server = createServer((_request, response) => response.end());
  const sockets = new WebSocketServer({ server, path: '/ws' });
  sockets.on('connection', (socket) => socket.on('message', () => {}));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return server;
}

async function useWsAdapter(app) {
  const { WsAdapter } = await import('@nestjs/platform-ws');
  app.useWebSocketAdapter(new WsAdapter(app));
}

const CASES = {
  'ws, no Nest': plainWs,
  "Nest's WsAdapter": async () => nest({ adapter: await express(), configure: useWsAdapter, realtime: false }),
  'middleware: false': async () => nest({ adapter: await express(), gateway: { middleware: false } }),
  'through Express': async () => nest({ adapter: await express() }),
  'through Express, session': async () => nest({ adapter: await express(), configure: useSession }),
  'middleware: false, Fastify': async () => nest({ adapter: await fastify(), gateway: { middleware: false } }),
  'through Fastify': async () => nest({ adapter: await fastify() }),
};

async function serve() {
  const server = await CASES[values.case]();
  const requests = {
    cpu: () => process.cpuUsage(),
    memory: async () => {
      for (let round = 0; round < 4; round++) {
        globalThis.gc();
        await delay(100);
      }
      const { heapUsed, external, rss } = process.memoryUsage();
      return { heap: heapUsed + external, rss };
    },
  };
  process.on('message', async ({ request }) => process.send({ reply: await requests[request]() }));
  process.send({ reply: server.address().port });
}

// --- clients ---

let port = 0;
let cookie = '';

/** @returns the socket after the 101 */
function shake() {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.setNoDelay();
    socket.on('error', reject);
    socket.once('data', (chunk) => {
      if (chunk.toString('latin1').startsWith('HTTP/1.1 101 ')) resolve(socket);
      else reject(new Error(`Refused: ${chunk.toString('latin1').slice(0, 200)}`));
    });
    socket.write(
      'GET /ws HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
        `Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n${cookie && `Cookie: ${cookie}\r\n`}\r\n`,
    );
  });
}

async function load() {
  const kept = [];
  const many = async (count, use) => {
    let left = count;
    const work = async () => {
      while (left-- > 0) use(await shake());
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, work));
  };
  const requests = {
    aim: async (target) => {
      port = target;
      const answer = await globalThis.fetch(`http://127.0.0.1:${port}/login`);
      cookie = answer.headers.get('set-cookie')?.split(';')[0] ?? '';
      return cookie !== '';
    },
    handshakes: (count) => many(count, (socket) => socket.resetAndDestroy()),
    open: (count) => many(count, (socket) => kept.push(socket)),
  };
  process.on('message', async ({ request, argument }) => process.send({ reply: await requests[request](argument) }));
  process.send({ reply: 'ready' });
}

// --- measuring ---

async function start(...args) {
  const child = fork(fileURLToPath(import.meta.url), args, {
    execArgv: ['--expose-gc'],
    env: { ...process.env, NODE_ENV: 'production' },
  });
  const ask = async (request, argument) => {
    child.send({ request, argument });
    return (await once(child, 'message'))[0].reply;
  };
  const [{ reply }] = await once(child, 'message');
  return { child, ask, reply };
}

async function measure(name) {
  const server = await start('--role', 'server', '--case', name);
  const clients = await start('--role', 'load');
  const hasSession = await clients.ask('aim', server.reply);
  await clients.ask('handshakes', handshakes);
  const costs = [];
  for (let round = 0; round < rounds; round++) {
    const before = await server.ask('cpu');
    await clients.ask('handshakes', handshakes);
    const after = await server.ask('cpu');
    costs.push((after.user + after.system - before.user - before.system) / handshakes);
  }
  await delay(1000);
  const before = await server.ask('memory');
  await clients.ask('open', idle);
  await delay(1000);
  const after = await server.ask('memory');
  for (const { child } of [server, clients]) child.kill('SIGKILL');
  const per = (key) => (after[key] - before[key]) / idle;
  return { name, hasSession, cpu: median(costs), heap: per('heap'), rss: per('rss') };
}

function median(numbers) {
  return numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
}

async function main() {
  console.log(`${rounds} rounds of ${handshakes} handshakes, ${CONCURRENCY} at a time; ${idle} idle connections\n`);
  const rows = [];
  for (const name of Object.keys(CASES)) rows.push(await measure(name));
  const adapter = rows.find(({ name }) => name === "Nest's WsAdapter").cpu;
  const columns = ['', 'CPU per handshake', 'of WsAdapter', 'heap per idle', 'RSS per idle'];
  const cells = rows.map(({ name, cpu, heap, rss, hasSession }) => [
    hasSession ? `${name}*` : name,
    `${cpu.toFixed(0)} us`,
    `${(cpu / adapter).toFixed(2)}`,
    `${(heap / 1024).toFixed(1)} KiB`,
    `${(rss / 1024).toFixed(1)} KiB`,
  ]);
  for (const row of [columns, ...cells])
    console.log(row.map((cell, index) => (index ? cell.padStart(18) : cell.padEnd(28))).join(''));
  console.log('\n* with the cookie of a session that is logged in');
}

await { main, server: serve, load }[values.role]();
