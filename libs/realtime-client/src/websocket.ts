/** The WebSocket transport: hello and token travel as subprotocols, the only place that a page can write to. */
import type { WebSocketClass } from './environment.js';
import { base64url, PROTOCOL, type Wire, type WireOptions } from './wire.js';

/** @throws SyntaxError of the class for a subprotocol that is not a token */
export function openWebSocket(Class: WebSocketClass, { url, protocols, token, hello, owner }: WireOptions): Wire {
  const greeting = hello();
  const offered = [...protocols, PROTOCOL];
  if (greeting) offered.push(`hello.${greeting}`);
  if (token) offered.push(`bearer.${base64url(token)}`);
  const socket = new Class(url.replace('http', 'ws'), offered);
  socket.binaryType = 'arraybuffer';
  socket.onopen = () => {
    if (socket.protocol === PROTOCOL) owner.opened();
    else owner.ended({ code: 1002, reason: `the server does not speak ${PROTOCOL}` });
  };
  socket.onmessage = ({ data }: { data: string | ArrayBuffer }) => owner.received(data);
  // A failure is a close too
  socket.onerror = () => {};
  // Deno says 0 where other runtimes say 1006
  socket.onclose = ({ code, reason }: { code: number; reason: string }) => owner.ended({ code: code || 1006, reason });
  return {
    send: (data) => socket.send(data),
    close: (code) => socket.close(code),
  };
}
