/** The answer of Node's own HTTP server to a request with very many headers. */
import { once } from 'node:events';
import { createServer, get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * Node 20 keeps the first headers and ignores the others; Node 22.23 and later answer 431 from about a thousand on, before
 * the library sees the request.
 */
async function statusOfNode(count: number): Promise<number | undefined> {
  const server = createServer((_request, response) => response.end()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const headers = { a: Array.from({ length: count }, () => 'b') };
  const request = get({ port: (server.address() as AddressInfo).port, headers, agent: false });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  response.resume();
  server.close();
  return response.statusCode;
}

/** Whether this version of Node refuses such a request, which Node 20 accepts. */
export const REFUSES_MANY_HEADERS = (await statusOfNode(1900)) === 431;
