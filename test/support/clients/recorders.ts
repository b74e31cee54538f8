/** Clients of each transport that record everything that arrives, in order, until the connection ends. */
import { WebSocket } from 'ws';
import { EventSourceParser, type SourceEvent } from './event-source-parser.js';

/** What a client has received. */
export interface Recording {
  /** Texts as they are, bytes as `bytes:<text>`, events as their envelope. */
  readonly messages: string[];
  /** The close code; 1006 where there was none, and the HTTP status of a refused handshake. */
  code: number;
}

/** What the client sends, one after the other, as soon as it is open. */
export type Recorder = (url: string, texts: readonly string[]) => Promise<Recording>;

const TOKEN = 'x-realtime-token';
const headersOf = (token: string) => ({ [TOKEN]: token, 'content-type': 'text/plain' });
const bytesText = (base64: string) => `bytes:${Buffer.from(base64, 'base64').toString()}`;

/** A message may come too late for its connection: the answer says so, and is ignored. */
async function sendAll(url: string, token: string, texts: readonly string[]): Promise<void> {
  for (const body of texts) {
    await fetch(url, { method: 'POST', headers: headersOf(token), body }).catch(() => {});
  }
}

function recordWebSocket(url: string, texts: readonly string[]): Promise<Recording> {
  const found: Recording = { messages: [], code: 1006 };
  const socket = new WebSocket(url.replace('http', 'ws'));
  socket.on('message', (data: Buffer, isBinary) =>
    found.messages.push(isBinary ? `bytes:${data.toString()}` : data.toString()),
  );
  socket.on('open', () => texts.forEach((text) => socket.send(text)));
  socket.on('error', () => {});
  socket.on('unexpected-response', (_request, { statusCode = 0 }) => {
    found.code = statusCode;
    socket.terminate();
  });
  return new Promise((resolve) => {
    socket.on('close', (code) => {
      if (found.code === 1006) found.code = code;
      resolve(found);
    });
  });
}

async function recordStream(url: string, texts: readonly string[]): Promise<Recording> {
  const found: Recording = { messages: [], code: 1006 };
  const response = await fetch(url, { headers: { accept: 'text/event-stream' } }).catch(() => undefined);
  if (response?.status !== 200) return { ...found, code: response?.status ?? 1006 };
  let sent = Promise.resolve();
  const take = ({ type, data }: SourceEvent) => {
    if (type === 'open') sent = sendAll(url, (JSON.parse(data) as { token: string }).token, texts);
    else if (type === 'close') found.code = (JSON.parse(data) as { code: number }).code;
    else if (type === 'binary') found.messages.push(bytesText(data));
    else found.messages.push(type === 'message' ? data : `{"event":${JSON.stringify(type)},"data":${data}}`);
  };
  const parser = new EventSourceParser(take);
  const decoder = new TextDecoder();
  try {
    for await (const chunk of response.body!) parser.push(decoder.decode(chunk as Uint8Array, { stream: true }));
  } catch {
    // The stream was cut
  }
  await sent;
  return found;
}

interface Batch {
  readonly token?: string;
  readonly position: number;
  readonly messages: readonly (string | { binary: string })[];
  readonly close?: { readonly code: number };
}

async function recordPolls(url: string, texts: readonly string[]): Promise<Recording> {
  const found: Recording = { messages: [], code: 1006 };
  let token = '';
  let sent = Promise.resolve();
  for (let position = 0; ;) {
    const headers: Record<string, string> = token ? { [TOKEN]: token } : {};
    const answer = await fetch(`${url}?transport=polling&position=${position}`, { headers }).catch(() => undefined);
    if (answer?.status !== 200) return { ...found, code: answer?.status ?? 1006 };
    const batch = (await answer.json()) as Batch;
    if (batch.token !== undefined && token) {
      // The connection is lost, and this is another
      await fetch(url, { method: 'DELETE', headers: headersOf(batch.token) });
      break;
    }
    if (batch.token !== undefined) sent = sendAll(url, (token = batch.token), texts);
    const known = Math.max(0, position - (batch.position - batch.messages.length));
    for (const item of batch.messages.slice(known))
      found.messages.push(typeof item === 'string' ? item : bytesText(item.binary));
    position = batch.position;
    if (!batch.close) continue;
    found.code = batch.close.code;
    break;
  }
  await sent;
  return found;
}

/** By the name of the transport. */
export const RECORDERS: Readonly<Record<string, Recorder>> = {
  websocket: recordWebSocket,
  sse: recordStream,
  polling: recordPolls,
};
