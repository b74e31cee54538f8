/** A node of Socket.IO, without Nest, over the Redis that REALTIME_REDIS_URL names. BENCH_ADAPTER=sharded chooses the adapter. */
import { createServer } from 'node:http';
import { createAdapter, createShardedAdapter } from '@socket.io/redis-adapter';
import { Redis } from 'ioredis';
import { Server } from 'socket.io';
import { BODIES, OWN_ROOM, publish, ROOM, roomsIn } from './cluster-shapes.mjs';
import { obey } from './control.mjs';

const { BENCH_ADAPTER, REALTIME_REDIS_URL } = process.env;

const http = createServer();
const [pub, sub] = [new Redis(REALTIME_REDIS_URL), new Redis(REALTIME_REDIS_URL)];
const adapter = BENCH_ADAPTER === 'sharded' ? createShardedAdapter(pub, sub) : createAdapter(pub, sub);
const io = new Server(http, {
  ...{ adapter, transports: ['websocket'], pingInterval: 300_000, pingTimeout: 300_000, serveClient: false },
});
io.on('connection', (socket) => {
  for (const room of roomsIn(socket.request.url)) socket.join(room);
  socket.on('direct', () => socket.emit('m', BODIES.small));
  socket.on('own', () => io.to(OWN_ROOM).emit('m', BODIES.small));
  for (const name of Object.keys(BODIES)) socket.on(name, () => io.to(ROOM).emit('m', BODIES[name]));
});
http.listen(0, '127.0.0.1', () => {
  obey(http.address().port, { publish: (args) => publish((room, body) => io.to(room).emit('m', body), args) });
});
