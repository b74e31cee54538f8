/** The client against a real server, behind a TCP proxy that breaks things: a numbered stream stays whole. */
import { jest } from '@jest/globals';
import { connect, type RealtimeSocket, type State, type WebSocketClass } from 'nestjs-realtime-client';
import { WebSocket } from 'ws';
import type { Transport } from '../../libs/realtime-client/src/wire.js';
import { type NumbersApp, type Numbers, startNumbers } from '../support/apps/client-app.js';
import { TcpProxy } from '../support/clients/tcp-proxy.js';
import { until } from '../support/process-guard.js';
import { random } from '../support/random.js';

jest.setTimeout(60_000);

const ALL: readonly Transport[] = ['websocket', 'sse', 'polling'];

let site: NumbersApp;
let proxy: TcpProxy;
const sockets: RealtimeSocket<Numbers>[] = [];

beforeAll(async () => {
  site = await startNumbers({ graceTime: 30, closeTimeout: 0.1 });
});

beforeEach(async () => {
  proxy = await TcpProxy.start(Number(new URL(site.app.url).port));
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.close();
  await proxy.stop();
  for (const record of [site.gateway.opened, site.gateway.said, site.gateway.closed]) record.length = 0;
});

afterAll(() => site.app.close());

const come = (transports: readonly Transport[]) => {
  const socket = connect<Numbers>(`http://127.0.0.1:${proxy.port}/ws`, { transports, timeout: 50_000 });
  const states: State[] = [];
  const got: number[] = [];
  socket.onState((state) => states.push(state));
  socket.on('n', (n) => got.push(n));
  sockets.push(socket);
  return { socket, states, got };
};
const isOpen = (socket: RealtimeSocket<Numbers>, patience = 15_000) =>
  until(
    'the connection',
    () => socket.state,
    ({ status }) => status === 'open',
    patience,
  );
const upTo = (n: number) => Array.from({ length: n }, (_, index) => index + 1);

/** Pushes and asks in rounds; `breaks` is called in each of them when some of its messages have come. */
async function converse({ socket, got }: ReturnType<typeof come>, rounds: number, breaks: (round: number) => void) {
  const answers: Promise<number>[] = [];
  let pushed = 0;
  for (let round = 0; round < rounds; round++) {
    const enough = pushed + 1 + Math.floor(random() * 20);
    for (let i = 0; i < 20; i++) void site.app.server.toEveryone().emit('n', ++pushed);
    for (let i = 0; i < 5; i++) answers.push(socket.request('say', answers.length + 1));
    await reach(got, enough);
    breaks(round);
  }
  await reach(got, pushed);
  return { pushed, answers: await Promise.all(answers) };
}

const reach = (got: readonly number[], wanted: number) =>
  until(
    `message ${wanted}`,
    () => got.length,
    (count) => count >= wanted,
    40_000,
  );

describe.each(ALL)('a client of %s', (transport) => {
  it('gets every message and every answer once and in order, though its connections are cut again and again', async () => {
    const client = come([transport]);
    const { socket, states, got } = client;
    await isOpen(socket);
    // Backoff would make the later rounds wait for up to 16 s
    socket.onState(({ status }) => status === 'waiting' && socket.connect());
    const { pushed, answers } = await converse(client, 6, () => proxy.cut());
    expect(got).toEqual(upTo(pushed));
    expect(answers).toEqual(upTo(answers.length));
    expect(site.gateway.said).toEqual(upTo(answers.length));
    expect(site.gateway.opened).toHaveLength(1);
    const opens = states.filter(({ status }) => status === 'open');
    expect(opens.length).toBeGreaterThan(1);
    expect(opens.slice(1)).toEqual(opens.slice(1).map(() => expect.objectContaining({ isResumed: true, transport })));
  });

  it('ends its connection on the server when it is closed', async () => {
    const { socket } = come([transport]);
    await isOpen(socket);
    socket.close();
    await until(
      'onClose',
      () => site.gateway.closed,
      (codes) => codes.length === 1,
    );
    expect(site.gateway.closed).toEqual([1000]);
  });
});

it('a session moves between all transports, and nothing is lost while wires are cut in between', async () => {
  const client = come(ALL);
  const { socket, states, got } = client;
  await isOpen(socket);
  const order: Transport[] = ['sse', 'polling', 'websocket', 'polling', 'sse', 'websocket'];
  const { pushed, answers } = await converse(client, order.length, (round) => {
    socket.use(order[round]!);
    if (round % 2) proxy.cut();
  });
  for (const transport of ALL) {
    socket.use(transport);
    await until(
      `an open wire over ${transport}`,
      () => socket.state,
      (state) => state.status === 'open' && state.transport === transport,
      20_000,
    );
  }
  expect(got).toEqual(upTo(pushed));
  expect(site.gateway.said).toEqual(upTo(answers.length));
  const ids = states.flatMap((state) => (state.status === 'open' ? [state.id] : []));
  expect([...new Set(ids)]).toEqual(site.gateway.opened);
  const used = new Set(states.flatMap((state) => (state.status === 'open' ? [state.transport] : [])));
  expect([...used].sort()).toEqual([...ALL].sort());
});

it('a restart on the same port is a new connection on the same transport: what had left is unknown', async () => {
  const own = await startNumbers({ graceTime: 30, reconnectSpread: 0.1, closeTimeout: 0.1 });
  const port = Number(new URL(own.app.url).port);
  const socket = connect<Numbers>(own.app.url + '/ws');
  sockets.push(socket);
  await isOpen(socket);
  const first = socket.state as { id?: string };
  await own.app.close();
  await until(
    'the close',
    () => socket.state.status,
    (status) => status !== 'open',
  );
  const waited = socket.request('say', 7, { timeout: 50_000 });
  const again = await startNumbers({}, port);
  expect(await waited).toBe(7);
  expect(socket.state).toMatchObject({ status: 'open', transport: 'websocket', isResumed: false });
  expect((socket.state as { id?: string }).id).not.toBe(first.id);
  socket.close();
  await again.app.close();
});

it('a thousand clients whose server restarts return evenly, and none before the server wants it back', async () => {
  const CLIENTS = 1000;
  const hints: number[] = [];
  const own = await startNumbers({ graceTime: 30, reconnectSpread: 2, closeTimeout: 5 });
  const port = Number(new URL(own.app.url).port);
  const crowd: RealtimeSocket<Numbers>[] = [];
  const count = (status: string) => crowd.filter(({ state }) => state.status === status).length;
  // In groups: a thousand handshakes at once take a busy machine longer than a client waits for one
  while (crowd.length < CLIENTS) {
    const group = Array.from({ length: 100 }, (_, index) =>
      connect<Numbers>(`${own.app.url}/ws`, {
        transports: ['websocket'],
        WebSocket: hearing(hints, crowd.length + index),
      }),
    );
    crowd.push(...group);
    sockets.push(...group);
    await until(
      'all connections',
      () => count('open'),
      (open) => open === crowd.length,
      50_000,
    );
  }
  const delays: number[] = [];
  const early: number[] = [];
  for (const [index, socket] of crowd.entries()) {
    let closedAt = 0;
    const off = socket.onState((state) => {
      if (state.status === 'waiting' && closedAt === 0) {
        closedAt = Date.now();
        delays.push(state.retryAt! - closedAt);
      } else if (state.status === 'connecting') {
        if (Date.now() - closedAt < hints[index]! - 2) early.push(index);
        off();
      }
    });
  }
  await own.app.close();
  await until(
    'all closes',
    () => delays.length,
    (closed) => closed === CLIENTS,
    20_000,
  );
  const again = await startNumbers({}, port);
  await until(
    'all to be back',
    () => count('open'),
    (open) => open === CLIENTS,
    50_000,
  );
  expect(early).toEqual([]);
  // Hints are spread over 2 s, and each client adds up to 0.5 s: between 0.5 s and 2 s the bins are equal, 125 ± 11 each
  const bins = Array.from({ length: 6 }, (_, bin) => delays.filter((ms) => Math.floor(ms / 250) === bin + 2).length);
  expect({ bins, isFlat: bins.every((size) => size > 75 && size < 180) }).toEqual({ bins, isFlat: true });
  for (const socket of sockets.splice(0)) socket.close();
  await again.app.close();
});

/** A class of WebSockets that notes the time for which the server asks. */
function hearing(hints: number[], index: number): WebSocketClass {
  const Class = class extends WebSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols);
      this.addEventListener('close', ({ reason }) => {
        hints[index] ??= Number(/retry-after-ms=(\d+)$/.exec(reason)?.[1] ?? NaN);
      });
    }
  };
  return Class as unknown as WebSocketClass;
}
