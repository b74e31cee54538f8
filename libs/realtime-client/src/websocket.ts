/** The WebSocket transport: hello and token travel as subprotocols, the only place that a page can write to. */
import { base64url, PROTOCOL, type Wire, type WireOwner } from './wire.js';

/** @throws SyntaxError of the class for a subprotocol that is not a token */
export async function openWebSocket(owner: WireOwner): Promise<Wire> {
  const { target, bearer } = owner;
  const Class = await target.environment.webSocket();
  const greeting = owner.hello();
  const offered = [...target.protocols, PROTOCOL];
  if (greeting) offered.push(`hello.${greeting}`);
  if (bearer) offered.push(`bearer.${base64url(bearer)}`);
  const socket = new Class(target.address.replace('http', 'ws'), offered);
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
    write: (data) => socket.send(data),
    closeWith: (code) => socket.close(code),
  };
}
