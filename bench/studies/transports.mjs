/**
 * Four ways to receive news, compared: a plain GET every second, long polling, SSE, WebSocket. Requests, bytes on the
 * wire, latency, and the server's CPU time per message, for the same messages to the same clients.
 *
 *   npm run bench:transports -- [flags]
 *
 *   --clients 50     how many clients listen
 *   --messages 30    how many messages are pushed to all of them
 *   --interval 500   milliseconds between two messages
 *   --help           prints this text
 */
import { availableParallelism } from 'node:os';
import { performance } from 'node:perf_hooks';
import { clearInterval, clearTimeout, setInterval } from 'node:timers';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { readFlags } from '../lib/flags.mjs';
import { Latencies } from '../lib/latencies.mjs';
import { CORES } from '../lib/peer.mjs';
import { startRelay } from '../lib/relay.mjs';
import { startServer } from '../lib/study.mjs';
import { table } from '../lib/tables.mjs';

const {
  values: { clients, messages, interval },
} = readFlags(import.meta.filename, { clients: 50, messages: 30, interval: 500 });

const { AbortController, fetch } = globalThis;

/**
 * A way listens as one client, calls `onNews` with every message, and returns a function that stops it. A request that
 * fails shows in the count of messages.
 */
const WAYS = {
  'asking every second': (url, onNews) => {
    let known = 0;
    const ask = async () => {
      const news = await (await fetch(`${url}/news?after=${known}`)).json();
      known += news.length;
      news.forEach(onNews);
    };
    const tick = () => void ask().catch(() => {});
    let timer;
    // The clients do not all ask in the same moment
    const first = setTimeout(() => {
      tick();
      timer = setInterval(tick, 1000);
    }, Math.random() * 1000);
    return () => (clearTimeout(first), clearInterval(timer));
  },

  'long polling': (url, onNews) => {
    const aborter = new AbortController();
    const run = async () => {
      for (let [token, position] = ['', 0]; ;) {
        const headers = token ? { 'x-realtime-token': token } : {};
        const options = { headers, signal: aborter.signal };
        const batch = await (await fetch(`${url}/ws?transport=polling&position=${position}`, options)).json();
        ({ token = token, position } = batch);
        batch.messages.forEach(onNews);
      }
    };
    run().catch(() => {});
    return () => aborter.abort();
  },

  SSE: (url, onNews) => {
    const aborter = new AbortController();
    const run = async () => {
      const options = { headers: { accept: 'text/event-stream' }, signal: aborter.signal };
      const { body } = await fetch(`${url}/ws`, options);
      let text = '';
      for await (const chunk of body) {
        const blocks = (text + Buffer.from(chunk)).split('\n\n');
        text = blocks.pop();
        for (const block of blocks) if (!block.includes('event:')) onNews(/^data: (.*)$/m.exec(block)[1]);
      }
    };
    run().catch(() => {});
    return () => aborter.abort();
  },

  WebSocket: (url, onNews) => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/ws`);
    socket.on('message', (data) => onNews(String(data)));
    return () => socket.close();
  },
};

/** Pushes all messages, and waits at most 5 s for the last of them. */
async function pushAll(server, hasAll) {
  for (let i = 0; i < messages; i++) {
    await server.peer.call('push', { text: `m${i} ${performance.now()}` });
    await sleep(interval);
  }
  for (let waited = 0; !hasAll() && waited < 5000; waited += 20) await sleep(20);
}

async function measure(way) {
  const server = await startServer('news', { core: CORES.server, env: { BENCH_LOG: 'error' } });
  const relay = await startRelay(server.port);
  const latencies = new Latencies();
  const onNews = (text) => latencies.add(performance.now() - Number(text.split(' ')[1]));
  const stops = Array.from({ length: clients }, () => WAYS[way](relay.url, onNews));
  const isConnected = way !== 'asking every second';
  while (isConnected && (await server.peer.call('count')) < clients) await sleep(20);
  await sleep(1500);
  await server.peer.call('reset');
  const { up, down } = relay;
  const before = await server.cpu();
  await pushAll(server, () => latencies.seen >= clients * messages);
  const cpu = (await server.cpu()) - before;
  const requests = await server.peer.call('requests');
  const bytes = relay.up - up + relay.down - down;
  stops.forEach((stop) => stop());
  relay.close();
  await server.peer.end();
  const { seen } = latencies;
  if (seen !== clients * messages) throw new Error(`${way}: ${seen} of ${clients * messages} messages arrived`);
  return { requests, bytes, cpu, ...latencies.result() };
}

function row(way, { requests, bytes, cpu, p50, p99 }) {
  const count = clients * messages;
  const ms = (value) => `${value.toFixed(1)} ms`;
  const each = [(requests / count).toFixed(2), String(Math.round(bytes / count))];
  return [way, ...each, ms(p50), ms(p99), `${Math.round(cpu / count)} µs`];
}

const HEAD = ['', 'requests per message', 'bytes per message', 'latency, median', 'latency, 99 %'];
const rows = [];
for (const way of Object.keys(WAYS)) rows.push(row(way, await measure(way)));
const machine = `Node ${process.version}, ${availableParallelism()} cores`;
console.log(`${clients} clients, ${messages} messages to all, one every ${interval} ms; ${machine}\n`);
console.log(table([...HEAD, 'server CPU per message'], rows));
