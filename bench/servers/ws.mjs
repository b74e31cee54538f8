/** The yardstick: raw `ws`, written as in its README. Rooms are a Map of Sets. */
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { setInterval } from 'node:timers';
import { WebSocket, WebSocketServer } from 'ws';
import { obey } from './control.mjs';
import { tlsFiles } from './tls.mjs';
import { CHURN, churnRooms, indexOf, pathOf, PUSH_TEXT, roomCursor, roomsOf, userOf, USERS } from './shapes.mjs';

const server = process.env.BENCH_TLS ? createTlsServer(tlsFiles()) : createServer();
const wss = new WebSocketServer({ server, maxPayload: 1 << 20 });
const rooms = new Map();
const nextRooms = roomCursor();

function join(room, client) {
  const members = rooms.get(room);
  if (members) members.add(client);
  else rooms.set(room, new Set([client]));
}

function leave(room, client) {
  const members = rooms.get(room);
  members?.delete(client);
  if (members?.size === 0) rooms.delete(room);
}

function push(members) {
  for (const client of members) if (client.readyState === WebSocket.OPEN) client.send(PUSH_TEXT);
}

const onMessage = {
  '/echo': (client, data, isBinary) => client.send(data, { binary: isBinary }),
  '/text': (client, data) => client.send(data.toString()),
  '/json': (client, data) => client.send(JSON.stringify(JSON.parse(data.toString()))),
  '/fan': () => push(wss.clients),
  '/rooms': () => nextRooms((room) => push(rooms.get(room))),
  '/users': () => {
    for (let i = 0; i < USERS; i++) push(rooms.get(`user-${i}`));
  },
  '/churn': (client) => {
    for (let i = 0; i < CHURN; i++) join(churnRooms[i], client);
    for (let i = 0; i < CHURN; i++) leave(churnRooms[i], client);
    client.send('done');
  },
};

wss.on('connection', (client, request) => {
  const path = pathOf(request.url);
  const index = indexOf(request.url);
  if (path === '/rooms') for (const room of roomsOf(index)) join(room, client);
  if (path === '/users') join(userOf(index), client);
  const handle = onMessage[path];
  client.on('message', (data, isBinary) => handle(client, data, isBinary));
  client.on('error', () => {});
});

// The heartbeat is that of the README of ws, with our interval
setInterval(() => {
  for (const client of wss.clients) client.ping();
}, 25_000).unref();

server.listen(0, '127.0.0.1', 4096, () => obey(server.address().port));
