/** A TCP relay in front of a server, which counts the bytes of both directions. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

export async function startRelay(port) {
  const relay = { up: 0, down: 0 };
  const server = createServer((client) => {
    const target = connect(port, '127.0.0.1');
    client.on('data', (chunk) => (relay.up += chunk.length));
    target.on('data', (chunk) => (relay.down += chunk.length));
    for (const [from, to] of [
      [client, target],
      [target, client],
    ]) {
      from.setNoDelay();
      from.on('error', () => to.destroy()).on('close', () => to.destroy());
      from.pipe(to);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return Object.assign(relay, { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() });
}
