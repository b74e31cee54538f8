/**
 * Express alone, with a route that answers every handshake with 101 and nothing else: what any request through Express
 * costs on a new connection, before there is a WebSocket.
 */
import { createServer } from 'node:http';
import express from 'express';
import { obey } from './control.mjs';

const app = express();
app.get('/:place', (_request, response) => {
  response.statusCode = 101;
  response.end();
});

const server = createServer(app);
server.listen(0, '127.0.0.1', 4096, () => obey(server.address().port));
