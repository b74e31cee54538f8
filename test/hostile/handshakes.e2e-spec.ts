/** Hostile handshakes, and the bounds of connections and handshakes: by raw sockets against a real application. */
import { setTimeout as sleep } from 'node:timers/promises';
import { jest } from '@jest/globals';
import { HostileApp, type HostileSettings } from '../support/apps/hostile-app.js';
import { titled } from '../support/titled.js';
import type { RawSocket } from '../support/clients/raw-socket.js';
import { closeFrame, frame, type HttpAnswer, Opcode, upgradeRequest } from '../support/clients/raw-socket.js';

jest.setTimeout(60_000);

let app: HostileApp;
const starting =
  (settings: HostileSettings = {}) =>
  async () => {
    app = await HostileApp.start(settings);
  };
const stopping = () => app.stop();
const beginning = () => app.begin();
const knock = (...args: Parameters<HostileApp['knock']>) => app.knock(...args);
const connect = () => app.connect();

const statuses = async (attempts: Promise<HttpAnswer>[]) => (await Promise.all(attempts)).map(({ status }) => status);
const times = <T>(count: number, make: (index: number) => T) =>
  Array.from({ length: count }, (_, index) => make(index));

describe('a request that is meant to harm', () => {
  beforeAll(starting());
  afterAll(stopping);
  beforeEach(beginning);
  afterEach(() => app.expectCalm());

  it.each([
    [900, 101],
    [1990, 431],
    [2500, 431],
    [5000, 431],
  ])('answers a request of %i headers with %i: a thousand are kept, and 16 KiB read', async (count, expected) => {
    const client = await connect();
    const [start] = upgradeRequest({}).toString('latin1').split('\r\n\r\n');
    client.send(`${start}\r\n${'a: bcd\r\n'.repeat(count)}\r\n`);
    expect((await client.answer()).status).toBe(expected);
  });

  it('refuses a request whose own headers come after 2,000 others with 431', async () => {
    const client = await connect();
    const [line, ...rest] = upgradeRequest({}).toString('latin1').split('\r\n');
    client.send(`${line}\r\n${'a:\r\n'.repeat(2100)}${rest.join('\r\n')}`);
    expect((await client.answer()).status).toBe(431);
  });

  it('refuses a request with more headers than the server keeps with 431', async () => {
    await app.stop();
    await starting({ APP_MAX_HEADERS: 12 })();
    const client = await connect();
    const [line, ...rest] = upgradeRequest({}).toString('latin1').split('\r\n');
    client.send(`${line}\r\n${'a:\r\n'.repeat(2000 - 12)}${rest.join('\r\n')}`);
    expect((await client.answer()).status).toBe(431);
    await app.expectCalm();
    await app.stop();
    await starting()();
  });

  it.each([
    ['Sec-WebSocket-Protocol', `b${' '.repeat(15_000)}x`],
    ['Sec-WebSocket-Protocol', 'b,'.repeat(7000)],
    ['Sec-WebSocket-Protocol', `bearer.${'A'.repeat(15_000)}`],
    ['Sec-WebSocket-Protocol', `${'\t'.repeat(15_000)}b`],
    ['Sec-WebSocket-Extensions', `b${' '.repeat(15_000)}x`],
    ['Sec-WebSocket-Extensions', `a; b="${'\\"'.repeat(7000)}`],
    ['Sec-WebSocket-Extensions', 'permessage-deflate, '.repeat(700)],
    ['Cookie', `a${' '.repeat(15_000)}=b;`.repeat(1)],
    ['Cookie', 'a=b;'.repeat(3700)],
    ['Authorization', `Bearer ${' '.repeat(15_000)}`],
    ['Origin', `http://${'a.'.repeat(7000)}`],
    ['Origin', `http://${'-'.repeat(15_000)}!`],
    ['X-Forwarded-For', '1,'.repeat(7000)],
  ])('answers a request with 15 KB of %s at once', async (name, value) => {
    await knock();
    await app.state();
    const start = performance.now();
    const { status } = await knock(`/ws?auth=bearer`, { headers: { [name]: value } });
    const tookMs = performance.now() - start;
    expect(status).toBeGreaterThanOrEqual(101);
    expect(status).toBeLessThan(500);
    // A regular expression that backtracks takes seconds for 15 KB
    expect(tookMs).toBeLessThan(500);
    expect((await app.state()).delayMs).toBeLessThan(200);
  });

  const NAMES = [
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    'error',
    '',
    'x'.repeat(2000),
    '%',
    '%ff',
    '%00',
  ];

  it.each(titled(NAMES))('treats names in queries and cookies as data: %s', async (_title, name) => {
    const client = await connect();
    const cookie = `${name}=1; ${name}=2; a=%; __proto__=evil; =x`;
    client.send(upgradeRequest({ target: `/ws?greet=1&${name}=1&${name}=2&a=%`, headers: { Cookie: cookie } }));
    expect((await client.answer()).status).toBe(101);
    const { query, cookies } = JSON.parse((await client.frame()).payload.toString()) as Record<string, object>;
    expect([Object.getPrototypeOf(query), Object.getPrototypeOf(cookies)]).toEqual([
      Object.prototype,
      Object.prototype,
    ]);
    expect((await app.state()).stats.accepted).toBeGreaterThan(0);
    client.send(closeFrame(1000));
    await client.ended();
  });

  it('refuses a request with an absolute target or two slashes', async () => {
    for (const target of ['http://169.254.169.254/ws', '//127.0.0.1/ws', '//[]/x', '/%2e%2e/ws', '/ws/../x', '*']) {
      expect((await knock(target)).status).toBeGreaterThanOrEqual(400);
    }
  });

  it.each([
    ['an unmasked frame', frame({ isMasked: false, payload: 'x' }), 1002],
    ['reserved bits', frame({ rsv: 3, payload: 'x' }), 1002],
    ['an unknown opcode', frame({ opcode: 5 }), 1002],
    ['a text that is not UTF-8', frame({ payload: Buffer.from([0xff]) }), 1007],
    ['a frame that is too big', frame({ declaredLength: 2 ** 40, lengthForm: 64 }), 1009],
  ])(
    'closes a connection that sends %s with its handshake, also while onOpen is pending',
    async (_name, bytes, code) => {
      for (const target of ['/ws', '/ws?dawdle=200']) {
        const client = await app.open(target, {}, bytes);
        expect((await client.closeFrame()).code).toBe(code);
        await client.ended();
      }
    },
  );
});

describe('a client that resets its connection', () => {
  beforeAll(starting());
  afterAll(stopping);
  beforeEach(beginning);

  const request = upgradeRequest({ target: '/ws?wait=15&dawdle=15' });
  const STAGES: [string, (client: RawSocket) => Promise<void>][] = [
    ['before the request', async () => {}],
    ['in the middle of the request', async (client) => client.send(request.subarray(0, 60))],
    ['after the request', async (client) => client.send(request)],
    ['during onHandshake', async (client) => (client.send(request), sleep(5))],
    ['after the 101', async (client) => (client.send(request), void (await client.answer()))],
    ['during onOpen', async (client) => (client.send(request), await client.answer(), sleep(5))],
    [
      'in the middle of a frame',
      async (client) => (
        client.send(upgradeRequest(), frame({ payload: 'x'.repeat(200) }).subarray(0, 90)),
        void (await client.answer())
      ),
    ],
    [
      'while it is answered',
      async (client) => (
        client.send(upgradeRequest(), ...times(20, () => frame({ payload: 'x'.repeat(3000) }))),
        void (await client.answer())
      ),
    ],
    ['while it is refused', async (client) => client.send(upgradeRequest({ target: '/ws?deny=1' }))],
    [
      'after its close frame',
      async (client) => (client.send(upgradeRequest(), closeFrame(1000)), void (await client.answer())),
    ],
  ];

  it.each(STAGES)('keeps nothing of a hundred clients that reset at once, %s', async (_name, act) => {
    await Promise.all(
      times(100, async () => {
        const client = await connect();
        await act(client);
        client.reset();
      }),
    );
    await app.expectCalm();
  });
});

describe('5,000 half-sent handshakes', () => {
  const COUNT = 5000;
  afterEach(stopping);

  async function sendHalves(): Promise<void> {
    const half = upgradeRequest().subarray(0, 70);
    for (let batch = 0; batch < COUNT; batch += 250) {
      await Promise.all(times(250, async () => (await connect()).send(half)));
    }
  }

  it('does not keep others waiting while 5,000 half-sent handshakes are open', async () => {
    await starting({ HEADER_TIMEOUT: 3600, MAX_CONNECTION_RATE_PER_ADDRESS: 0 })();
    await sendHalves();
    const { connections } = await app.until('all of them', (state) => state.connections === COUNT + 1, 20_000);
    for (let attempt = 0; attempt < 20; attempt++) {
      const client = await app.open();
      client.send(closeFrame(1000));
      await client.ended();
    }
    expect((await app.state()).connections).toBeGreaterThanOrEqual(connections);
    await app.expectCalm(15);
  });

  it('cuts 5,000 half-sent handshakes after the header time, and logs one line a second', async () => {
    await starting({ HEADER_TIMEOUT: 1, MAX_CONNECTION_RATE_PER_ADDRESS: 0 })();
    const since = performance.now();
    await sendHalves();
    await app.until('all to be cut', (state) => state.connections === 1, 20_000);
    expect(await app.limits()).toEqual({ headerTime: COUNT });
    await app.expectCalm(15);
    const lines = app.output.match(/limit=headerTime/g)!.length;
    expect(lines).toBeLessThanOrEqual(1 + Math.ceil((performance.now() - since) / 1000));
  });
});

describe('the bounds of connections', () => {
  afterEach(async () => {
    await app.expectCalm();
    await stopping();
  });

  it('refuses one connection too many of the node with 503 and Retry-After, and keeps the others', async () => {
    await starting({ MAX_CONNECTIONS: 5 })();
    expect(await statuses(times(4, () => knock()))).toEqual([101, 101, 101, 101]);
    const { status, headers } = await knock();
    expect([status, headers['retry-after']]).toEqual([503, '5']);
    await app.echo();
    expect(await app.limits()).toEqual({ connections: 1 });
    await app.expectCalm();
    expect((await knock()).status).toBe(101);
  });

  it('refuses one connection too many of an address with 429 and Retry-After, until another ends', async () => {
    await starting({ MAX_CONNECTIONS_PER_ADDRESS: 4 })();
    const first = await app.open();
    expect(await statuses(times(2, () => knock()))).toEqual([101, 101]);
    const { status, headers } = await knock();
    expect([status, headers['retry-after']]).toEqual([429, '5']);
    first.reset();
    await app.until('a free place', ({ stats }) => stats.current === 3);
    expect((await knock()).status).toBe(101);
    expect(await app.limits()).toEqual({ connectionsPerAddress: 1 });
  });

  it('holds the bound of an address also for many at once with slow guards, and frees every place', async () => {
    await starting({ MAX_CONNECTIONS_PER_ADDRESS: 4 })();
    for (let round = 1; round <= 2; round++) {
      const knocks = times(40, () => knock('/ws?gate=1'));
      await app.until('all under way', ({ stats }) => stats.unfinished === 40);
      await app.order('openGate');
      const answers = await statuses(knocks);
      // The fourth place belongs to the bystander
      expect(answers.filter((status) => status === 101)).toHaveLength(3);
      expect(answers.filter((status) => status === 429)).toHaveLength(37);
      expect((await app.state()).stats).toMatchObject({ current: 4, unfinished: 0 });
      expect(await app.limits()).toEqual({ connectionsPerAddress: round * 37 });
      app.cutAll();
      await app.until('free places', ({ stats }) => stats.current === 1);
    }
    // A handshake that the application refuses, or that its client gives up, keeps no place
    expect(await statuses(times(10, () => knock('/ws?wait=20&deny=1')))).toEqual(Array(10).fill(401));
    for (const client of await Promise.all(times(10, connect))) {
      client.send(upgradeRequest({ target: '/ws?wait=50' }));
      client.reset();
    }
    await app.until('nothing under way', ({ stats, connections }) => stats.unfinished === 0 && connections === 1);
    expect(await statuses(times(3, () => knock()))).toEqual([101, 101, 101]);
  });

  it('bounds the address of the client where the application trusts the proxy', async () => {
    await starting({ MAX_CONNECTIONS_PER_ADDRESS: 2, APP_TRUST_PROXY: 'loopback' })();
    const from = (address: string) => knock('/ws', { headers: { 'X-Forwarded-For': address } });
    for (const address of ['203.0.113.1', '2001:db8:1:2::1', '10.1.1.1']) {
      expect(await statuses([from(address), from(address)])).toEqual([101, 101]);
    }
    expect((await from('203.0.113.1')).status).toBe(429);
    expect((await from('2001:db8:1:2:3::9')).status).toBe(429);
    expect((await from('10.1.1.1')).status).toBe(429);
    // A forged address in front changes nothing: the right-most address counts
    expect((await from('198.51.100.1, 203.0.113.1')).status).toBe(429);
    expect((await from('203.0.113.2')).status).toBe(101);
  });

  it('bounds no address behind a proxy that the application does not trust, and logs that once', async () => {
    await starting({ MAX_CONNECTIONS_PER_ADDRESS: 2 })();
    const headers = { 'X-Forwarded-For': '203.0.113.1' };
    expect(await statuses(times(5, () => knock('/ws', { headers })))).toEqual([101, 101, 101, 101, 101]);
    // The line of a handshake comes before the one of its connection
    await app.until('five lines', () => (app.output.match(/connection opened/g) ?? []).length === 5);
    expect(app.output.match(/through a proxy at 127\.0\.0\.1/g)).toHaveLength(1);
  });

  it('refuses one connection too many of a user with 429, and admits another user', async () => {
    await starting({ MAX_CONNECTIONS_PER_USER: 2 })();
    for (const expected of [101, 101, 429]) expect((await knock('/ws?user=ann')).status).toBe(expected);
    expect((await knock('/ws?user=bob')).status).toBe(101);
    expect(await app.limits()).toEqual({ connectionsPerUser: 1 });
  });

  it('holds the bound of a user also for many at once whose guards end in the same moment', async () => {
    await starting({ MAX_CONNECTIONS_PER_USER: 3 })();
    const knocks = times(40, () => knock('/ws?user=ann&gate=1'));
    await app.until('all under way', ({ stats }) => stats.unfinished === 40);
    await app.order('openGate');
    const answers = await statuses(knocks);
    expect(answers.filter((status) => status === 101)).toHaveLength(3);
    expect(answers.filter((status) => status === 429)).toHaveLength(37);
    expect(await app.limits()).toEqual({ connectionsPerUser: 37 });
    app.cutAll();
    await app.until('free places', ({ stats }) => stats.current === 1);
    expect(await statuses(times(3, () => knock('/ws?user=ann')))).toEqual([101, 101, 101]);
    expect((await knock('/ws?user=ann')).status).toBe(429);
  });

  it('frees the places of a user whose clients go in the middle of their handshakes', async () => {
    await starting({ MAX_CONNECTIONS_PER_USER: 3 })();
    for (let client = 0; client < 20; client++) {
      const going = await connect();
      going.send(upgradeRequest({ target: '/ws?user=ann&gate=1' }));
    }
    await app.until('all under way', ({ stats }) => stats.unfinished === 20);
    app.cutAll();
    await app.order('openGate');
    await app.until('nothing under way', ({ stats, connections }) => stats.unfinished === 0 && connections === 1);
    expect(await statuses(times(3, () => knock('/ws?user=ann')))).toEqual([101, 101, 101]);
  });

  it('admits a connection at the bound of its user when it replaces the others', async () => {
    await starting({ MAX_CONNECTIONS_PER_USER: 1 })();
    const first = await app.open('/ws?user=ann&replace=1');
    const second = await app.open('/ws?user=ann&replace=1');
    expect(await first.closeFrame()).toMatchObject({ code: 4503 });
    second.send(frame({ payload: 'still here' }));
    expect((await second.frame()).payload.toString()).toBe('still here');
  });

  it('refuses handshakes above the rate of the node with 503 and Retry-After', async () => {
    await starting({ MAX_CONNECTION_RATE: 10 })();
    const answers = await Promise.all(times(40, () => knock()));
    const refused = answers.filter(({ status }) => status === 503);
    // The bucket admits the handshakes of one second, and a few more while the test runs
    expect(refused.length).toBeGreaterThanOrEqual(20);
    expect(refused.length).toBeLessThanOrEqual(32);
    expect(refused[0]!.headers['retry-after']).toBe('1');
    expect(await app.limits()).toEqual({ connectionRate: refused.length });
  });

  it('refuses handshakes above the rate of an address with 429 and Retry-After', async () => {
    await starting({ MAX_CONNECTION_RATE_PER_ADDRESS: 10 })();
    const answers = await Promise.all(times(40, () => knock()));
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThanOrEqual(20);
    expect(refused[0]!.headers['retry-after']).toBe('1');
    expect(await app.limits()).toEqual({ connectionRatePerAddress: refused.length });
  });

  it('stops asking the application after too many failed handshakes of an address, and admits other addresses', async () => {
    await starting({ MAX_FAILED_HANDSHAKES: 5, APP_TRUST_PROXY: 'loopback' })();
    const bad = (address: string) =>
      knock('/ws?auth=bearer', { headers: { 'X-Forwarded-For': address, Authorization: 'Bearer guess' } });
    for (let guess = 0; guess < 5; guess++) expect((await bad('203.0.113.1')).status).toBe(401);
    const asked = (await app.state()).hooks.handshakes;
    for (let guess = 0; guess < 20; guess++) {
      const { status, headers } = await bad('203.0.113.1');
      expect([status, headers['retry-after']]).toEqual([429, '60']);
    }
    expect((await app.state()).hooks.handshakes).toBe(asked);
    expect((await bad('203.0.113.2')).status).toBe(401);
    expect(await app.limits()).toEqual({ failedHandshakes: 20 });
    await app.echo();
  });

  it('refuses one unfinished handshake too many with 503, and frees the places', async () => {
    await starting({ MAX_UNFINISHED_HANDSHAKES: 3 })();
    const slow = times(3, () => knock('/ws?gate=1'));
    await app.until('three under way', ({ stats }) => stats.unfinished === 3);
    const { status, headers } = await knock();
    expect([status, headers['retry-after']]).toEqual([503, '1']);
    await app.order('openGate');
    expect(await statuses(slow)).toEqual([101, 101, 101]);
    expect((await knock()).status).toBe(101);
    expect(await app.limits()).toEqual({ unfinishedHandshakes: 1 });
  });

  it('answers 503 at the handshake timeout, and opens no connection when the application is done', async () => {
    await starting({ HANDSHAKE_TIMEOUT: 0.2 })();
    const { status, headers } = await knock('/ws?wait=600');
    expect([status, headers['retry-after']]).toEqual([503, '5']);
    await app.until('the hook to be done', ({ hooks }) => hooks.handshakes === 2);
    await app.expectCalm();
    expect((await app.state()).stats.accepted).toBe(1);
    expect(await app.limits()).toEqual({ handshakeTime: 1 });
  });

  it('fails a handshake with 500 when the identity has too many rooms', async () => {
    await starting({ MAX_ROOMS_PER_CONNECTION: 3 })();
    const knocks = ['a,b,c', 'a,b,c,d', 'a,b,c,a'].map((rooms) => knock(`/ws?rooms=${rooms}`));
    expect(await statuses(knocks)).toEqual([101, 500, 101]);
    expect(await app.order('rooms', { names: ['a', 'd'] })).toEqual([2, 0]);
    expect(await app.limits()).toEqual({ rooms: 1 });
    await app.expectError('refused status=500');
  });

  it('fails a handshake with 500 when the identity has a name that is too long', async () => {
    await starting({ MAX_NAME_LENGTH: 8 })();
    const long = 'x'.repeat(9);
    expect(await statuses([knock(`/ws?user=${long}`), knock(`/ws?rooms=a,${long}`)])).toEqual([500, 500]);
    expect((await knock(`/ws?user=${'x'.repeat(8)}`)).status).toBe(101);
    expect(await app.limits()).toEqual({ nameLength: 2 });
    await app.until('both lines', () => (app.output.match(/refused status=500/g) ?? []).length === 2);
    await app.expectError('limit=nameLength name=user characters=9');
  });

  it.each([
    ['a wrong credential', '{"token":"wrong"}', 'unauthorized'],
    ['silence', undefined, 'no credential in time'],
  ])('counts %s as a failed handshake where the first message is the credential', async (_name, payload, reason) => {
    await starting({ AUTHENTICATE_TIMEOUT: 0.3, MAX_FAILED_HANDSHAKES: 3 })();
    for (const client of await Promise.all(times(3, () => app.open('/ask')))) {
      if (payload !== undefined) client.send(frame({ payload }));
      expect(await client.closeFrame()).toEqual({ code: 4501, reason });
    }
    const { status, headers } = await knock('/ask');
    expect([status, headers['retry-after']]).toEqual([429, '60']);
    expect(await app.limits()).toMatchObject({ failedHandshakes: 1 });
    expect(await app.grown('refused')).toBe(4);
  });

  it('closes with 4501 without a first message in time, where that is the credential', async () => {
    await starting({ AUTHENTICATE_TIMEOUT: 0.3, MAX_UNFINISHED_HANDSHAKES: 4 })();
    const silent = await Promise.all(times(4, () => app.open('/ask')));
    expect((await app.state()).stats).toMatchObject({ current: 1, unfinished: 4 });
    // Silent clients hold all places of unfinished handshakes
    expect((await knock()).status).toBe(503);
    for (const client of silent)
      expect(await client.closeFrame()).toEqual({ code: 4501, reason: 'no credential in time' });
    await app.expectCalm();
    expect(await app.limits()).toEqual({ authenticateTime: 4, unfinishedHandshakes: 1 });
  });
});

describe('a shutdown while clients have not said who they are', () => {
  it('a shutdown closes clients that have not authenticated with 1001 and a hint when to come back, and ends', async () => {
    app = await HostileApp.startAlone({ AUTHENTICATE_TIMEOUT: 60 });
    const silent = await Promise.all(times(5, () => app.open('/ask')));
    expect((await app.state()).stats.unfinished).toBe(5);
    app.signal('SIGTERM');
    for (const client of silent) {
      const { code, reason } = await client.closeFrame();
      expect([code, reason]).toEqual([1001, expect.stringMatching(/^server shutting down; retry-after-ms=\d+$/)]);
      client.send(closeFrame(1001));
      await client.ended();
    }
    await app.exited;
    expect(app.output).not.toMatch(/Unhandled|Uncaught|ERROR/);
    await stopping();
  });
});

describe('a client that pings', () => {
  beforeAll(starting());
  afterAll(stopping);

  it('answers a ping in the packet of the handshake', async () => {
    const client = await app.open('/ws', {}, frame({ opcode: Opcode.PING, payload: 'hello' }));
    const { opcode, payload } = await client.frame();
    expect([opcode, payload.toString()]).toEqual([Opcode.PONG, 'hello']);
    client.send(closeFrame(1000));
    await client.ended();
  });
});
