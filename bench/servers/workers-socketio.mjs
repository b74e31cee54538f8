/**
 * Socket.IO in BENCH_WORKERS processes of node:cluster that share a port, with its cluster adapter: the primary passes
 * every message on. WebSocket alone, so nothing has to be sticky.
 */
import cluster from 'node:cluster';
import { createServer } from 'node:http';
import { createAdapter, setupPrimary } from '@socket.io/cluster-adapter';
import { Server } from 'socket.io';
import { BODIES, ROOM, roomsIn } from './cluster-shapes.mjs';
import { obey } from './control.mjs';

const cpuOf = ({ user, system }) => user + system;

function work() {
  const http = createServer();
  const io = new Server(http, {
    ...{ adapter: createAdapter(), transports: ['websocket'], serveClient: false },
    ...{ pingInterval: 300_000, pingTimeout: 300_000 },
  });
  io.on('connection', (socket) => {
    for (const room of roomsIn(socket.request.url)) socket.join(room);
    for (const name of Object.keys(BODIES)) socket.on(name, () => io.to(ROOM).emit('m', BODIES[name]));
  });
  process.on('message', ({ asks }) => asks === 'cpu' && process.send({ cpu: cpuOf(process.cpuUsage()) }));
  http.listen(0, '127.0.0.1');
}

/** @returns the CPU time of a worker */
function ask(worker) {
  return new Promise((resolve) => {
    const listener = ({ cpu }) => {
      if (cpu === undefined) return;
      worker.off('message', listener);
      resolve(cpu);
    };
    worker.on('message', listener);
    worker.send({ asks: 'cpu' });
  });
}

function lead() {
  setupPrimary();
  let listening = 0;
  const count = Number(process.env.BENCH_WORKERS);
  const workers = Array.from({ length: count }, () => cluster.fork());
  const all = async () => {
    const each = await Promise.all(workers.map(ask));
    return { cpu: each.reduce((sum, cpu) => sum + cpu, cpuOf(process.cpuUsage())) };
  };
  cluster.on('listening', (_worker, { port }) => {
    if (++listening === count) obey(port, { cpu: all });
  });
  process.on('SIGTERM', () => process.exit());
}

if (cluster.isPrimary) lead();
else work();
