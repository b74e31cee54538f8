/** A node whose rooms have a history: `?room=` says in which room a client is. It can push numbers to all of them. */
import 'reflect-metadata';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocketGateway } from '@nestjs/websockets';
import { serve } from './realtime-app.mjs';

class Streams {
  onHandshake({ query }) {
    return { rooms: query.getAll('room') };
  }

  onMessage() {}
}
WebSocketGateway({ path: '/streams' })(Streams);

const rooms = { 'stream:*': { history: { size: 300, age: 600 } } };

const commands = (server) => {
  const stream = { last: [], isRunning: false, timers: [] };
  /** Each number has a key, so it is repeated until it is known to be kept, and kept once. */
  const keep = async (room, number) => {
    for (;;) {
      try {
        return await server.to(room).emit('n', number, { key: `${room}-${number}` });
      } catch ({ code }) {
        if (code !== 'unknown' && code !== 'unavailable') throw code;
        await sleep(50);
      }
    }
  };
  const run = async (index, everyMs) => {
    await sleep(Math.random() * everyMs);
    while (stream.isRunning) {
      await keep(`stream:${index}`, ++stream.last[index]);
      await sleep(everyMs);
    }
  };

  return {
    /** Pushes 1, 2, 3 … to each of so many rooms. */
    startStreams({ count, everyMs }) {
      stream.last = Array.from({ length: count }, () => 0);
      stream.isRunning = true;
      stream.runs = stream.last.map((_, index) => run(index, everyMs));
    },

    /** @returns the last number of each room */
    async stopStreams() {
      stream.isRunning = false;
      await Promise.all(stream.runs);
      return stream.last;
    },
  };
};

await serve({ providers: [Streams], rooms, commands });
