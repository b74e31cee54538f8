/** A node of nestjs-realtime, over the Redis that REALTIME_REDIS_URL names. */
import 'reflect-metadata';
import { performance } from 'node:perf_hooks';
import { WebSocketGateway } from '@nestjs/websockets';
import { RealtimeServer } from 'nestjs-realtime';
import { BODIES, OWN_ROOM, publish, ROOM, roomsIn } from './cluster-shapes.mjs';
import { injects } from './decorate.mjs';
import { serve } from './realtime-app.mjs';

class Hall {
  constructor(server) {
    this.server = server;
  }
  onHandshake(request) {
    return { rooms: roomsIn(request.url) };
  }
  onMessage(connection, message) {
    const name = message.text();
    if (name === 'direct') connection.emit('m', BODIES.small);
    else void this.server.to(name === 'own' ? OWN_ROOM : ROOM).emit('m', BODIES[name] ?? BODIES.small);
  }
}
WebSocketGateway({ path: '/hall' })(Hall);
injects(Hall, RealtimeServer);

const commands = (server) => ({
  publish: (args) => publish((room, body) => server.to(room).emit('m', body), args),

  /** Joins rooms that nobody is in yet, and waits for each to be confirmed. */
  async join({ rooms, prefix }) {
    const connections = [...server.connections.values()];
    const startedAt = performance.now();
    await Promise.all(
      Array.from({ length: rooms }, (_, i) => connections[i % connections.length].join(`${prefix}-${i}`)),
    );
    return { seconds: (performance.now() - startedAt) / 1000 };
  },
});

await serve({ providers: [Hall], commands });
