/** The WebSocket transport: hello and token travel as subprotocols, the only place that a page can write to. */
import type { WebSocketClass } from './environment.js';
import { base64url, PROTOCOL, type Wire, type WireOptions } from './wire.js';

/** @throws SyntaxError of the class for a subprotocol that is not a token */
export function openWebSocket(Class: WebSocketClass, { url, protocols, token, hello, owner }: WireOptions): Wire {
  const greeting = hello();
  const offered = [...protocols];
  if (greeting !== undefined) offered.push(PROTOCOL);
  if (greeting) offered.push(`hello.${greeting}`);
  if (token) offered.push(`bearer.${base64url(token)}`);
  const socket = new Class(url.replace(/^http/, 'ws'), offered);
  let isOver = false;
  socket.binaryType = 'arraybuffer';
  socket.onopen = () => isOver || owner.opened(socket.protocol === PROTOCOL);
  socket.onmessage = ({ data }: { data: string | ArrayBuffer }) => {
    if (!isOver) owner.received(data);
  };
  socket.onerror = () => {};
  socket.onclose = ({ code, reason }: { code: number; reason: string }) => {
    if (!isOver) owner.ended({ code, reason });
    isOver = true;
  };
  return {
    transport: 'websocket',
    send: (data) => socket.send(data),
    close(code) {
      isOver = true;
      socket.close(code);
    },
  };
}
