/** Bun.serve: a native engine that npm can install. This file runs in Bun. */
import { obey } from './control.mjs';
import { CHURN, churnRooms, indexOf, pathOf, PUSH_TEXT, roomCursor, roomsOf, userOf, USERS } from './shapes.mjs';

const nextRooms = roomCursor();

const onMessage = {
  '/echo': (client, data) => client.send(data),
  '/json': (client, data) => client.send(JSON.stringify(JSON.parse(data))),
  '/fan': () => server.publish('all', PUSH_TEXT),
  '/rooms': () => nextRooms((room) => server.publish(room, PUSH_TEXT)),
  '/users': () => {
    for (let i = 0; i < USERS; i++) server.publish(`user-${i}`, PUSH_TEXT);
  },
  '/churn': (client) => {
    for (let i = 0; i < CHURN; i++) client.subscribe(churnRooms[i]);
    for (let i = 0; i < CHURN; i++) client.unsubscribe(churnRooms[i]);
    client.send('done');
  },
};

const server = globalThis.Bun.serve({
  port: 0,
  hostname: '127.0.0.1',
  fetch(request, self) {
    const url = request.url.slice(request.url.indexOf('/', 8));
    const data = { path: pathOf(url), index: indexOf(url) };
    return self.upgrade(request, { data }) ? undefined : new globalThis.Response('no', { status: 400 });
  },
  websocket: {
    idleTimeout: 120,
    open(client) {
      const { path, index } = client.data;
      if (path === '/fan') client.subscribe('all');
      if (path === '/rooms') for (const room of roomsOf(index)) client.subscribe(room);
      if (path === '/users') client.subscribe(userOf(index));
    },
    message(client, data) {
      onMessage[client.data.path](client, data);
    },
  },
});

obey(server.port);
