/** SSE and polling clients on bare sockets, for attacks: each request has a connection of its own. */
import type { HostileApp } from '../apps/hostile-app.js';
import { within } from '../process-guard.js';
import { httpRequest, type HttpAnswer, type RawSocket, type RequestParts } from './raw-socket.js';

export type Kind = 'sse' | 'polling';

/** A connection that was opened, and the socket of its first request. */
export interface Opened {
  readonly token: string;
  readonly client: RawSocket;
}

/** The request that opens a connection. */
export function opening(kind: Kind, query = '', headers: RequestParts['headers'] = {}): RequestParts {
  const target = (path: string) => (path.startsWith('/') ? path : `/ws${path}`);
  if (kind === 'sse') return { target: target(query), headers: { Accept: 'text/event-stream', ...headers } };
  return { target: target(query + (query.includes('?') ? '&' : '?') + 'transport=polling'), headers };
}

/** The request that sends upstream. */
export function upstream(token: string, body: string, type = 'text/plain', method = 'POST'): RequestParts {
  const headers = {
    'X-Realtime-Token': token,
    'Content-Type': type,
    'Content-Length': String(Buffer.byteLength(body)),
  };
  return { method, target: '/ws', headers, body };
}

/** Asks once. @returns the answer */
export async function ask(app: HostileApp, parts: RequestParts): Promise<HttpAnswer> {
  const client = await app.connect();
  client.send(httpRequest({ ...parts, headers: { Connection: 'close', ...parts.headers } }));
  return client.answer();
}

/** Opens a connection. @throws Error when it is refused */
export async function open(app: HostileApp, kind: Kind, query = ''): Promise<Opened> {
  const client = await app.connect();
  const token = new Promise<string>((resolve, reject) => {
    let text = '';
    client.socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      const [, found] = /"token":"([\w-]{44})"/.exec(text) ?? [];
      if (found !== undefined) resolve(found);
    });
    client.socket.on('close', () => reject(new Error(`refused: ${text}`)));
  });
  client.send(httpRequest(opening(kind, query)));
  return { token: await within(10_000, 'the token', token), client };
}

/** All messages that wait for a polling client, from a position on. */
export async function poll(app: HostileApp, token: string, position = 0): Promise<string[]> {
  const target = `/ws?transport=polling&position=${position}`;
  const { body } = await ask(app, { target, headers: { 'X-Realtime-Token': token } });
  return (JSON.parse(body) as { messages: string[] }).messages;
}
