/** How a client identifies itself, how a permission ends, and that no secret and no forged line reaches the log. */
import { jest } from '@jest/globals';
import { HostileApp } from '../support/apps/hostile-app.js';
import { until } from '../support/process-guard.js';
import { titled } from '../support/titled.js';
import {
  closeFrame,
  frame,
  type RawSocket,
  RawSocket as Raw,
  type RequestParts,
  upgradeRequest,
} from '../support/clients/raw-socket.js';

jest.setTimeout(60_000);

const SECRET = 'S3cr3t-t0ken_that.must-not-leak';
const WRONG = 'Wr0ng-t0ken_that.must-not-leak';
const hidden = (token: string) => `bearer.${Buffer.from(token).toString('base64url')}`;

let app: HostileApp;

/** Every way to send a credential other than the first message. */
const ways = (token: string): [string, string, RequestParts][] => [
  ['a cookie', '/ws?auth=cookie', { headers: { Cookie: `a=b; session=${token}` } }],
  ['Authorization', '/ws?auth=bearer', { headers: { Authorization: `Bearer ${token}` } }],
  ['a subprotocol', '/ws?auth=bearer', { headers: { 'Sec-WebSocket-Protocol': `chat, ${hidden(token)}` } }],
];

const text = async (client: RawSocket) => (await client.frame()).payload.toString();

describe('a credential', () => {
  beforeAll(async () => {
    app = await HostileApp.start({ APP_SECRET: SECRET });
  });
  afterAll(() => app.stop());
  beforeEach(() => app.begin());

  it.each(ways(SECRET))('admits a right credential in %s', async (_name, target, parts) => {
    expect((await app.knock(target, parts)).status).toBe(101);
  });

  it.each(ways(WRONG))(
    'refuses a wrong credential in %s with 401, and opens no socket',
    async (_name, target, parts) => {
      const { hooks } = await app.state();
      expect((await app.knock(target, parts)).status).toBe(401);
      expect((await app.state()).hooks.opens).toBe(hooks.opens);
    },
  );

  it('never echoes a credential in a subprotocol, and echoes the real protocol if there is one', async () => {
    const answerTo = async (protocols: string) =>
      (await app.knock('/ws?auth=bearer', { headers: { 'Sec-WebSocket-Protocol': protocols } })).headers[
        'sec-websocket-protocol'
      ];
    expect(await answerTo(`chat, ${hidden(SECRET)}`)).toBe('chat');
    expect(await answerTo(`${hidden(SECRET)}, chat`)).toBe('chat');
    expect(await answerTo(hidden(SECRET))).toBeUndefined();
  });

  it.each(titled(['bearer.', 'bearer.!!!', `bearer.${'A'.repeat(9000)}`, 'bearer.AAA,bearer.AAA']))(
    'refuses a credential in a subprotocol that is not base64url: %s',
    async (_title, protocol) => {
      const { status } = await app.knock('/ws?auth=bearer', { headers: { 'Sec-WebSocket-Protocol': protocol } });
      expect([400, 401]).toContain(status);
    },
  );

  it('does not read a credential in the query', async () => {
    expect((await app.knock(`/ws?auth=bearer&token=${SECRET}`)).status).toBe(401);
  });

  it('admits a right credential in the first message, and closes with 4501 after a wrong one', async () => {
    const right = await app.open('/ask');
    right.send(frame({ payload: JSON.stringify({ token: SECRET }) }), frame({ payload: 'hello' }));
    expect(await text(right)).toBe('hello');
    expect(await app.order('users', { names: ['ann'] })).toEqual([1]);
    for (const payload of [JSON.stringify({ token: WRONG }), 'no json', '', 'null']) {
      const wrong = await app.open('/ask');
      wrong.send(frame({ payload }), frame({ payload: 'hello' }));
      expect(await wrong.closeFrame()).toEqual({ code: 4501, reason: 'unauthorized' });
    }
    await app.expectCalm();
  });

  it('shows a credential in no log line, error, statistics or listing', async () => {
    for (const token of [SECRET, WRONG]) {
      for (const [, target, parts] of ways(token)) await app.knock(target, parts);
      const client = await app.open('/ask');
      client.send(frame({ payload: JSON.stringify({ token }) }));
      const bad = await Raw.connect(app.port);
      // Every other kind of refusal: a wrong key, another origin, another path
      for (const headers of [{ 'Sec-WebSocket-Key': 'x' }, { Origin: 'https://evil.example' }, {}]) {
        const all = {
          Cookie: `session=${token}`,
          Authorization: `Bearer ${token}`,
          'Sec-WebSocket-Protocol': hidden(token),
          ...headers,
        };
        await app.knock('/ws?auth=bearer', { headers: all });
        await app.knock('/nowhere', { headers: all });
      }
      bad.destroy();
    }
    const told = JSON.stringify([await app.order('list'), await app.state()]);
    await app.until('the lines', () => app.output.includes('code=4501'));
    expect(app.output).toMatch(/connection opened .*\n[^]*connection refused status=401/);
    for (const token of [SECRET, WRONG]) {
      for (const form of [token, hidden(token), hidden(token).slice(7), encodeURIComponent(token)]) {
        expect([app.output.includes(form), told.includes(form)]).toEqual([false, false]);
      }
    }
  });
});

describe('a credential in the query', () => {
  it('reads a credential in the query where that is switched on, and does not log it', async () => {
    app = await HostileApp.start({ APP_SECRET: SECRET, QUERY_TOKEN: 'ticket' });
    await app.begin();
    const client = await app.open(`/ws?auth=bearer&ticket=${SECRET}`);
    expect((await app.knock(`/ws?auth=bearer&ticket=${WRONG}`)).status).toBe(401);
    expect((await app.knock(`/ws?auth=bearer&token=${SECRET}`)).status).toBe(401);
    client.send(closeFrame(1000));
    await client.ended();
    await app.until('both lines', () => /connection closed/.test(app.output) && /status=401/.test(app.output));
    const told = JSON.stringify([await app.order('list'), await app.state()]);
    for (const token of [SECRET, WRONG])
      expect([app.output.includes(token), told.includes(token)]).toEqual([false, false]);
    await app.stop();
  });
});

describe('the end of a permission', () => {
  beforeAll(async () => {
    app = await HostileApp.start();
  });
  afterAll(() => app.stop());
  beforeEach(() => app.begin());
  afterEach(() => app.expectCalm());

  it('closes with 4502 at the time when the credential expires', async () => {
    const start = performance.now();
    const client = await app.open('/ws?expires=600');
    expect(await client.closeFrame()).toEqual({ code: 4502, reason: 'credential expired' });
    expect(performance.now() - start).toBeGreaterThan(550);
    expect(performance.now() - start).toBeLessThan(2000);
  });

  it('refuses a credential that has expired with 401', async () => {
    expect((await app.knock('/ws?expires=-1')).status).toBe(401);
  });

  it('closes all connections of a user with 4501 on revocation, and no others', async () => {
    const tabs = await Promise.all([1, 2, 3].map(() => app.open('/ws?user=ann')));
    const other = await app.open('/ws?user=bob');
    await app.order('revoke', { user: 'ann' });
    for (const tab of tabs) expect(await tab.closeFrame()).toEqual({ code: 4501, reason: 'revoked' });
    other.send(frame({ payload: 'here' }));
    expect(await text(other)).toBe('here');
  });

  it('closes the older connections of a user with 4503 when a newer one replaces them', async () => {
    const old = await Promise.all([1, 2].map(() => app.open('/ws?user=ann')));
    const bob = await app.open('/ws?user=bob');
    const newest = await app.open('/ws?user=ann&replace=1');
    for (const one of old) expect(await one.closeFrame()).toMatchObject({ code: 4503 });
    for (const one of [bob, newest]) {
      one.send(frame({ payload: 'here' }));
      expect(await text(one)).toBe('here');
    }
  });

  it('closes the older connections of a user with 4503 when a connection is bound to the user later', async () => {
    const old = await app.open('/ws?user=ann');
    const late = await app.open('/ws?greet=1');
    await text(late);
    const { items } = await app.order<{ items: { id: string }[] }>('list');
    expect(await app.order('bind', { connection: items.at(-1)!.id, user: 'ann', replace: true })).toBe(true);
    expect(await old.closeFrame()).toMatchObject({ code: 4503 });
    await until(
      'one of ann',
      () => app.order<number[]>('users', { names: ['ann'] }),
      ([count]) => count === 1,
    );
  });
});

describe('the log', () => {
  beforeAll(async () => {
    app = await HostileApp.start();
  });
  afterAll(() => app.stop());

  it('the log cannot be forged by paths, users, protocols, reasons or messages', async () => {
    const FORGED = '\r\n[Nest] 1 - LOG [Realtime] WebSocket connection opened id=forged user=admin\u001b[2K\u2028x';
    const user = encodeURIComponent(FORGED);
    const client = await app.open(`/ws?user=${user}`, { headers: { 'Sec-WebSocket-Protocol': 'a' } });
    client.send(frame({ payload: FORGED }), closeFrame(4000, '\r\nforged id=1 by=server'));
    await client.ended();
    for (const target of [`/ws${user}`, '/ws?deny=1%0d%0aforged', '/%0d%0aforged']) await app.knock(target);
    const bare = await app.connect();
    bare.send(upgradeRequest({ headers: { Origin: 'http://x\u001b[31m\u0085forged' } }));
    await bare.answer();
    const events = await app.open('/events');
    events.send(frame({ payload: JSON.stringify({ event: FORGED }) }));
    await text(events);
    await until(
      'the lines',
      () => app.output,
      (output) => /connection closed .*code=4000/.test(output),
    );
    const lines = app.output.split(/\r\n|[\r\n\u2028\u2029\u0085]/).filter((line) => /forged/.test(line));
    expect(lines.length).toBeGreaterThan(0);
    // Every line with text of the client begins as a line of the logger
    for (const line of lines) expect(line).toMatch(/^\[Nest\] \d+ {2}- \d/);
    // eslint-disable-next-line no-control-regex
    expect(app.output).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028]/);
  });
});
