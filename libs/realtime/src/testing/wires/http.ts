/** Plain HTTP requests of test clients, each on a TCP connection of its own. */
import { type IncomingHttpHeaders, type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';

/** One request. */
export interface Asked {
  readonly method?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal;
}

/** The answer to a request. */
export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** The local port of the request. */
  readonly port: number | undefined;
}

/** Sends a request and resolves with the answer when its head has arrived. @throws Error of the network */
export function open(url: string, { method, headers, body, signal }: Asked): Promise<IncomingMessage> {
  const request = url.startsWith('https:') ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    request(url, { method, headers, agent: false, signal }, resolve).on('error', reject).end(body);
  });
}

/** Sends a request and reads the whole answer. @throws Error of the network */
export async function ask(url: string, asked: Asked): Promise<Answered> {
  const response = await open(url, asked);
  // Read at once: the socket is gone when the body is read
  const port = response.socket.localPort;
  const body = await readBody(response);
  return { status: response.statusCode ?? 0, headers: response.headers, body, port };
}

export async function readBody(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
