import { FakeServer } from '../../../test/support/fakes/client-server.js';
import { clientIn, FakeWorld } from '../../../test/support/fakes/client-world.js';
import { seeded } from '../../../test/support/process-guard.js';
import { seed as first } from '../../../test/support/random.js';

let world: FakeWorld;

beforeEach(() => {
  world = new FakeWorld();
});

describe('a session', () => {
  it('says in its next hello what it has seen, and who it was', async () => {
    await clientIn(world);
    world.socket.open({ id: 'n.1', session: 's1' }).say('a').say('rt:ack', { n: 0 }).raw('text').say('rt:pong').end();
    await world.pass(1000);
    expect(world.socket.hello).toEqual({ v: 1, session: 's1', seen: 2, was: ['n.1'], rooms: {} });
  });

  it('sends again what the server does not have, and then what waited, when it is resumed', async () => {
    const { client } = await clientIn(world);
    world.socket.open();
    for (const text of ['a', 'b', 'c']) client.send(text);
    expect(world.socket.sent).toEqual(['a', 'b', 'c']);
    world.socket.end();
    client.send('d');
    await world.pass(1000);
    client.onState(({ status }) => status === 'open' && client.send('e'));
    world.socket.open({ resumed: true, seen: 1 });
    expect(world.socket.sent).toEqual(['b', 'c', 'd', 'e']);
    expect(client.state).toMatchObject({ status: 'open', isResumed: true });
  });

  it('does not send again what the server has acknowledged', async () => {
    const { client } = await clientIn(world);
    world.socket.open();
    for (const text of ['a', 'b', 'c']) client.send(text);
    world.socket.say('rt:ack', { n: 2 }).end();
    await world.pass(1000);
    world.socket.open({ resumed: true, seen: 2 });
    expect(world.socket.sent).toEqual(['c']);
  });

  it('sends only what may be repeated on a new connection: requests that had left are unknown', async () => {
    const { client } = await clientIn(world);
    world.socket.open();
    client.emit('once');
    client.emit('again', 1, { retry: true });
    const left = client.request('left');
    const acknowledged = client.request('acknowledged');
    world.socket.say('rt:ack', { n: 4 });
    const failed = Promise.all(
      [left, acknowledged].map(async (asked) => expect(asked).rejects.toMatchObject({ code: 'unknown' })),
    );
    client.emit('again', 2, { retry: true });
    world.socket.end();
    const waited = client.request('waited');
    await world.pass(1000);
    world.socket.open({ session: 's2', id: 'n.2' });
    await failed;
    expect(world.socket.events).toEqual([
      { event: 'again', data: 2, id: expect.any(String) },
      { event: 'waited', id: expect.any(String) },
    ]);
    world.socket.say('waited', 'yes', { id: world.socket.events[1]!['id'] });
    await expect(waited).resolves.toBe('yes');
  });

  it('gives every message with an id a higher one than before, across connections', async () => {
    const { client } = await clientIn(world);
    world.socket.open();
    client.emit('a', 1, { retry: true });
    void client.request('b').catch(() => {});
    world.socket.say('rt:ack', { n: 2 }).end();
    await world.pass(1000);
    world.socket.open({ session: 's2' });
    client.emit('c', 1, { retry: true });
    const ids = world.sockets.flatMap(({ events }) => events.map(({ id }) => Number(id)));
    expect(ids).toEqual([1, 2, 3]);
  });

  it('acknowledges once a second, each 32 messages and each 64 KiB, and only what is new', async () => {
    await clientIn(world);
    const acks = () => world.socket.events.map(({ data }) => (data as { n: number }).n);
    world.socket.open();
    await world.pass(5000);
    expect(acks()).toEqual([]);
    world.socket.say('a');
    await world.pass(999);
    expect(acks()).toEqual([]);
    await world.pass(1);
    expect(acks()).toEqual([1]);
    for (let n = 0; n < 32; n++) world.socket.say('a');
    expect(acks()).toEqual([1, 33]);
    world.socket.raw('x'.repeat(65_536));
    expect(acks()).toEqual([1, 33, 34]);
    await world.pass(5000);
    expect(acks()).toEqual([1, 33, 34]);
  });

  it('acknowledges once a second after it was closed and connected again', async () => {
    const { client } = await clientIn(world);
    world.socket.open().say('a');
    client.close();
    client.connect();
    await world.pass(5000);
    world.socket.open({ id: 'n.2', session: 's2' }).say('b');
    await world.pass(1000);
    expect(world.socket.events).toEqual([{ event: 'rt:ack', data: { n: 1 } }]);
  });

  it('has at most 256 messages under way', async () => {
    const { client } = await clientIn(world, { queue: { messages: 500 } });
    world.socket.open();
    for (let n = 1; n <= 300; n++) client.send(String(n));
    expect(world.socket.sent).toHaveLength(256);
    world.socket.say('rt:ack', { n: 32 });
    expect(world.socket.sent).toHaveLength(288);
    world.socket.say('rt:ack', { n: 64 });
    expect(world.socket.sent.at(-1)).toBe('300');
  });

  it('names its last eight connections', async () => {
    await clientIn(world);
    for (let n = 1; n <= 10; n++) {
      world.socket.open({ id: `n.${n}`, session: `s${n}` }).end();
      await world.failUntil(n + 1);
    }
    expect(world.socket.hello!['was']).toEqual([10, 9, 8, 7, 6, 5, 4, 3].map((n) => `n.${n}`));
  });
});

describe('the queue', () => {
  it('does not bound what need not wait: a message longer than the queue is sent while the connection is open', async () => {
    const { client } = await clientIn(world);
    const long = 'x'.repeat(100_000);
    expect(client.send(long)).toBe(false);
    world.socket.open();
    expect(client.send(long)).toBe(true);
    expect(world.socket.sent).toEqual([long]);
  });

  it('may be empty: what cannot be sent at once is then refused', async () => {
    const { client } = await clientIn(world, { queue: { messages: 0 } });
    expect(client.emit('cursor', 1)).toBe(false);
    world.socket.open();
    expect(client.emit('cursor', 2)).toBe(true);
    expect(world.socket.events.map(({ data }) => data as number)).toEqual([2]);
  });

  it('takes 64 messages and 64 KiB while there is no connection, and refuses more', async () => {
    const { client } = await clientIn(world);
    for (let n = 1; n <= 64; n++) expect(client.send(String(n))).toBe(true);
    expect(client.send('65')).toBe(false);
    await expect(client.request('65')).rejects.toMatchObject({ code: 'queue_full' });
    world.socket.open();
    expect(world.socket.sent).toHaveLength(64);
    world.socket.end();
    expect(client.send('x'.repeat(65_536))).toBe(true);
    expect(client.send('x')).toBe(false);
  });

  it('drops the oldest where that is asked for, and rejects a request that is dropped', async () => {
    const { client } = await clientIn(world, { queue: { messages: 2, bytes: 100, overflow: 'drop-oldest' } });
    const first = client.request('first');
    const failed = expect(first).rejects.toMatchObject({ code: 'queue_full' });
    for (const text of ['a', 'b', 'c']) expect(client.send(text)).toBe(true);
    await failed;
    expect(client.send('x'.repeat(101))).toBe(false);
    world.socket.open();
    expect(world.socket.sent).toEqual(['b', 'c']);
  });
});

describe('moving to another wire', () => {
  const asked = () =>
    world.fetched.map(({ init }) => new Headers(init.headers as Record<string, string>).get('accept'));

  it('keeps the present one when the next does not open, and loses nothing that it said meanwhile', async () => {
    world.answer = () => new Response('', { status: 500 });
    const { client, states } = await clientIn(world);
    const heard: unknown[] = [];
    client.on('n', (n) => heard.push(n));
    const first = world.socket.open().say('n', 1);
    client.use('sse');
    first.say('n', 2);
    expect(client.send('meanwhile')).toBe(true);
    expect(first.sent).toEqual([]);
    await world.pass();
    first.say('n', 3);
    expect(heard).toEqual([1, 2, 3]);
    expect(first.sent[0]).toBe('meanwhile');
    expect(states.map(({ status }) => status)).toEqual(['connecting', 'open']);
  });

  it('moves to the transport that was asked for last, after a move that was under way has failed', async () => {
    world.answer = () => new Response('', { status: 500 });
    const { client } = await clientIn(world);
    world.socket.open();
    client.use('sse');
    client.use('polling');
    await world.pass();
    expect(asked()).toEqual(['text/event-stream', 'application/json']);
    expect(client.send('still here')).toBe(true);
    expect(world.socket.sent).toEqual(['still here']);
  });

  it('moves to the transport that was asked for last, after a move that was under way has succeeded', async () => {
    world.answer = () => new Response('', { status: 500 });
    const { client } = await clientIn(world, { token: () => 't' });
    world.socket.open({ session: 's' }).say('rt:expires', { inMs: 1000 });
    await world.pass();
    client.use('sse');
    expect(asked()).toEqual([]);
    world.socket.open({ session: 's', resumed: true });
    await world.pass();
    expect(asked()).toEqual(['text/event-stream']);
  });

  it('moves to the transport that was asked for while the first wire was being opened', async () => {
    world.answer = () => new Response('', { status: 500 });
    const { client } = await clientIn(world);
    client.use('sse');
    expect(asked()).toEqual([]);
    world.socket.open();
    await world.pass();
    expect(asked()).toEqual(['text/event-stream']);
  });

  it('tries the transport that was asked for, when the wire under way does not open', async () => {
    const { client } = await clientIn(world);
    client.use('sse');
    world.socket.end();
    await world.pass(500);
    expect(asked()).toEqual([null, 'text/event-stream', null]);
  });

  it('brings a refreshed token after a move that was under way', async () => {
    const tokens = ['first', 'second', 'third'];
    await clientIn(world, { token: () => tokens.shift() });
    const expires = () => world.socket.say('rt:expires', { inMs: 1000 });
    world.socket.open({ session: 's' });
    expires();
    await world.pass();
    world.sockets[0]!.end();
    world.socket.open({ session: 's', resumed: true });
    expect(world.sockets.map(({ token }) => token)).toEqual(['first', 'second']);
    expires();
    await world.pass();
    expect(world.sockets.map(({ token }) => token)).toEqual(['first', 'second', 'third']);
  });

  it('goes on with the next when the present one ends before it is open', async () => {
    const { client } = await clientIn(world, { token: () => 't' });
    const first = world.socket.open({ session: 's' }).say('rt:expires', { inMs: 1000 });
    await world.pass();
    first.end(4502);
    expect(client.emit('say')).toBe(true);
    world.socket.open({ session: 's', resumed: true });
    expect(world.socket.sent).toEqual(['{"event":"say"}']);
    expect(client.state).toMatchObject({ status: 'open', isResumed: true });
    expect(world.sockets).toHaveLength(2);
  });
});

/** Messages in both directions while wires are cut, replaced, and refused. */
async function schedule(
  seed: number,
  restarts: boolean,
): Promise<{ sent: number; heard: unknown[]; pushed: number; got: unknown[] }> {
  const random = seeded(seed);
  const chosen = new FakeWorld();
  chosen.luck = random;
  const server = new FakeServer(chosen);
  server.latency = () => random() * 40;
  const { client } = await clientIn(chosen, { token: () => 't', queue: { messages: 1e6, bytes: 1e9 } });
  const got: unknown[] = [];
  client.on('push', (data) => got.push(data));
  let sent = 0;
  let pushed = 0;
  for (let round = 0; round < 60; round++) {
    for (let n = Math.floor(random() * 6); n > 0; n--) client.emit('say', ++sent);
    if (client.state.status === 'open') for (let n = Math.floor(random() * 6); n > 0; n--) server.push(++pushed);
    const luck = random();
    if (luck < 0.15) chosen.socket.end();
    else if (luck < 0.25) client.use('websocket');
    else if (luck < 0.3) chosen.happen('pagehide', true);
    else if (luck < 0.4) chosen.happen('pageshow', true);
    else if (luck < 0.45) server.refuse = (socket) => socket.end();
    else if (luck < 0.6) server.refuse = undefined;
    else if (restarts && luck < 0.63) server.restart();
    await chosen.clock.pass(random() * 400);
  }
  server.refuse = undefined;
  for (let n = 0; n < 100 && client.state.status !== 'open'; n++) {
    chosen.happen('online');
    await chosen.pass(1000);
  }
  await chosen.pass(5000);
  client.close();
  return { sent, heard: server.heard, pushed, got };
}

describe('any schedule of cuts, moves and refusals', () => {
  const upTo = (n: number) => Array.from({ length: n }, (_, index) => index + 1);
  const SCHEDULES = Number(process.env['SCHEDULES'] ?? 60);

  it('loses nothing, repeats nothing and swaps nothing', async () => {
    for (let seed = first; seed < first + SCHEDULES; seed++) {
      const { sent, heard, pushed, got } = await schedule(seed, false);
      expect({ seed, heard }).toEqual({ seed, heard: upTo(sent) });
      expect({ seed, got }).toEqual({ seed, got: upTo(pushed) });
    }
  });

  it('repeats nothing and swaps nothing when the server restarts too', async () => {
    for (let seed = first; seed < first + SCHEDULES; seed++) {
      const { heard, got } = await schedule(seed, true);
      for (const seen of [heard, got]) {
        const sorted = [...new Set(seen as number[])].sort((a, b) => a - b);
        expect({ seed, seen }).toEqual({ seed, seen: sorted });
      }
    }
  });
});
