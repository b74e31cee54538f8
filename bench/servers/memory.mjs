/** Connections of several kinds, for the study of what each of them keeps in memory. */
import 'reflect-metadata';
import { WebSocketGateway } from '@nestjs/websockets';
import { serve } from './realtime-app.mjs';
import { indexOf } from './shapes.mjs';

const ROOMS = Array.from({ length: 20 }, (_, room) => `room-${room}`);

/** The path of each kind, and whom a client on it is. */
const KINDS = {
  around: () => ({}),
  through: () => ({}),
  room: () => ({ rooms: ['lobby'] }),
  'rooms-20': () => ({ rooms: ROOMS }),
  'own-room': (index) => ({ rooms: [`room-${index}`] }),
  user: (index) => ({ userId: `user-${index}` }),
};

const gateways = Object.entries(KINDS).map(([path, identityOf]) => {
  class Gateway {
    onHandshake(request) {
      return identityOf(indexOf(request.url));
    }
    onMessage() {}
  }
  WebSocketGateway({ path: `/${path}`, middleware: path !== 'around' })(Gateway);
  return Gateway;
});

await serve({ providers: gateways });
