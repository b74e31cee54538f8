/** A node of the study `relays`: its clients are in one room each, and what one says is answered to that one. */
import 'reflect-metadata';
import { WebSocketGateway } from '@nestjs/websockets';
import { serve } from './realtime-app.mjs';

class Soak {
  onHandshake({ query }) {
    return { rooms: [query.get('room')] };
  }
  onMessage(connection, message) {
    connection.send(`echo ${message.text()}`);
  }
}
WebSocketGateway({ path: '/soak' })(Soak);

const handles = () => process.getActiveResourcesInfo().filter((name) => name !== 'Timeout').length;

await serve({
  providers: [Soak],
  commands: (server) => ({
    pushTo: async ({ room, text }) => void (await server.to(room).push(text)),
    handles,
    node: () => server.nodes().find(({ isThis }) => isThis).id,
  }),
});
