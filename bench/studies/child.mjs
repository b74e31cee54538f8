/** Starts bench/studies/server.mjs and asks it for its state. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const OFF = { REALTIME_MAX_CONNECTION_RATE_PER_ADDRESS: '0', REALTIME_MAX_CONNECTIONS_PER_ADDRESS: '0' };

export async function startServer(settings = {}) {
  const env = { ...process.env, ...OFF, ...settings };
  const stdio = ['ignore', 'inherit', 'inherit', 'ipc'];
  const child = fork(fileURLToPath(new URL('server.mjs', import.meta.url)), { env, stdio, execArgv: ['--expose-gc'] });
  const [{ port }] = await once(child, 'message');
  let asked = 0;
  const state = async (details = {}) => {
    const id = ++asked;
    child.send({ id, ...details });
    for (;;) {
      const [message] = await once(child, 'message');
      if (message.id === id) return message;
    }
  };
  return { child, port, state, exited: once(child, 'exit') };
}
