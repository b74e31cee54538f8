import type { IncomingMessage } from 'node:http';
import type { HttpServer } from '@nestjs/common';
import type { Engine } from '../engine.js';
import { HandshakeError } from '../errors.js';
import { refusal } from '../handshake.js';

/**
 * Answers a plain `GET` on a gateway's path as the handshake would be: the same admission and its status, or 426 when
 * it would be admitted. A browser cannot read why its WebSocket was refused; with `fetch` on the same path it can.
 */
export function answerPlainGet(http: HttpServer, path: string, engine: Engine): void {
  http.get(path, async (request: IncomingMessage & { raw?: IncomingMessage }, response: unknown) => {
    const { status, body, headers } = await verdict(request.raw ?? request, engine);
    for (const [name, value] of Object.entries(headers)) http.setHeader?.(response, name, value);
    http.reply(response, body, status);
  });
}

async function verdict(request: IncomingMessage, engine: Engine): Promise<HandshakeError> {
  try {
    const admission = await engine.admit(request);
    admission.release();
    return refusal(426, 'Connect with a WebSocket', { Upgrade: 'websocket' });
  } catch (error) {
    return error instanceof HandshakeError ? error : refusal(500, 'Internal server error');
  }
}
