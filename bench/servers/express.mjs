/**
 * Express alone: a route answers every handshake with 101 and nothing else. So it shows the cost of any request through
 * Express on a new connection, without a WebSocket.
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
