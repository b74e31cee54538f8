/**
 * A process of clients of the library, each in one room of a numbered stream. It counts what is lost and what is
 * repeated, and notes when clients come back.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { connect } from '../../libs/realtime-client/dist/esm/index.js';

/** How many clients connect at the same time. */
const AT_ONCE = 50;

const counts = { received: 0, lost: 0, repeated: 0, gaps: {}, closed: {} };
/** When a client had a wire again, in milliseconds since 1970. */
const backAt = [];
const clients = [];

function open({ url, room, transport }) {
  const name = `stream:${room}`;
  const socket = connect(`${url}?room=${name}`, { transports: [transport], WebSocket });
  const client = { socket, room, last: undefined, opens: 0 };
  socket.on('n', (number) => {
    counts.received++;
    if (client.last !== undefined && number > client.last + 1) counts.lost += number - client.last - 1;
    if (client.last !== undefined && number <= client.last) counts.repeated++;
    client.last = number;
  });
  socket.room(name).on('gap', ({ reason }) => (counts.gaps[reason] = (counts.gaps[reason] ?? 0) + 1));
  socket.onState(({ status, code }) => {
    if (status === 'closed') counts.closed[code] = (counts.closed[code] ?? 0) + 1;
    if (status === 'open' && ++client.opens > 1) backAt.push(Date.now());
  });
  clients.push(client);
  return client;
}

const isOpen = ({ socket }) => socket.state.status === 'open';

async function until(test) {
  while (!test()) await sleep(20);
}

const commands = {
  /** @param plan one item for each client: its URL, its room and its transport */
  async open({ plan }) {
    for (let at = 0; at < plan.length; at += AT_ONCE) {
      const some = plan.slice(at, at + AT_ONCE).map(open);
      await until(() => some.every(isOpen));
    }
  },

  /** @returns what happened, and how many clients are open and stand at the end of their room */
  state({ last }) {
    const duplicates = clients.reduce((sum, { socket }) => sum + socket.duplicates, 0);
    const whole = clients.filter((client) => isOpen(client) && client.last === last?.[client.room]).length;
    return { ...counts, duplicates, open: clients.filter(isOpen).length, whole, backAt };
  },
};

process.on('message', async ({ id, verb, args }) => {
  try {
    process.send({ id, value: await commands[verb](args ?? {}) });
  } catch (error) {
    process.send({ id, error: String(error.stack) });
  }
});
process.on('disconnect', () => process.exit());
process.send({ ready: true });
