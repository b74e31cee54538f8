/** With `REALTIME_LIMITS=report` every bound is counted and logged, and none refuses anything. */
import { jest } from '@jest/globals';
import type { LimitName } from 'nestjs-realtime';
import { HostileApp } from '../support/apps/hostile-app.js';
import { ask, open, upstream } from '../support/clients/hostile-requests.js';
import { SessionClient } from '../support/clients/session-client.js';
import { wireOf } from '../support/clients/session-wires.js';
import { frame, httpRequest, Opcode, type RawSocket, upgradeRequest } from '../support/clients/raw-socket.js';

jest.setTimeout(60_000);

const times = <T>(count: number, make: (index: number) => T) =>
  Array.from({ length: count }, (_, index) => make(index));
const text = async (client: RawSocket) => (await client.frame()).payload.toString();
const statuses = async (count: number, target: string) =>
  (await Promise.all(times(count, () => app.knock(target)))).map(({ status }) => status);
const reached = (name: LimitName) => app.until(`the count of ${name}`, ({ stats }) => stats.limits[name] > seen(name));

let app: HostileApp;
let before: Readonly<Record<LimitName, number>>;
/** The lines of all tests: each bound logs one a second. */
let told = '';
const seen = (name: LimitName) => before[name];

beforeAll(async () => {
  app = await HostileApp.start({
    ...{ LIMITS: 'report', MAX_CONNECTIONS: 2, MAX_CONNECTIONS_PER_ADDRESS: 2, MAX_CONNECTIONS_PER_USER: 1 },
    ...{ MAX_CONNECTION_RATE: 2, MAX_CONNECTION_RATE_PER_ADDRESS: 2, MAX_FAILED_HANDSHAKES: 2 },
    ...{ MAX_UNFINISHED_HANDSHAKES: 2, HANDSHAKE_TIMEOUT: 0.2, HEADER_TIMEOUT: 0.3, AUTHENTICATE_TIMEOUT: 0.3 },
    ...{ MAX_MESSAGE_BYTES: 1000, MAX_FRAGMENTS: 3, MAX_BUFFERED_CHUNKS: 16, MESSAGE_TIMEOUT: 0.3, HOOK_TIMEOUT: 0.3 },
    ...{ MAX_CONTROL_RATE: 5, MAX_MESSAGE_RATE: 5, MAX_BYTE_RATE: 1000, MAX_QUEUED_MESSAGES: 2 },
    ...{ MAX_BUFFERED_BYTES: 140_000, MAX_BUFFERED_BYTES_TOTAL: 20_000, MAX_SLOW_TIME: 0.3 },
    ...{
      MAX_ROOMS_PER_CONNECTION: 2,
      MAX_POSTS: 2,
      MAX_POST_BYTES: 500,
      MAX_MEMBERS: 2,
      MAX_REPLIES: 3,
      MAX_STREAMS: 1,
      MAX_NAME_LENGTH: 8,
      MAX_DETACHED: 0,
      MAX_REPLAY_BYTES: 1000,
      MAX_PRESENCE_BYTES: 20,
      MAX_PRESENCE_USERS: 1,
    },
  });
});
afterAll(() => app.stop());
beforeEach(async () => {
  told += app.output;
  await app.begin();
  before = (await app.state()).stats.limits;
});
afterEach(() => app.expectCalm());

const LONG = 'x'.repeat(300);

/** Opens a client that reads only after all messages were pushed, and gets every one of them. */
async function slowly(count: number, bytes: number, name: LimitName): Promise<void> {
  const client = await app.open('/newest');
  client.socket.pause();
  await app.order('flood', { path: '/newest', count, bytes });
  await reached(name);
  client.socket.resume();
  for (let number = 0; number < count; number++) expect(Number.parseInt(await text(client), 10)).toBe(number);
}

/** Opens a session of a client library. */
async function session() {
  const heard: string[] = [];
  let opened = () => {};
  const client = new SessionClient(
    (text) => heard.push(text),
    () => {},
    () => opened(),
  );
  const opens = () => {
    const isOpen = new Promise<void>((done) => (opened = done));
    client.connect(wireOf('websocket', { url: `http://127.0.0.1:${app.port}/newest` }));
    return isOpen;
  };
  await opens();
  return { heard, client: { cut: () => client.cut(), close: () => client.close(), goesOn: opens } };
}

async function handshakes(count: number, target = '/ws'): Promise<void> {
  expect(await statuses(count, target)).toEqual(Array(count).fill(101));
}

/** Has requests of one polling client under way at once, and finishes them. */
async function unfinished(count: number): Promise<void> {
  const { token } = await open(app, 'polling');
  const post = httpRequest(upstream(token, `hush ${LONG}`));
  const clients = await Promise.all(times(count, () => app.connect()));
  for (const client of clients) client.send(post.subarray(0, -1));
  await reached(count > 2 ? 'posts' : 'postBytes');
  for (const client of clients) client.send(post.subarray(-1));
  for (const client of clients) expect((await client.answer()).status).toBe(204);
  expect((await ask(app, upstream(token, '', 'text/plain', 'DELETE'))).status).toBe(204);
}

/** Passes each bound without a reaction of the server. @returns how many handshakes the application itself refused */
const CASES: Record<LimitName, () => Promise<number | void>> = {
  connections: () => handshakes(5),
  connectionsPerAddress: () => handshakes(5),
  connectionsPerUser: () => handshakes(3, '/ws?user=ann'),
  connectionRate: () => handshakes(10),
  connectionRatePerAddress: () => handshakes(10),
  unfinishedHandshakes: () => handshakes(10, '/ws?wait=50'),
  async failedHandshakes() {
    expect(await statuses(10, '/ws?deny=1')).toEqual(Array(10).fill(401));
    await handshakes(1);
    return 10;
  },
  async handshakeTime() {
    await handshakes(1, '/ws?wait=600');
  },
  async headerTime() {
    const client = await app.connect();
    const request = upgradeRequest();
    client.send(request.subarray(0, 50));
    await reached('headerTime');
    client.send(request.subarray(50));
    expect((await client.answer()).status).toBe(101);
  },
  async authenticateTime() {
    const client = await app.open('/ask');
    await reached('authenticateTime');
    client.send(frame({ payload: '{"token":"the-right-secret"}' }), frame({ payload: 'hello' }));
    expect(await text(client)).toBe('hello');
  },
  async messageBytes() {
    const client = await app.open();
    client.send(frame({ payload: 'x'.repeat(3000) }));
    expect(await text(client)).toHaveLength(3000);
  },
  async byteRate() {
    const client = await app.open();
    client.send(frame({ payload: 'x'.repeat(3000) }));
    expect(await text(client)).toHaveLength(3000);
  },
  async fragments() {
    const client = await app.open();
    const more = times(10, () => frame({ opcode: Opcode.CONTINUATION, fin: false, payload: 'x' }));
    client.send(frame({ fin: false, payload: 'x' }), ...more, frame({ opcode: Opcode.CONTINUATION, payload: 'x' }));
    expect(await text(client)).toBe('x'.repeat(12));
  },
  async chunks() {
    const client = await app.open();
    const bytes = frame({ payload: 'y'.repeat(900) });
    for (let at = 0; at < bytes.length; at += 20) {
      client.send(bytes.subarray(at, at + 20));
      await app.echo();
    }
    expect(await text(client)).toBe('y'.repeat(900));
  },
  async messageTime() {
    const client = await app.open('/ws', {}, frame({ fin: false, payload: 'x' }));
    await reached('messageTime');
    client.send(frame({ opcode: Opcode.CONTINUATION, payload: 'y' }));
    expect(await text(client)).toBe('xy');
  },
  async posts() {
    await unfinished(3);
  },
  async postBytes() {
    await unfinished(2);
  },
  async controlRate() {
    const client = await app.open();
    client.send(...times(50, () => frame({ opcode: Opcode.PING })));
    for (let pongs = 0; pongs < 50; pongs++) expect((await client.frame()).opcode).toBe(Opcode.PONG);
  },
  async messageRate() {
    const client = await app.open();
    client.send(...times(50, (index) => frame({ payload: String(index) })));
    for (let index = 0; index < 50; index++) expect(await text(client)).toBe(String(index));
  },
  async hookTime() {
    const client = await app.open();
    client.send(frame({ payload: 'sleep 600' }), frame({ payload: 'x' }));
    await reached('hookTime');
    expect(await text(client)).toBe('x');
  },
  async queuedMessages() {
    const client = await app.open();
    client.send(frame({ payload: 'sleep 100' }), ...times(50, () => frame({ payload: 'x' })));
    for (let index = 0; index < 50; index++) expect(await text(client)).toBe('x');
  },
  async bufferedBytes() {
    const client = await app.open();
    client.send(frame({ payload: 'x'.repeat(150_000) }));
    expect(await text(client)).toHaveLength(150_000);
    await slowly(150, 65_536, 'bufferedBytes');
  },
  bufferedBytesTotal: () => slowly(2000, 5000, 'bufferedBytesTotal'),
  slowTime: () => slowly(150, 65_536, 'slowTime'),
  async detached() {
    const { client } = await session();
    client.cut();
    await reached('detached');
    await client.goesOn();
    client.close();
  },
  async replayBytes() {
    const { client, heard } = await session();
    client.cut();
    await app.until('it to be detached', ({ stats }) => stats.detached === 1);
    await app.order('flood', { path: '/newest', count: 5, bytes: 1000 });
    await reached('replayBytes');
    await client.goesOn();
    expect(heard.map((text) => Number.parseInt(text, 10))).toEqual([0, 1, 2, 3, 4]);
    client.close();
  },
  async rooms() {
    const client = await app.open('/ws?rooms=k,l,m');
    for (const room of ['a', 'b', 'c', 'd']) client.send(frame({ payload: `join ${room}` }));
    client.send(frame({ payload: 'done' }));
    expect(await text(client)).toBe('done');
    expect(await app.order('rooms', { names: ['a', 'b', 'c', 'd', 'k', 'l', 'm'] })).toEqual(Array(7).fill(1));
  },
  async members() {
    await Promise.all(times(2, () => app.open()));
    expect(await app.order('members', { path: '/ws' })).toHaveLength(3);
  },
  async replies() {
    const client = await app.open('/events');
    client.send(frame({ payload: '{"event":"many","data":10}' }));
    for (let number = 0; number < 10; number++) expect(JSON.parse(await text(client))).toMatchObject({ data: number });
  },
  async streams() {
    const client = await app.open('/events');
    for (const data of [1, 2, 3]) client.send(frame({ payload: JSON.stringify({ event: 'stream', data }) }));
    for (const data of [1, 2, 3]) expect(JSON.parse(await text(client))).toMatchObject({ data });
  },
  async presenceBytes() {
    const client = await app.open('/ws?user=ann&rooms=present');
    client.send(frame({ payload: `present ${LONG}` }), frame({ payload: 'done' }));
    expect(await text(client)).toBe('done');
  },
  async presenceUsers() {
    for (const user of ['ann', 'bob']) await app.open(`/ws?user=${user}&rooms=present`);
  },
  async nameLength() {
    const client = await app.open(`/ws?user=${LONG}&rooms=${LONG}y`);
    client.send(frame({ payload: `join ${LONG}z` }), frame({ payload: 'done' }));
    expect(await text(client)).toBe('done');
    expect(await app.order('users', { names: [LONG] })).toEqual([1]);
    expect(await app.order('rooms', { names: [`${LONG}y`, `${LONG}z`] })).toEqual([1, 1]);
    expect((await app.limits()).nameLength).toBe(3);
  },
};

it.each(Object.keys(CASES) as LimitName[])(
  'counts and logs what passes the bound of %s, and refuses nothing',
  async (name) => {
    const refusals = (await CASES[name]()) ?? 0;
    expect((await app.limits())[name]).toBeGreaterThan(0);
    expect([await app.grown('refused'), await app.endedByBounds()]).toEqual([refusals, 0]);
    for (const counter of ['dropped', 'pauses', 'hookErrors', 'messageErrors'] as const) {
      expect([counter, await app.grown(counter)]).toEqual([counter, 0]);
    }
  },
);

it('logs a line for each bound', () => {
  const lines = new Set(
    [...told.matchAll(/Realtime limit reached \(report only\) limit=(\w+) /g)].map(([, name]) => name),
  );
  expect([...lines].sort()).toEqual(Object.keys(CASES).sort());
});

it('a handshake that hangs ends when its client goes, and holds nothing then', async () => {
  for (const leave of ['finish', 'reset'] as const) {
    const client = await app.connect();
    client.send(upgradeRequest({ target: '/ws?wait=86400000' }));
    await reached('handshakeTime');
    before = (await app.state()).stats.limits;
    expect((await app.state()).stats.unfinished).toBe(1);
    client[leave]();
    await app.until('it to be given up', ({ stats }) => stats.unfinished === 0);
  }
});
