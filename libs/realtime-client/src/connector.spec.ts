import { CLOSE_CODES, mayReconnect } from 'nestjs-realtime-protocol';
import { clientIn, FakeWorld } from '../../../test/support/fakes/client-world.js';
import type { FetchInit } from './environment.js';
import { ClientError, UnauthorizedError } from './errors.js';
import type { Transport } from './wire.js';

let world: FakeWorld;

beforeEach(() => {
  world = new FakeWorld();
  isCut = true;
});

const answering = (status: number, headers: Record<string, string> = {}, body = '') => {
  world.answer = () => new Response(body, { status, headers });
};
const accepted = () => world.fetched.map(({ init }) => (init.headers as Record<string, string>)['accept']);
const withoutWebSocket = () => {
  world.webSocket = () => Promise.reject(new ClientError('bad_option', 'There is no WebSocket here'));
};

const OPEN = { id: 'n.1', session: 's1', resumed: false, seen: 0, ping: 25_000, maxBytes: 1_048_576 };
let isCut = true;

/** The answer of a server with SSE. @param cutsOne it cuts the first stream */
function sse({ headers, method }: FetchInit, cutsOne = false): Response | Promise<Response> {
  const { accept } = headers as Record<string, string>;
  if (accept === undefined) return method ? new Response(null, { status: 204 }) : new Response('', { status: 426 });
  if (cutsOne && isCut) {
    isCut = false;
    return Promise.reject(new TypeError('Failed to fetch'));
  }
  const text = `data: ${JSON.stringify({ event: 'rt:open', data: OPEN })}\n\n`;
  const start = (stream: ReadableStreamDefaultController) => stream.enqueue(new TextEncoder().encode(text));
  return new Response(new ReadableStream({ start }), { headers: { 'content-type': 'text/event-stream' } });
}

const waiting = (state: object) => (state as { retryAt: number }).retryAt - world.time();
describe('backoff', () => {
  it('waits a random time below 0.5 s, doubled with every attempt, up to 20 s', async () => {
    const { client } = await clientIn(world);
    world.luck = () => 0.999_999;
    const delays: number[] = [];
    for (let n = 1; n <= 8; n++) {
      world.socket.end();
      await world.pass();
      expect(client.state).toMatchObject({ status: 'waiting', attempt: n, reason: 'the server does not answer' });
      delays.push(Math.round(waiting(client.state)));
      await world.pass(delays.at(-1));
    }
    expect(delays).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000]);
  });

  it('spreads a thousand clients evenly over the whole time', async () => {
    const { client } = await clientIn(world);
    const shares: number[] = [];
    for (const luck of [0.0001, 0.25, 0.5, 0.75, 1]) {
      world.luck = () => 0.5;
      await world.failUntil(8);
      world.luck = () => luck;
      world.socket.end();
      await world.pass();
      shares.push(waiting(client.state));
      client.close();
      world.sockets.length = 0;
      client.connect();
      await world.pass();
    }
    expect(shares.map((ms) => Math.round(ms / 1000))).toEqual([0, 5, 10, 15, 20]);
  });

  it('never returns sooner than the server wants, and adds the spread to it', async () => {
    const { client } = await clientIn(world);
    world.luck = () => 0;
    world.socket.open().end(1001, 'server shutting down; retry-after-ms=3210');
    expect(client.state).toMatchObject({ status: 'waiting', reason: 'server shutting down' });
    expect(waiting(client.state)).toBe(3210);
    world.happen('online');
    world.show('visible');
    await world.pass(3209);
    expect(world.sockets).toHaveLength(1);
    await world.pass(1);
    expect(world.sockets).toHaveLength(2);
  });

  it.each([
    [429, { 'retry-after': '7' }],
    [503, { 'retry-after': '7' }],
  ])('respects the Retry-After of a refusal with %d', async (status, headers) => {
    answering(status, headers, '{"message":"Too busy"}');
    const { client } = await clientIn(world);
    world.luck = () => 0.5;
    world.socket.end();
    await world.pass();
    expect(client.state).toMatchObject({ status: 'waiting', reason: `the server answered ${status}: Too busy` });
    expect(waiting(client.state)).toBe(7250);
  });

  it('begins anew after a connection of 10 s, and goes on after a shorter one', async () => {
    const { client } = await clientIn(world);
    world.luck = () => 1;
    await world.failUntil(4);
    world.socket.open();
    await world.pass(9999);
    world.socket.end();
    expect(waiting(client.state)).toBe(4000);
    await world.pass(4000);
    world.socket.open();
    await world.pass(10_000);
    world.socket.end();
    expect(waiting(client.state)).toBe(500);
  });

  it('gives up a handshake that takes longer than 10 s, and asks why', async () => {
    const { client } = await clientIn(world);
    await world.pass(10_000);
    expect(world.socket.closedWith).toBe(3100);
    expect(world.fetched).toHaveLength(1);
    expect(client.state.status).toBe('waiting');
  });
});

describe('close codes', () => {
  const frames = CLOSE_CODES.map(({ code }) => code).filter((code) => ![4501, 4502].includes(code));

  it.each([...frames, 1014, 1015, 4242, 4999])('decides after %d as the protocol says', async (code) => {
    const { client } = await clientIn(world);
    world.socket.open().end(code);
    expect(client.state.status).toBe(mayReconnect(code) ? 'waiting' : 'closed');
    expect((client.state as { reason: string }).reason).not.toBe('');
  });

  it('comes back when a runtime gives no code at all, as Deno does for a connection that broke', async () => {
    const { client } = await clientIn(world);
    world.socket.open().end(0);
    expect(client.state).toMatchObject({ status: 'waiting', reason: 'the connection broke' });
  });

  it('says why in words: those of the server, else what the code means', async () => {
    const { client } = await clientIn(world);
    world.socket.open().end(4500, 'banned for an hour');
    expect(client.state).toEqual({ status: 'closed', code: 4500, reason: 'banned for an hour' });
    client.connect();
    await world.pass();
    world.socket.open().end(4500);
    expect(client.state).toEqual({ status: 'closed', code: 4500, reason: 'disconnected by the server' });
  });

  it('stays closed until connect() is called, whatever the page does', async () => {
    const { client } = await clientIn(world);
    world.socket.open();
    client.close();
    expect(world.socket.closedWith).toBe(1000);
    expect(client.state).toEqual({ status: 'closed', code: 1000, reason: 'closed on purpose' });
    world.happen('online');
    world.show('visible');
    await world.pass(60_000);
    expect(world.sockets).toHaveLength(1);
    client.connect();
    await world.pass();
    expect(world.sockets).toHaveLength(2);
    expect(world.socket.hello).not.toHaveProperty('session');
  });

  it('does not present a session again that a close frame has ended', async () => {
    await clientIn(world);
    world.socket.open({ session: 'ended' }).end(4001);
    await world.pass(1000);
    expect(world.socket.hello).not.toHaveProperty('session');
  });
});

describe('the token', () => {
  const tokens = (...values: (string | Error)[]) => {
    const asked: string[] = [];
    const token = ({ reason }: { reason: string }) => {
      asked.push(reason);
      const value = values.shift();
      if (value instanceof Error) throw value;
      return value;
    };
    return { asked, token };
  };

  it('is asked for once, and used again for every attempt', async () => {
    const { asked, token } = tokens('one', 'two');
    await clientIn(world, { token });
    await world.failUntil(3);
    expect(asked).toEqual(['connect']);
    expect(world.socket.token).toBe('one');
  });

  it.each([4501, 4502])('is asked for once more after %d', async (code) => {
    const { asked, token } = tokens('old', 'new');
    const { client } = await clientIn(world, { token });
    world.socket.open().end(code);
    await world.pass(500);
    expect(asked).toEqual(['connect', 'refused']);
    expect(world.socket.token).toBe('new');
    world.socket.open();
    await world.pass(9000);
    world.socket.end(code, 'again');
    expect(client.state).toEqual({ status: 'closed', code, reason: 'again' });
  });

  it('is asked for again after a connection that was stable', async () => {
    const { asked, token } = tokens('a', 'b', 'c');
    await clientIn(world, { token });
    for (let n = 0; n < 2; n++) {
      world.socket.open();
      await world.pass(10_000);
      world.socket.end(4502);
      await world.pass(500);
    }
    expect(asked).toEqual(['connect', 'refused', 'refused']);
    expect(world.socket.token).toBe('c');
  });

  it('is asked for once more after a refusal with 401, which the probe sees with the same credentials', async () => {
    const { asked, token } = tokens('old', 'new');
    answering(401, {}, '{"message":"The token is not valid"}');
    const { client } = await clientIn(world, { token });
    world.socket.end();
    await world.pass(500);
    expect(world.fetched[0]).toMatchObject({
      url: 'https://app.example.com/ws',
      init: { credentials: 'include', headers: { authorization: 'Bearer old' } },
    });
    expect(asked).toEqual(['connect', 'refused']);
    world.socket.end();
    await world.pass(60_000);
    const reason = 'the server answered 401: The token is not valid';
    expect(client.state).toEqual({ status: 'closed', code: 4501, reason });
    expect(world.sockets).toHaveLength(2);
  });

  it('closes the client after 401 and 4501 when there is only one token', async () => {
    const { client } = await clientIn(world, { token: 'fixed' });
    world.socket.open().end(4501);
    expect(client.state).toMatchObject({ status: 'closed', code: 4501, reason: 'no longer allowed' });
  });

  it('closes the client after 403, without another token', async () => {
    const { asked, token } = tokens('old', 'new');
    answering(403);
    const { client } = await clientIn(world, { token });
    world.socket.end();
    await world.pass();
    expect(client.state).toEqual({ status: 'closed', code: 4501, reason: 'the server answered 403' });
    expect(asked).toEqual(['connect']);
  });

  it('is waited for with backoff when the callback fails, and closes the client when it says so', async () => {
    const { token } = tokens(new Error('the login service is away'), new UnauthorizedError('log in again'));
    const { client } = await clientIn(world, { token });
    expect(client.state).toMatchObject({ status: 'waiting', reason: 'the login service is away' });
    await world.pass(500);
    expect(client.state).toEqual({ status: 'closed', code: 4501, reason: 'log in again' });
    expect(world.sockets).toHaveLength(0);
  });

  it('is renewed in place when the server says that it expires, on a second wire with the session', async () => {
    const { asked, token } = tokens('old', 'new');
    const { client, states } = await clientIn(world, { token });
    const first = world.socket.open({ session: 's' }).say('hello');
    first.say('rt:expires', { inMs: 30_000 });
    await world.pass();
    expect(asked).toEqual(['connect', 'expires']);
    expect(world.socket.token).toBe('new');
    expect(world.socket.hello).toMatchObject({ session: 's', seen: 2 });
    expect(first.closedWith).toBeUndefined();
    world.socket.open({ session: 's', resumed: true });
    expect(first.closedWith).toBe(3100);
    expect(client.state).toMatchObject({ status: 'open', isResumed: true });
    expect(states.map(({ status }) => status)).toEqual(['connecting', 'open', 'open']);
  });
});

describe('a server that is gone', () => {
  it('is noticed by a ping that is not answered', async () => {
    const { client } = await clientIn(world);
    const first = world.socket.open({ ping: 20_000 });
    await world.pass(29_999);
    expect(first.sent).toEqual([]);
    await world.pass(1);
    expect(first.sent).toEqual(['{"event":"rt:ping"}']);
    await world.pass(4999);
    expect(client.state.status).toBe('open');
    await world.pass(1);
    expect(client.state).toMatchObject({ status: 'waiting', reason: 'the server does not answer' });
    expect(first.closedWith).toBe(3100);
  });

  it('is not suspected while it says anything, or answers', async () => {
    const { client } = await clientIn(world);
    const first = world.socket.open({ ping: 20_000 });
    for (let n = 0; n < 5; n++) {
      await world.pass(29_000);
      first.say('tick');
    }
    expect(first.sent).not.toContain('{"event":"rt:ping"}');
    first.heard = (data) => data === '{"event":"rt:ping"}' && first.say('rt:pong');
    await world.pass(600_000);
    expect(client.state.status).toBe('open');
  });

  it('gets a second chance when the machine slept', async () => {
    const { client } = await clientIn(world);
    const first = world.socket.open({ ping: 20_000 });
    await world.pass(30_000);
    // The timer runs only an hour later
    const late = world.clock.now() + 3_600_000;
    jestNow(world, late);
    await world.pass(5000);
    expect(client.state.status).toBe('open');
    expect(first.sent.filter((data) => data === '{"event":"rt:ping"}')).toHaveLength(2);
    await world.pass(5000);
    expect(client.state.status).toBe('waiting');
  });

  it.each(['online', 'visible'])('is asked at once when the page is %s again', async (what) => {
    await clientIn(world);
    world.socket.open();
    if (what === 'online') world.happen('online');
    else world.show('visible');
    expect(world.socket.sent).toEqual(['{"event":"rt:ping"}']);
  });
});

/** From now on the wall clock is ahead of the timers, as after a sleep. */
function jestNow(it: FakeWorld, at: number): void {
  const ahead = at - it.clock.now();
  Object.assign(it, { time: () => 1_700_000_000_000 + it.clock.now() + ahead });
}

describe('the page', () => {
  it('stops trying while it is offline, and tries at once when it is online', async () => {
    const { client } = await clientIn(world);
    world.socket.end();
    await world.pass();
    world.happen('offline');
    expect(client.state).toMatchObject({ status: 'waiting', retryAt: undefined });
    await world.pass(3_600_000);
    expect(world.sockets).toHaveLength(1);
    world.happen('online');
    await world.pass();
    expect(world.sockets).toHaveLength(2);
    world.happen('offline');
    world.socket.end();
    await world.pass(60_000);
    expect(world.sockets).toHaveLength(2);
    expect(client.state).toMatchObject({ status: 'waiting', retryAt: undefined });
  });

  it('tries at once when it becomes visible', async () => {
    await clientIn(world);
    await world.failUntil(8);
    world.socket.end();
    await world.pass();
    world.show('hidden');
    await world.pass();
    expect(world.sockets).toHaveLength(8);
    world.show('visible');
    await world.pass();
    expect(world.sockets).toHaveLength(9);
  });

  it('leaves its session on the server when it goes into the back/forward cache, and resumes it', async () => {
    const { client } = await clientIn(world);
    const first = world.socket.open({ session: 's' });
    world.happen('pagehide', true);
    expect(first.closedWith).toBe(3100);
    expect(client.state).toMatchObject({ status: 'waiting', reason: 'the page was left' });
    world.happen('pageshow', true);
    await world.pass();
    expect(world.socket.hello).toMatchObject({ session: 's', seen: 0 });
  });

  it('leaves it to the browser to close the WebSocket of a page that ends', async () => {
    await clientIn(world);
    world.socket.open();
    world.happen('pagehide');
    expect(world.socket.closedWith).toBeUndefined();
  });
});

describe('the choice of the transport', () => {
  it('stays with WebSocket while the server is away, however long', async () => {
    const { client } = await clientIn(world);
    world.socket.open().end();
    await world.pass(1000);
    await world.failUntil(50);
    world.answer = () => new Response('', { status: 503 });
    await world.failUntil(60);
    world.socket.open();
    expect(client.state).toMatchObject({ status: 'open', transport: 'websocket' });
    expect(world.fetched.every(({ init }) => !(init.headers as Record<string, string>)['accept'])).toBe(true);
  });

  it('falls back to SSE when HTTP arrives twice and the WebSocket does not', async () => {
    answering(426);
    await clientIn(world);
    await world.failUntil(2);
    world.socket.end();
    await world.pass(1000);
    expect(world.sockets).toHaveLength(2);
    expect(world.fetched.at(-1)!.init.headers).toMatchObject({ accept: 'text/event-stream' });
  });

  it('falls back to polling when streams are accepted and nothing arrives on them', async () => {
    world.answer = () => new Response(new ReadableStream(), { headers: { 'content-type': 'text/event-stream' } });
    await clientIn(world, { transports: ['sse', 'polling'] });
    await world.pass(10_000);
    await world.pass(500);
    expect(accepted()).toEqual(['text/event-stream', 'application/json']);
  });

  it('tries the next transport at once where there is no class of WebSockets', async () => {
    withoutWebSocket();
    await clientIn(world);
    expect(accepted()).toEqual(['text/event-stream']);
    expect(world.time()).toBe(1_700_000_000_000);
  });

  it('goes round and round with waits where there is no class, and SSE and polling are blocked as well', async () => {
    withoutWebSocket();
    answering(426);
    const { client } = await clientIn(world);
    expect(client.state.status).toBe('waiting');
    for (let n = 0; n < 10; n++) await world.pass(1000);
    expect(accepted().slice(0, 4)).toEqual([
      'text/event-stream',
      'application/json',
      'text/event-stream',
      'application/json',
    ]);
    expect(accepted().length).toBeLessThan(20);
  });

  it.each([[['websocket']], [['websocket', 'websocket']]] as [Transport[]][])(
    'waits, and says why, where %j are wanted and there is no class of WebSockets',
    async (transports) => {
      withoutWebSocket();
      const { client } = await clientIn(world, { transports });
      expect(client.state).toMatchObject({ status: 'waiting', reason: 'There is no WebSocket here' });
      expect(world.fetched).toHaveLength(0);
    },
  );

  it('stays on SSE when a move to WebSocket fails for want of a class', async () => {
    withoutWebSocket();
    world.answer = (_url, init) => sse(init);
    const { client, states } = await clientIn(world);
    expect(client.state).toMatchObject({ status: 'open', transport: 'sse' });
    world.show('visible');
    client.use('websocket');
    await world.pass(1000);
    expect(client.state).toMatchObject({ status: 'open', transport: 'sse' });
    expect(states.map(({ status }) => status)).toEqual(['connecting', 'connecting', 'open']);
  });

  it('falls back to polling when event streams are cut twice without an answer, and plain requests are answered', async () => {
    world.answer = (_url, { headers }) =>
      (headers as Record<string, string>)['accept'] === 'text/event-stream'
        ? Promise.reject(new TypeError('Failed to fetch'))
        : new Response('', { status: 426 });
    const { client } = await clientIn(world, { transports: ['sse', 'polling'] });
    expect(client.state).toMatchObject({ reason: 'the transport was blocked on its way' });
    await world.pass(500);
    await world.pass(1000);
    expect(accepted()).toEqual(['text/event-stream', undefined, 'text/event-stream', undefined, 'application/json']);
  });

  it('stays with SSE while the server is away, and when it returns between the attempt and the probe', async () => {
    const { client } = await clientIn(world, { transports: ['sse', 'polling'] });
    for (let n = 0; n < 10; n++) await world.pass(20_000);
    world.answer = (_url, init) => sse(init, true);
    for (let n = 0; n < 60 && client.state.status !== 'open'; n++) await world.pass(1000);
    expect(client.state).toMatchObject({ status: 'open', transport: 'sse' });
    expect(accepted()).not.toContain('application/json');
  });

  it('takes an answer that the page may not read as a sign that HTTP arrives', async () => {
    world.answer = (_url, { mode }) =>
      mode === 'no-cors' ? new Response() : Promise.reject(new TypeError('Failed to fetch'));
    const { client } = await clientIn(world, {}, 'wss://other.example.com/ws');
    world.socket.end();
    await world.pass();
    expect(client.state).toMatchObject({ reason: 'the transport was blocked on its way' });
  });

  it('leaves out the hello for one attempt when it is so long that a proxy may have refused it', async () => {
    answering(426);
    const { client } = await clientIn(world);
    world.socket.open();
    for (let n = 0; n < 100; n++) {
      const room = { room: `r${n}`, key: `key${String(n).padStart(5, '0')}`, position: `${n}.abcdef` };
      world.socket.say('rt:joined', room);
    }
    const gaps: unknown[] = [];
    client.room('r7').on('gap', ({ reason }) => gaps.push(reason));
    world.socket.end();
    await world.pass(1000);
    await world.failUntil(4);
    expect(world.sockets[2]!.hello).toBeDefined();
    expect(world.socket.protocols).toEqual(['realtime.v1']);
    world.socket.open({ session: 's2' }).say('rt:joined', { room: 'r7', key: 'key00007', position: '9.abcdef' });
    expect(gaps).toEqual(['limit']);
    await world.failUntil(5);
    expect(world.socket.hello).toMatchObject({ session: 's2' });
  });
});
