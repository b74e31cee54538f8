/**
 * What each runtime runs: a client on every transport, which collects the numbers of its room up to the last one and
 * then asks for the half of 42. It prints one line of JSON per client.
 *
 *   client.mjs <URL> <last number>
 */
import process from 'node:process';
import { connect } from 'nestjs-realtime-client';

const [url, last] = process.argv.slice(2);

function listen(transport) {
  const seen = { transport, numbers: [], gaps: [], ids: [] };
  const socket = connect(url, { transports: [transport] });
  socket.room('numbers').on('gap', ({ reason }) => seen.gaps.push(reason));
  return new Promise((resolve) => {
    socket.onState((state) => {
      if (state.status === 'open') seen.ids.push(state.id);
      if (state.status === 'closed') resolve({ ...seen, error: state.reason });
    });
    socket.on('n', (number) => {
      seen.numbers.push(number);
      if (number !== Number(last)) return;
      const half = socket.request('half', 42).catch(String);
      void half.then((answer) => resolve({ ...seen, answer, status: socket.state.status })).then(() => socket.close());
    });
  });
}

await Promise.all(
  ['websocket', 'sse', 'polling'].map(async (transport) => console.log(JSON.stringify(await listen(transport)))),
);
process.exit(0);
