/**
 * Four ways to hear of news, compared: asking a plain GET endpoint every second, long polling, SSE, WebSocket. Requests,
 * bytes on the wire, latency and the server's CPU per message, for the same messages to the same number of clients.
 *
 *   npm run build:libs && node bench/studies/transports.mjs --clients 50 --messages 30 --interval 500
 */
import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { performance } from 'node:perf_hooks';
import { clearInterval, clearTimeout, setInterval } from 'node:timers';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '50' },
    messages: { type: 'string', default: '30' },
    /** Between two messages, in milliseconds. */
    interval: { type: 'string', default: '500' },
    role: { type: 'string', default: 'main' },
  },
});
const [clients, messages, interval] = [values.clients, values.messages, values.interval].map(Number);

const { AbortController, fetch } = globalThis;

const WAYS = ['asking every second', 'long polling', 'SSE', 'WebSocket'];

// --- server: one gateway, one plain endpoint, and a push on request ---

async function serve() {
  const { Controller, Get, Module, Query } = await import('@nestjs/common');
  const { NestFactory } = await import('@nestjs/core');
  const { WebSocketGateway } = await import('@nestjs/websockets');
  const { RealtimeModule, RealtimeServer } = await import('nestjs-realtime');

  const news = [];
  let requests = 0;
  class NewsController {
    latest(after) {
      return news.slice(Number(after));
    }
  }
  Get('news')(NewsController.prototype, 'latest', Object.getOwnPropertyDescriptor(NewsController.prototype, 'latest'));
  Query('after')(NewsController.prototype, 'latest', 0);
  Controller()(NewsController);
  class NewsGateway {
    onOpen() {}
  }
  WebSocketGateway({ path: '/ws' })(NewsGateway);
  class AppModule {}
  const imports = [RealtimeModule.forRoot({ envFile: false })];
  Module({ imports, controllers: [NewsController], providers: [NewsGateway] })(AppModule);
  const app = await NestFactory.create(AppModule, { logger: ['error'] });
  app.use((_request, _response, next) => {
    requests++;
    next();
  });
  await app.listen(0, '127.0.0.1');
  const commands = {
    reset: () => {
      news.length = requests = 0;
      return process.cpuUsage();
    },
    push: (text) => {
      news.push(text);
      return app.get(RealtimeServer).toEveryone().push(text);
    },
    count: () => app.get(RealtimeServer).toEveryone().count(),
    result: (before) => ({ requests, cpu: process.cpuUsage(before) }),
    close: () => app.close(),
  };
  process.on('message', async ({ command, value }) => process.send({ reply: await commands[command](value) }));
  process.send({ reply: app.getHttpServer().address().port });
}

function startServer() {
  const child = fork(import.meta.filename, ['--role', 'server']);
  const reply = async () => (await once(child, 'message'))[0].reply;
  return { child, reply, ask: (command, value) => (child.send({ command, value }), reply()) };
}

// --- the wire: a TCP relay that counts what passes ---

async function startMeter(port) {
  const meter = { up: 0, down: 0 };
  const server = createServer((client) => {
    const target = connect(port, '127.0.0.1');
    client.on('data', (chunk) => (meter.up += chunk.length));
    target.on('data', (chunk) => (meter.down += chunk.length));
    for (const [from, to] of [
      [client, target],
      [target, client],
    ]) {
      from.setNoDelay();
      from.on('error', () => to.destroy()).on('close', () => to.destroy());
      from.pipe(to);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return Object.assign(meter, { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() });
}

// --- clients: each calls `heard` with every message; they answer how to stop ---

const LISTEN = {
  'asking every second': (url, heard) => {
    let known = 0;
    const ask = async () => {
      const news = await (await fetch(`${url}/news?after=${known}`)).json();
      known += news.length;
      news.forEach(heard);
    };
    // not all in the same moment
    // what fails is missed, and then the count at the end is not right
    const tick = () => void ask().catch(() => {});
    let timer = setTimeout(() => {
      tick();
      timer = setInterval(tick, 1000);
    }, Math.random() * 1000);
    return () => (clearTimeout(timer), clearInterval(timer));
  },
  'long polling': (url, heard) => {
    const aborter = new AbortController();
    const run = async () => {
      for (let [token, position] = ['', 0]; ;) {
        const headers = token ? { 'x-realtime-token': token } : {};
        const options = { headers, signal: aborter.signal };
        const batch = await (await fetch(`${url}/ws?transport=polling&position=${position}`, options)).json();
        ({ token = token, position } = batch);
        batch.messages.forEach(heard);
      }
    };
    run().catch(() => {});
    return () => aborter.abort();
  },
  SSE: (url, heard) => {
    const aborter = new AbortController();
    const run = async () => {
      const options = { headers: { accept: 'text/event-stream' }, signal: aborter.signal };
      const { body } = await fetch(`${url}/ws`, options);
      let text = '';
      for await (const chunk of body) {
        const blocks = (text + Buffer.from(chunk)).split('\n\n');
        text = blocks.pop();
        for (const block of blocks) if (!block.includes('event:')) heard(/^data: (.*)$/m.exec(block)[1]);
      }
    };
    run().catch(() => {});
    return () => aborter.abort();
  },
  WebSocket: (url, heard) => {
    const socket = new LISTEN.Client(`${url.replace('http', 'ws')}/ws`);
    socket.on('message', (data) => heard(String(data)));
    return () => socket.close();
  },
};

async function measure(way) {
  const server = startServer();
  const meter = await startMeter(await server.reply());
  const delays = [];
  const heard = (text) => delays.push(performance.now() - Number(text.split(' ')[1]));
  const stops = Array.from({ length: clients }, () => LISTEN[way](meter.url, heard));
  const isHeld = way !== 'asking every second';
  while (isHeld && (await server.ask('count')) < clients) await delay(20);
  await delay(1500);
  const before = await server.ask('reset');
  const wire = { ...meter };
  for (let i = 0; i < messages; i++) {
    await server.ask('push', `m${i} ${performance.now()}`);
    await delay(interval);
  }
  for (let waited = 0; delays.length < clients * messages && waited < 5000; waited += 20) await delay(20);
  const { requests, cpu } = await server.ask('result', before);
  const { up, down } = meter;
  stops.forEach((stop) => stop());
  await server.ask('close');
  server.child.kill();
  meter.close();
  if (delays.length !== clients * messages)
    throw new Error(`${way}: ${delays.length} of ${clients * messages} arrived`);
  return { requests, bytes: up - wire.up + down - wire.down, delays, cpu: cpu.user + cpu.system };
}

function row({ requests, bytes, delays, cpu }) {
  const count = clients * messages;
  const sorted = delays.sort((a, b) => a - b);
  const ms = (share) => `${sorted[Math.floor((sorted.length - 1) * share)].toFixed(1)} ms`;
  return {
    'requests per message': (requests / count).toFixed(2),
    'bytes per message': Math.round(bytes / count),
    'latency, median': ms(0.5),
    'latency, 99 %': ms(0.99),
    'server CPU per message': `${Math.round(cpu / count)} µs`,
  };
}

async function main() {
  LISTEN.Client = (await import('ws')).WebSocket;
  const table = {};
  for (const way of WAYS) table[way] = row(await measure(way));
  const cpu = execFileSync('nproc').toString().trim();
  console.log(
    `${clients} clients, ${messages} messages to all, one every ${interval} ms; Node ${process.version}, ${cpu} cores`,
  );
  console.table(table);
}

await { main, server: serve }[values.role]();
