/**
 * Malformed handshakes. The application under attack runs in a process of its own and listens to neither
 * uncaughtException nor unhandledRejection, so that either ends it, and `state()` fails.
 */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { jest } from '@jest/globals';
import { Test } from '@nestjs/testing';
import { WebSocketGateway } from '@nestjs/websockets';
import { CloseInfo, Connection, HandshakeRequest, Message, RealtimeModule } from 'nestjs-realtime';
import { createTestApp, type TestAppOptions, TestClient } from 'nestjs-realtime/testing';
import { WebSocketServer } from 'ws';
import { ChildApp } from '../support/apps/child-app.js';
import { seeded, until, untilConnections } from '../support/process-guard.js';
import { seed } from '../support/random.js';
import {
  closeFrame,
  frame,
  httpRequest,
  type RawOptions,
  RawSocket,
  type RequestParts,
  upgradeRequest,
} from '../support/clients/raw-socket.js';

jest.setTimeout(60_000);

interface Kind {
  readonly name: string;
  readonly bytes: () => Buffer;
  /** The statuses of all answers up to the end, in order, with a space between. */
  readonly expected: RegExp;
  /** Headers of the last answer. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Bodies of the first answers. */
  readonly bodies?: readonly RegExp[];
  /** After so many answers the client ends its side: the server may keep the connection for more requests. */
  readonly count?: number;
  /** True when it is a HEAD: the answer has no body (RFC 9110 §9.3.2). */
  readonly hasNoBody?: boolean;
}

const upgrade = (name: string, expected: RegExp, parts: RequestParts, rest: Partial<Kind> = {}): Kind => ({
  name,
  expected,
  bytes: () => upgradeRequest(parts),
  ...rest,
});
const key = (name: string, value: string | readonly string[] | undefined): Kind =>
  upgrade(name, /^400$/, { headers: { 'Sec-WebSocket-Key': value } });
const version = (name: string, value: string | readonly string[] | undefined): Kind =>
  upgrade(
    name,
    /^426$/,
    { headers: { 'Sec-WebSocket-Version': value } },
    { headers: { 'sec-websocket-version': '13' } },
  );
const target = (name: string, value: string): Kind => upgrade(name, /^(400|404)$/, { target: value });
const raw = (name: string, bytes: string | Uint8Array, expected = /^400$/): Kind => ({
  name,
  expected,
  bytes: () => Buffer.from(bytes as string),
});

const GOOD_KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const smallHeaders = (count: number) => ({ a: Array.from({ length: count }, () => 'b') });
const MANY_HEADERS = Object.fromEntries(Array.from({ length: 2000 }, (_, index) => [`X-Header-${index}`, 'value']));
const H2C = { Connection: 'Upgrade, HTTP2-Settings', Upgrade: 'h2c', 'HTTP2-Settings': 'AAMAAABkAAQAAP__' };
const SMUGGLED = httpRequest({ target: '/hello' });
const JSON_BODY = JSON.stringify({ hello: 'h2c' });

const MALFORMED: Kind[] = [
  key('no Sec-WebSocket-Key', undefined),
  key('two Sec-WebSocket-Keys', [GOOD_KEY, GOOD_KEY]),
  key('an empty Sec-WebSocket-Key', ''),
  key('a Sec-WebSocket-Key that is not base64', 'this is not base64 at all!'),
  key('a Sec-WebSocket-Key of 15 bytes', Buffer.alloc(15).toString('base64')),
  key('a Sec-WebSocket-Key of 17 bytes', Buffer.alloc(17).toString('base64')),
  version('version 8', '8'),
  version('no version', undefined),
  version('two versions', ['8', '13']),
  version('a version that is not a number', 'thirteen'),
  ...['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE'].map((method) =>
    upgrade(`the method ${method}`, /^405$/, { method }, { headers: { allow: 'GET' } }),
  ),
  upgrade('the method HEAD', /^405$/, { method: 'HEAD' }, { hasNoBody: true }),
  raw('the method CONNECT', 'CONNECT /ws HTTP/1.1\r\nHost: a\r\n\r\n', /^(400|404|405)?$/),
  upgrade('a body with a length', /^400$/, { headers: { 'Content-Length': '5' }, body: 'hello' }),
  upgrade('a body that is a frame', /^400$/, { headers: { 'Content-Length': '8' }, body: frame({ payload: 'hi' }) }),
  upgrade('a chunked body', /^400$/, { headers: { 'Transfer-Encoding': 'chunked' }, body: '5\r\nhello\r\n0\r\n\r\n' }),
  upgrade('an announced body that never arrives', /^400$/, { headers: { 'Content-Length': '5' } }),
  upgrade('a POST with a body', /^(400|405)$/, { method: 'POST', headers: { 'Content-Length': '5' }, body: 'hello' }),
  // RFC 9112 §3.2: "MUST respond with a 400 to any HTTP/1.1 request message that lacks a Host header field"
  upgrade('no Host', /^400$/, { headers: { Host: undefined } }),
  ...['[', '//', '', '[::1', 'a:b:c', '%00', ':'].map((host) =>
    upgrade(`the Host "${host}"`, /^(101|400)$/, { headers: { Host: host } }),
  ),
  ...['[', '//', '', 'http://[', 'http://', 'null', 'http://a, http://b'].map((origin) =>
    upgrade(`the Origin "${origin}"`, /^403$/, { headers: { Origin: origin } }),
  ),
  ...['//', '//[]/x', '%', '/%', '/ws%2f', '/ws%2F..', '/ws/..', '/wsx', '/ws;a', '/', '*', '/__proto__'].map((one) =>
    target(`the target ${one}`, one),
  ),
  upgrade('the target http://169.254.0.1/ws', /^(101|400|404)$/, { target: 'http://169.254.0.1/ws' }),
  upgrade('the target http://[/ws', /^(400|404)$/, { target: 'http://[/ws' }),
  upgrade('a query that cannot be decoded', /^101$/, { target: '/ws?%ff=%&&=%E0%A4%A' }),
  target('a path of 8 KiB', `/${'p'.repeat(8191)}`),
  upgrade('a query of 8 KiB', /^101$/, { target: `/ws?${'q'.repeat(8191)}` }),
  upgrade('900 headers', /^101$/, { headers: smallHeaders(900) }),
  upgrade('1900 headers', /^431$/, { headers: smallHeaders(1900) }),
  upgrade('2000 headers, more than 16 KiB', /^431$/, { headers: MANY_HEADERS }),
  upgrade('a subprotocol of 15 KB', /^101$/, { headers: { 'Sec-WebSocket-Protocol': 'p'.repeat(15_000) } }),
  upgrade('3000 subprotocols', /^101$/, {
    headers: { 'Sec-WebSocket-Protocol': Array.from({ length: 3000 }, (_, n) => n.toString(36)).join(',') },
  }),
  ...['a,,b', 'a b', ',', 'a,a', '"a"', 'a\u00e9'].map((protocols) =>
    upgrade(`the subprotocols ${protocols}`, /^400$/, { headers: { 'Sec-WebSocket-Protocol': protocols } }),
  ),
  upgrade('cookies that cannot be decoded', /^101$/, { headers: { Cookie: 'a=%E0%A4%A; =; ;;; __proto__=1; b="%"' } }),
  upgrade('HTTP/1.0', /^400$/, { version: '1.0' }),
  upgrade('HTTP/2.0', /^(400|505)$/, { version: '2.0' }),
  upgrade('HTTP/9.9', /^(400|505)$/, { version: '9.9' }),
  raw('the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  raw('the hello of TLS', Buffer.from('16030100710100006d030365', 'hex')),
  raw('bytes that are not HTTP', 'hello?\r\n\r\n'),
  raw('two different lengths', 'GET /ws HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'),
  upgrade('a header with a NUL', /^400$/, { headers: { 'X-Odd': 'a\0b' } }),
  upgrade('a header with a bare CR', /^400$/, { headers: { 'X-Odd': 'a\rb' } }),
  upgrade(
    'an Upgrade to something else',
    /^426$/,
    { headers: { Upgrade: 'telnet' } },
    { count: 1, headers: { upgrade: 'websocket' } },
  ),
  upgrade('an Upgrade to websocket in capitals', /^101$/, { headers: { Upgrade: 'WebSocket' } }),
  upgrade('a path without a gateway', /^404$/, { target: '/nobody' }),
];

/** RFC 9110 §7.8: a server may ignore an Upgrade; then the request is an ordinary one. */
const OTHER_PROTOCOL: Kind[] = [
  upgrade('h2c on an ordinary route', /^200$/, { target: '/hello', headers: H2C }, { bodies: [/"world"/] }),
  upgrade('h2c with HEAD', /^200$/, { method: 'HEAD', target: '/hello', headers: H2C }, { hasNoBody: true }),
  upgrade('h2c on no route', /^404$/, { target: '/nobody', headers: H2C }),
  // Where headers are lost, the body would be read as a request of its own
  upgrade('h2c with 1100 headers before the length of its body', /^431$/, {
    method: 'POST',
    target: '/echo',
    headers: { ...H2C, ...smallHeaders(1100), 'Content-Length': String(SMUGGLED.length) },
    body: SMUGGLED,
  }),
  upgrade('h2c on the path of a gateway', /^426$/, { headers: H2C }),
  upgrade('h2c on a slow route', /^200$/, { target: '/slow?ms=30', headers: H2C }, { bodies: [/"slow":true/] }),
  upgrade(
    'h2c with a body',
    /^201$/,
    {
      method: 'POST',
      target: '/echo',
      headers: { ...H2C, 'Content-Type': 'application/json', 'Content-Length': String(JSON_BODY.length) },
      body: JSON_BODY,
    },
    { bodies: [/^\{"method":"POST","body":\{"hello":"h2c"\}\}$/] },
  ),
].map((kind) => ({ ...kind, count: 1 }));

const slow = (ms: number) => httpRequest({ target: `/slow?ms=${ms}` });
const pipeline = (name: string, expected: RegExp, bodies: RegExp[], ...requests: (() => Buffer)[]): Kind => ({
  name,
  expected,
  bodies,
  count: requests.length,
  bytes: () => Buffer.concat(requests.map((one) => one())),
});
const SLOW = /^\{"slow":true\}$/;

const PIPELINES: Kind[] = [
  pipeline('a slow GET, then an upgrade', /^200( [1-5]\d\d)?$/, [SLOW], () => slow(30), upgradeRequest),
  pipeline(
    'a fast GET, then an upgrade',
    /^200( [1-5]\d\d)?$/,
    [/"world"/],
    () => httpRequest({ target: '/hello' }),
    upgradeRequest,
  ),
  pipeline(
    'two slow GETs, then an upgrade',
    /^200 200( [1-5]\d\d)?$/,
    [SLOW, SLOW],
    () => slow(30),
    () => slow(60),
    upgradeRequest,
  ),
  pipeline(
    'a slow GET and a fast one, then an upgrade',
    /^200 200( [1-5]\d\d)?$/,
    [SLOW, SLOW],
    () => slow(30),
    () => slow(0),
    upgradeRequest,
  ),
  pipeline(
    'a slow GET, then an upgrade on a path without a gateway',
    /^200( 4\d\d)?$/,
    [SLOW],
    () => slow(30),
    () => upgradeRequest({ target: '/nobody' }),
  ),
  pipeline(
    'a slow GET, then an upgrade that is malformed',
    /^200( 4\d\d)?$/,
    [SLOW],
    () => slow(30),
    () => upgradeRequest({ headers: { 'Sec-WebSocket-Key': 'bad' } }),
  ),
  pipeline(
    'a slow GET, then h2c on an ordinary route',
    /^200( [245]\d\d)?$/,
    [SLOW],
    () => slow(30),
    () => upgradeRequest({ target: '/hello', headers: H2C }),
  ),
  // Node itself refuses requests after one that asks to close, and may do so before it has answered that one
  pipeline(
    'a slow GET that asks to close, then an upgrade',
    /^(200|400)$/,
    [],
    () => httpRequest({ target: '/slow?ms=30', headers: { Connection: 'close' } }),
    upgradeRequest,
  ),
];

const KINDS = [...MALFORMED, ...OTHER_PROTOCOL, ...PIPELINES];

/** The rates of handshakes are bounded elsewhere. */
const UNBOUNDED = {
  REALTIME_MAX_CONNECTION_RATE: '0',
  REALTIME_MAX_CONNECTION_RATE_PER_ADDRESS: '0',
  REALTIME_MAX_FAILED_HANDSHAKES: '0',
};

const ADAPTERS = ['express', 'fastify'] as const;
type Adapter = (typeof ADAPTERS)[number];

/** The applications under attack, each with a client that behaves and stays. */
const targets = new Map<Adapter, { app: ChildApp; healthy: RawSocket }>();

async function targetOf(adapter: Adapter): Promise<{ app: ChildApp; healthy: RawSocket }> {
  const running = targets.get(adapter);
  if (running) return running;
  const app = await ChildApp.start({ APP_ADAPTER: adapter, ...UNBOUNDED });
  const started = { app, healthy: await RawSocket.upgraded(app.port) };
  targets.set(adapter, started);
  return started;
}

afterAll(async () => {
  for (const { app } of targets.values()) await app.kill();
});

describe.each(ADAPTERS)('an application under attack on %s', (adapter) => {
  let app: ChildApp;
  let port: number;
  let healthy: RawSocket;
  const clients: RawSocket[] = [];
  /** How much the application had written when the test began. */
  let written: number;

  async function connect(options?: RawOptions): Promise<RawSocket> {
    const client = await RawSocket.connect(port, options);
    clients.push(client);
    return client;
  }

  const state = () => app.state();
  const untilChildHolds = (wanted: number) => app.untilConnections(wanted);

  beforeEach(async () => {
    ({ app, healthy } = await targetOf(adapter));
    port = app.port;
    written = app.output.length;
  });

  /** The process lives, no socket stays, and the client that behaves is served. A failure leaves nothing to the next test. */
  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy();
    try {
      await expectCalm();
      expect(app.output.slice(written)).not.toMatch(/ERROR|Unhandled|Uncaught/);
    } catch (error) {
      targets.delete(adapter);
      await app.kill();
      throw error;
    }
  });

  afterAll(async () => {
    if (!targets.has(adapter)) return;
    healthy.send(closeFrame(1000));
    await healthy.ended();
    await untilCalm(0);
  });

  async function expectCalm(): Promise<void> {
    await untilCalm(1);
    await expectEcho(healthy);
  }

  /** Waits until so many connections are left and all others are accounted for. */
  async function untilCalm(left: number): Promise<void> {
    await until('calm', state, ({ connections, stats: { current, accepted, closed } }) => {
      const ended = Object.values(closed).reduce((sum, count) => sum + count);
      return connections === left && current === left && ended === accepted - left;
    });
  }

  async function expectEcho(client: RawSocket): Promise<void> {
    const word = `still there ${Math.random()}`;
    client.send(frame({ payload: word }));
    expect((await client.frame()).payload.toString()).toBe(word);
  }

  /** Waits for all answers of the server, and compares them. */
  async function expectAnswers(client: RawSocket, kind: Kind): Promise<void> {
    const answers = await client.answers(kind);
    expect(answers.map(({ status }) => status).join(' ')).toMatch(kind.expected);
    for (const [index, body] of (kind.bodies ?? []).entries()) expect(answers[index]!.body).toMatch(body);
    const last = answers.at(-1);
    if (kind.headers) expect(last?.headers).toMatchObject(kind.headers);
    if (last?.status !== 101) return;
    await expectEcho(client);
    client.send(closeFrame(1000));
    expect(await client.closeFrame()).toEqual({ code: 1000, reason: '' });
  }

  describe.each([
    ['a malformed upgrade', MALFORMED],
    ['an offer of another protocol', OTHER_PROTOCOL],
    ['a pipelined upgrade', PIPELINES],
  ])('%s', (group, kinds) => {
    it.each(kinds.map((kind) => [kind.name, kind] as const))(`answers ${group}: %s`, async (_name, kind) => {
      const client = await connect();
      client.send(kind.bytes());
      await expectAnswers(client, kind);
      expect(await client.ended()).toHaveLength(0);
    });
  });

  it.each(['/WS', '/ws/'])("serves %s as the platform's router parses paths", async (path) => {
    const client = await connect();
    client.send(upgradeRequest({ target: path }));
    expect(await client.answer()).toMatchObject({ status: adapter === 'express' ? 101 : 404 });
  });

  it('upgrades a connection that has served ordinary requests before', async () => {
    const client = await connect();
    for (const path of ['/hello', '/slow?ms=5', '/nobody']) {
      client.send(httpRequest({ target: path }));
      expect(await client.answer()).toMatchObject({ status: path === '/nobody' ? 404 : 200 });
    }
    client.send(upgradeRequest());
    expect(await client.answer()).toMatchObject({ status: 101 });
    await expectEcho(client);
  });

  it('answers 50 offers of another protocol on one connection, and keeps nothing of them', async () => {
    const client = await connect();
    for (let left = 50; left > 0 && !client.isOver; left--) {
      client.send(upgradeRequest({ target: '/hello', headers: H2C }));
      const { status, headers } = await client.answer();
      expect(status).toBe(200);
      if (headers['connection'] === 'close') return;
    }
    client.send(upgradeRequest());
    expect(await client.answer()).toMatchObject({ status: 101 });
    await expectEcho(client);
    expect(app.output.slice(written)).not.toContain('MaxListenersExceededWarning');
  });

  describe('a refused client', () => {
    it('answers a refused client that has ended its own side', async () => {
      const client = await connect();
      client.send(upgradeRequest({ headers: { 'Sec-WebSocket-Key': 'bad' } }));
      client.finish();
      expect(await client.answer()).toMatchObject({ status: 400 });
    });

    it('answers a refused client that goes on sending', async () => {
      const client = await connect();
      client.send(upgradeRequest({ target: '/nobody' }), Buffer.alloc(500_000));
      expect(await client.answer()).toMatchObject({ status: 404 });
      client.destroy();
    });

    it.each([
      ['426', upgradeRequest({ headers: { 'Sec-WebSocket-Version': '8' } })],
      ['405', upgradeRequest({ method: 'POST' })],
      ['403', upgradeRequest({ headers: { Origin: 'http://elsewhere.example' } })],
      ['400', upgradeRequest({ headers: { 'Sec-WebSocket-Protocol': 'a,,b' } })],
    ])('counts and logs a refusal with %s', async (status, bytes) => {
      const { refused } = (await state()).stats;
      const client = await connect();
      client.send(bytes);
      expect(String((await client.answer()).status)).toBe(status);
      await client.ended();
      expect((await state()).stats.refused).toBe(refused + 1);
      const line = `WebSocket connection refused status=${status}`;
      await until(
        'the line in the log',
        () => app.output,
        (output) => output.includes(line),
      );
    });
  });

  describe('a client that vanishes', () => {
    const UNFINISHED = ['G', 'GET /ws HTTP/1.1\r\n', 'GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Up'];

    it.each(UNFINISHED)('leaves nothing of a client that vanishes in the middle of its request: %j', async (start) => {
      const client = await connect();
      client.send(start);
      await untilChildHolds(2);
      client.reset();
    });

    it('leaves nothing of a client that ends its own side during a slow onHandshake', async () => {
      const client = await connect({ staysOpen: true });
      client.send(upgradeRequest({ target: '/ws?handshake=50' }));
      client.finish();
      await untilChildHolds(2);
      await untilChildHolds(1);
    });

    it.each([0, 5, 20, 50])('leaves nothing of 20 clients that vanish %i ms into a slow onHandshake', async (delay) => {
      const { accepted } = (await state()).stats;
      const crowd = await Promise.all(Array.from({ length: 20 }, () => connect()));
      for (const client of crowd)
        client.send(upgradeRequest({ target: '/ws?handshake=1000' }), frame({ payload: 'hi' }));
      await sleep(delay);
      for (const client of crowd) client.reset();
      await untilChildHolds(1);
      expect((await state()).stats).toMatchObject({ accepted, current: 1 });
    });

    it('leaves nothing of a client that vanishes while its pipelined GET is being answered', async () => {
      const client = await connect();
      client.send(slow(200), upgradeRequest());
      await untilChildHolds(2);
      client.reset();
    });
  });

  describe('a thousand mixed handshakes', () => {
    const ATTEMPTS = 1000;
    const WORKERS = 16;
    const VALID: Kind[] = [
      upgrade('a good one', /^101$/, {}),
      upgrade('a good one, slow in onHandshake', /^101$/, { target: '/ws?handshake=25' }),
      upgrade('a good one, slow in onOpen', /^101$/, { target: '/ws?open=25' }),
    ];
    const all = [...KINDS, ...VALID, ...VALID, ...VALID];

    it(`survives 1,000 handshakes, most of them malformed or cut (FUZZ_SEED=${seed})`, async () => {
      const random = seeded(seed);
      const problems = new Set<string>();
      let left = ATTEMPTS;
      let answered = 0;
      const isGoingOn = () => left > 0 && problems.size < 10;
      const work = async () => {
        while (isGoingOn()) {
          left--;
          const kind = all[Math.floor(random() * all.length)]!;
          const [isPatient, delay, cut] = [random() < 0.5, random() * 50, random()];
          await attempt(kind, isPatient, delay, cut).then(
            () => (answered += isPatient ? 1 : 0),
            (error: Error) => problems.add(`${kind.name}${isPatient ? '' : ', cut'}: ${error.message}`),
          );
        }
      };
      const [echoes] = await Promise.all([expectSteady(isGoingOn), ...Array.from({ length: WORKERS }, work)]);
      expect([...problems]).toEqual([]);
      expect(echoes).toBeGreaterThan(10);
      expect(answered).toBeGreaterThan(ATTEMPTS / 3);
    });

    /** A patient client waits for all answers; another one vanishes before them, or while it sends. */
    async function attempt(kind: Kind, isPatient: boolean, delay: number, cut: number): Promise<void> {
      const client = await connect();
      const bytes = kind.bytes();
      if (isPatient) {
        client.send(bytes);
        await expectAnswers(client, kind);
        await client.ended();
        return;
      }
      client.send(cut < 0.3 ? bytes.subarray(0, Math.floor(bytes.length * (cut / 0.3))) : bytes);
      await sleep(delay);
      if (cut < 0.8) client.reset();
      else client.destroy();
    }

    /** The client that behaves is served all the time. @returns how often */
    async function expectSteady(isGoingOn: () => boolean): Promise<number> {
      let echoes = 0;
      for (; isGoingOn(); echoes++) {
        await expectEcho(healthy);
        await sleep(10);
      }
      return echoes;
    }
  });
});

it('cuts a refused client that neither reads nor leaves, on Express and on Fastify', async () => {
  // Together, because each of them waits for as long as a refused client may take to leave
  const cuts = ADAPTERS.map(async (adapter) => {
    const { app } = await targetOf(adapter);
    const { connections } = await app.state();
    const client = await RawSocket.connect(app.port, { staysOpen: true });
    client.send(upgradeRequest({ target: '/nobody' }));
    expect(await client.answer()).toMatchObject({ status: 404 });
    await app.untilConnections(connections);
    client.destroy();
  });
  await Promise.all(cuts);
});

/** A promise that the test settles. */
class Door {
  open: () => void = () => {};
  readonly opened = new Promise<void>((resolve) => (this.open = resolve));
}

@WebSocketGateway({ path: '/ws' })
class EchoGateway {
  readonly closing = new Door();

  async onHandshake(request: HandshakeRequest) {
    if (request.query.has('never')) await new Promise(() => {});
  }

  onMessage(connection: Connection, message: Message) {
    connection.send(message.text());
  }

  async onClose(_connection: Connection, close: CloseInfo) {
    if (close.initiator === 'shutdown') await this.closing.opened;
  }
}

const compile = (...providers: (new () => unknown)[]) =>
  Test.createTestingModule({
    imports: [RealtimeModule.forRoot({ envFile: false })],
    providers: [EchoGateway, ...providers],
  }).compile();
const start = async (options?: TestAppOptions) => createTestApp(await compile(), options);
const portOf = (server: Server) => (server.address() as AddressInfo).port;

/** Attempts a handshake, and leaves at once if it is admitted. @returns the answer */
async function knock(port: number, parts?: RequestParts) {
  const client = await RawSocket.connect(port);
  client.send(upgradeRequest(parts));
  const answer = await client.answer();
  if (answer.status === 101) client.send(closeFrame(1000));
  else expect(await client.ended()).toHaveLength(0);
  return answer;
}

describe('another listener for upgrades on the same server', () => {
  /** A server of `ws`, which refuses every path but its own with 400. */
  function listen(server: Server): WebSocketServer {
    const theirs = new WebSocketServer({ server, path: '/theirs' });
    theirs.on('connection', (socket) => socket.on('message', (data) => socket.send(`theirs: ${String(data)}`)));
    return theirs;
  }

  it.each(['before', 'after'])(
    'keeps upgrades apart from those of a listener that was added %s the start',
    async (order) => {
      let theirs!: WebSocketServer;
      const configure = (nest: { getHttpServer(): Server }) => void (theirs = listen(nest.getHttpServer()));
      const app = await start(order === 'before' ? { configure } : {});
      const server = app.app.getHttpServer() as Server;
      if (order === 'after') theirs = listen(server);
      const seen: (string | undefined)[] = [];
      server.on('upgrade', ({ url }) => seen.push(url));

      const [ours, guest] = [await app.connect('/ws'), await app.connect('/theirs')];
      ours.send('hello');
      guest.send('hello');
      expect(await ours.next()).toBe('hello');
      expect(await guest.next()).toBe('theirs: hello');
      await expect(app.connect('/nobody')).rejects.toMatchObject({ status: 400 });
      expect(seen).toEqual(['/theirs', '/nobody']);

      theirs.close();
      guest.vanish();
      await ours.close();
      await app.close();
      // Theirs and ours have gone, and the listener of this test is left
      expect(server.listenerCount('upgrade')).toBe(1);
    },
  );
});

describe('an upgrade while the application is not ready', () => {
  it('refuses upgrades with 503 and Retry-After until the application is ready', async () => {
    const door = new Door();
    class SlowStart {
      onModuleInit = () => door.opened;
    }
    const nest = (await compile(SlowStart)).createNestApplication({ logger: false });
    const server = nest.getHttpServer() as Server;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const ready = nest.init();
    await until(
      'the first listener',
      () => server.listenerCount('upgrade'),
      (count) => count > 0,
    );

    expect(await knock(portOf(server))).toMatchObject({ status: 503, headers: { 'retry-after': expect.any(String) } });
    door.open();
    await ready;
    expect(await knock(portOf(server))).toMatchObject({ status: 101 });
    await untilConnections(server, 0);
    await nest.close();
  });

  it('refuses upgrades with 503 and Retry-After while the application shuts down', async () => {
    const app = await start();
    const server = app.app.getHttpServer() as Server;
    const ours = await TestClient.connect(`${app.url}/ws`);
    const underWay = knock(portOf(server), { target: '/ws?never' });
    await untilConnections(server, 2);

    const closing = app.close();
    expect(await ours.closed()).toMatchObject({ code: 1001 });
    const refusal = { status: 503, headers: { 'retry-after': expect.any(String) } };
    expect(await knock(portOf(server))).toMatchObject(refusal);
    expect(await underWay).toMatchObject(refusal);
    const response = await fetch(`${app.url}/ws`);
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).not.toBeNull();

    app.app.get(EchoGateway).closing.open();
    await closing;
  });
});
