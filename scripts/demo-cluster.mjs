/**
 * The demo on two nodes: starts a Redis, two processes of the demo and an nginx in front of them, says where to look, and
 * cleans up on Ctrl-C. `npm run demo:cluster` builds the demo first.
 *
 *   npm run demo:cluster                  on port 8080
 *   npm run demo:cluster -- --port 9000   on another one; 0: any that is free
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { nginxConf } from './nginx-conf.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const MAIN = join(ROOT, 'dist/src/main.js');
const APP = 'demo';
/** How long a process may take to start or to end, in milliseconds. */
const PATIENCE_MS = 60_000;

const { values } = parseArgs({ options: { port: { type: 'string', default: '8080' } } });
const folder = mkdtempSync(join(tmpdir(), 'demo-cluster-'));
/** What was started, in the order in which it ends: nobody loses what it needs. */
const running = [];
let isEnding = false;

/** The first binary of a tool that runs (tools.json, as for the tests). */
function binary(name) {
  const { env, binaries, version } = JSON.parse(readFileSync(new URL('tools.json', import.meta.url), 'utf8'))[name];
  const candidates = process.env[env] ? [process.env[env]] : binaries;
  const found = candidates.find((path) => spawnSync(path, [version].flat()).status === 0);
  if (!found) throw new Error(`There is no ${name} here: npm run test:setup -- --install`);
  return found;
}

/** @param wanted 0: any that is free @throws Error when the wanted one is taken */
async function freePort(wanted = 0) {
  const server = createServer().listen(wanted, '127.0.0.1');
  await once(server, 'listening').catch(() => {
    throw new Error(`Port ${wanted} is taken: npm run demo:cluster -- --port 9000`);
  });
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/**
 * Starts a process. It is not in the group of the terminal, so Ctrl-C reaches only this script, which ends them in order.
 *
 * @param ready what it prints when it is ready; absent: it is ready at once
 */
async function start(name, command, args, { env = {}, ready } = {}) {
  if (isEnding) throw new Error('It is ending');
  const child = spawn(command, args, {
    cwd: folder,
    detached: true,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const started = { name, child, output: '' };
  started.ended = once(child, 'exit').then(([code, signal]) => ended(started, code, signal));
  running.unshift(started);
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => hear(started, String(chunk)));
  if (ready) await until(`${name} to be ready`, started, () => ready.test(started.output));
  return started;
}

/** Shows what the nodes log; the rest is kept for an error. */
function hear(started, text) {
  started.output = (started.output + text).slice(-20_000);
  if (!started.name.startsWith('node')) return;
  for (const line of text.split('\n').filter(Boolean)) console.log(`${started.name} │ ${line}`);
}

function ended(started, code, signal) {
  started.isOver = true;
  if (!isEnding) console.log(`${started.name} has ended (${signal ?? `code ${code}`})`);
}

async function until(what, started, isDone) {
  for (const deadline = Date.now() + PATIENCE_MS; !(await isDone()); await sleep(20)) {
    if (started.isOver || Date.now() > deadline) throw new Error(`Waited in vain for ${what}:\n${started.output}`);
  }
}

const answers = (url) =>
  fetch(url).then(
    ({ status }) => status === 200,
    () => false,
  );

/** Sockets, streams, polls and POSTs go to the nodes in turn: two windows are on different nodes, and nothing is sticky. */
const servers = (port, nodes) => `
map $http_upgrade $connection_upgrade { default upgrade; '' close; }
upstream sockets { ${nodes.map((node) => `server 127.0.0.1:${node};`).join(' ')} }
upstream pages { ${nodes.map((node) => `server 127.0.0.1:${node};`).join(' ')} }
proxy_http_version 1.1;
proxy_set_header Host $http_host;
proxy_set_header Upgrade $http_upgrade;
proxy_set_header Connection $connection_upgrade;
server {
  listen 127.0.0.1:${port};
  location / { proxy_pass http://pages; }
  location /ws { proxy_pass http://sockets; }
}`;

async function startNode(number, redisPort) {
  const port = await freePort();
  const env = {
    REALTIME_APP: APP,
    REALTIME_REDIS_URL: `redis://127.0.0.1:${redisPort}`,
    REALTIME_LISTEN_IP: '127.0.0.1',
    REALTIME_LISTEN_PORT: String(port),
  };
  const { child } = await start(`node ${number}`, process.execPath, [MAIN], { env, ready: /Open http/ });
  return { number, port, pid: child.pid };
}

async function startAll() {
  if (!existsSync(MAIN)) throw new Error('The demo is not built: npm run build');
  const port = await freePort(Number(values.port));
  const redisPort = await freePort();
  const redisArgs = ['--port', redisPort, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'].map(String);
  await start('redis', binary('redis-server'), redisArgs, { ready: /Ready to accept connections/ });
  const nodes = [await startNode(1, redisPort), await startNode(2, redisPort)];
  const conf = join(folder, 'nginx.conf');
  const ports = nodes.map((node) => node.port);
  writeFileSync(conf, nginxConf(folder, servers(port, ports), { level: 'warn', connections: 512 }));
  const nginx = await start('nginx', binary('nginx'), ['-p', folder, '-c', conf, '-e', 'stderr']);
  const url = `http://127.0.0.1:${port}/`;
  await until('nginx to listen', nginx, () => answers(url));
  announce(url, redisPort, nodes);
}

function announce(url, redisPort, nodes) {
  const rows = nodes.map(({ number, port, pid }) => `  node ${number}   http://127.0.0.1:${port}/   pid ${pid}`);
  console.log(`
Open ${url} in two windows: nginx puts them on different nodes, and they talk to each other.
${rows.join('\n')}
  redis    port ${redisPort}

Push to everyone      redis-cli -p ${redisPort} publish '${APP}:*' '{"text":"Hello"}'
Kill a node           kill -9 ${nodes[0].pid}   (its windows come back on the other node)
End all of it         Ctrl-C
`);
}

/** Ends what runs: nginx first, Redis last. */
async function end(code) {
  if (isEnding) return;
  isEnding = true;
  for (const started of running) {
    if (started.isOver) continue;
    started.child.kill('SIGTERM');
    const late = sleep(PATIENCE_MS, undefined, { ref: false }).then(() => started.child.kill('SIGKILL'));
    await Promise.race([started.ended, late.then(() => started.ended)]);
  }
  rmSync(folder, { recursive: true, force: true });
  console.log('Everything has ended.');
  process.exitCode = code;
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => void end(0));

try {
  await startAll();
} catch (error) {
  console.error(isEnding ? '' : error.message);
  await end(1);
}
