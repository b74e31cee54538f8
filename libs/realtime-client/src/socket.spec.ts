import { clientIn, FakeWorld } from '../../../test/support/fakes/client-world.js';
import { ClientError, RequestError, UnauthorizedError } from './errors.js';
import { stream } from './stream.js';

let world: FakeWorld;

beforeEach(() => {
  world = new FakeWorld();
});

const sentOf = (what: string) => world.socket.events.filter(({ event }) => event === what);

describe('connect', () => {
  it('opens a WebSocket to the path on the host of the page, with a hello', async () => {
    const { client, states } = await clientIn(world);
    expect(world.socket.url).toBe('wss://app.example.com/ws');
    expect(world.socket.protocols[0]).toBe('realtime.v1');
    expect(world.socket.hello).toEqual({ v: 1, seen: 0, was: [], rooms: {} });
    world.socket.open({ id: 'n.7' });
    expect(client.state).toEqual({ status: 'open', transport: 'websocket', id: 'n.7', isResumed: false });
    expect(states.map(({ status }) => status)).toEqual(['connecting', 'open']);
  });

  it('offers the protocols of the application first, and the token last', async () => {
    await clientIn(world, { protocols: ['chat'], token: 'ünlock' });
    expect(world.socket.protocols).toEqual([
      'chat',
      'realtime.v1',
      expect.stringMatching(/^hello\.[\w-]+$/),
      expect.stringMatching(/^bearer\.[\w-]+$/),
    ]);
    expect(world.socket.token).toBe('ünlock');
  });

  it.each(['', 'ftp://x/ws', 'http://', 'mailto:a@b'])('does not accept the URL %j outside a page', async (url) => {
    world.page = undefined;
    await expect(clientIn(world, {}, url)).rejects.toThrow(expect.objectContaining({ code: 'bad_option' }));
  });

  it('does not accept a transport that does not exist', async () => {
    await expect(clientIn(world, { transports: ['tcp' as never] })).rejects.toThrow(/websocket,sse,polling/);
    await expect(clientIn(world, { transports: [] })).rejects.toThrow(ClientError);
  });

  it('stays away from a server that does not speak realtime.v1, and says so', async () => {
    const { client } = await clientIn(world);
    world.socket.accept('');
    const reason = 'the server does not speak realtime.v1';
    expect(client.state).toEqual({ status: 'closed', code: 1002, reason });
    expect(world.socket.closedWith).toBe(3100);
  });

  it.each([
    [new Error('the vault is locked'), { status: 'waiting', reason: 'the vault is locked' }],
    [new UnauthorizedError('log in'), { status: 'closed', code: 4501, reason: 'log in' }],
  ])('says why there is no first message when authenticate fails with %s', async (error, state) => {
    const { client } = await clientIn(world, { authenticate: () => Promise.reject(error) });
    const first = world.socket.accept();
    await world.pass();
    expect([client.state, first.closedWith]).toEqual([expect.objectContaining(state), 3100]);
  });

  it('sends the first message of a gateway that authenticates by it, before anything else', async () => {
    const { client } = await clientIn(world, { authenticate: () => ({ token: 't' }) });
    client.emit('say');
    world.socket.accept();
    await world.pass();
    expect(world.socket.sent).toEqual(['{"token":"t"}']);
    world.socket.open();
    expect(world.socket.sent).toEqual(['{"token":"t"}', '{"event":"say"}']);
  });
});

describe('events', () => {
  it('calls every listener with the data, the room and the position, until it is taken away', async () => {
    const { client } = await clientIn(world);
    const heard: unknown[] = [];
    const off = client.on('price', (data, meta) => heard.push(data, meta));
    world.socket.open().say('price', 7, { room: 'tea', position: '3.abcdef' }).say('other');
    off();
    world.socket.say('price', 8);
    expect(heard).toEqual([7, { event: 'price', room: 'tea', position: '3.abcdef' }]);
  });

  it('goes on when a listener throws or rejects, and reports the error', async () => {
    const { client } = await clientIn(world);
    const errors: unknown[] = [];
    Object.assign(globalThis, { reportError: (error: unknown) => errors.push(error) });
    try {
      const heard: unknown[] = [];
      client.on('a', () => {
        throw new Error('one');
      });
      client.on('a', (() => Promise.reject(new Error('two'))) as () => void);
      client.on('a', (data) => heard.push(data));
      world.socket.open().say('a', 1);
      await world.pass();
      expect(heard).toEqual([1]);
      expect(errors.map(String)).toEqual(['Error: one', 'Error: two']);
    } finally {
      delete (globalThis as { reportError?: unknown }).reportError;
    }
  });

  it('hands texts and bytes that are not events to onRaw', async () => {
    const { client } = await clientIn(world);
    const raw: unknown[] = [];
    client.onRaw((data, { room }) => raw.push(room ? [data, room] : data));
    const bytes = new Uint8Array([1, 2]).buffer;
    world.socket.open().raw('hello').raw('{"no":"event"}').raw('{').raw(bytes);
    world.socket.say('rt:raw', 'kept', { room: 'tea', position: '1.aaaaaa' });
    expect(raw).toEqual(['hello', '{"no":"event"}', '{', bytes, ['kept', 'tea']]);
  });

  it('does not hand unknown events of the library to the application', async () => {
    const { client } = await clientIn(world);
    const heard: unknown[] = [];
    client.on('rt:new', (data) => heard.push(data));
    world.socket.open().say('rt:new', 1);
    expect(heard).toEqual([]);
  });

  it('iterates over the data of an event from the call on, until the client is closed', async () => {
    const { client } = await clientIn(world);
    const loop = client.events('n');
    world.socket.open().say('n', 1).say('n', 2);
    const heard: unknown[] = [];
    const done = (async () => {
      for await (const n of loop) heard.push(n);
    })();
    await world.pass();
    world.socket.say('n', 3);
    client.close();
    await done;
    expect(heard).toEqual([1, 2, 3]);
  });

  it('stops listening when a loop is left', async () => {
    const { client } = await clientIn(world);
    const loop = client.events('n');
    world.socket.open().say('n', 1);
    for await (const n of loop) if (n === 1) break;
    world.socket.say('n', 2);
    expect(await loop.next()).toEqual({ value: undefined, done: true });
  });

  it('ends a loop with too_slow when more than 1,000 events wait for it', async () => {
    const { client } = await clientIn(world);
    const loop = client.events('n');
    world.socket.open();
    for (let n = 0; n <= 1000; n++) world.socket.say('n', n);
    for (let n = 0; n <= 1000; n++) expect(await loop.next()).toEqual({ value: n, done: false });
    await expect(loop.next()).rejects.toThrow(expect.objectContaining({ code: 'too_slow' }));
    expect(await loop.next()).toMatchObject({ done: true });
  });
});

describe('request', () => {
  it('resolves with the first answer that has its id', async () => {
    const { client } = await clientIn(world);
    world.socket.open();
    const asked = client.request('sum', [1, 2]);
    const [{ id, data }] = sentOf('sum') as [{ id: string; data: unknown }];
    expect(data).toEqual([1, 2]);
    world.socket.say('sum', 9, { id: 'other' }).say('sum', 3, { id }).say('sum', 4, { id });
    await expect(asked).resolves.toBe(3);
  });

  it('resolves with undefined when the method returned nothing', async () => {
    const { client } = await clientIn(world);
    world.socket.open();
    const asked = client.request('say', 'hi');
    world.socket.say('rt:done', { dropped: 0 }, { id: sentOf('say')[0]!['id'] });
    await expect(asked).resolves.toBeUndefined();
  });

  it('rejects with what the server says', async () => {
    const { client } = await clientIn(world);
    world.socket.open();
    const asked = client.request('sum');
    const data = { status: 'error', message: 'No such method', code: 'unknown_event' };
    world.socket.say('exception', data, { id: sentOf('sum')[0]!['id'] });
    await expect(asked).rejects.toThrow(RequestError);
    await expect(asked).rejects.toMatchObject({
      code: 'refused',
      data,
      message: 'The server refused sum: No such method',
    });
  });

  it('rejects in time, and does not let the server begin', async () => {
    const { client } = await clientIn(world, { timeout: 3000 });
    world.socket.open();
    const asked = client.request('slow');
    const failed = expect(asked).rejects.toMatchObject({ code: 'timeout' });
    await world.pass(2999);
    expect(sentOf('rt:cancel')).toEqual([]);
    await world.pass(1);
    await failed;
    expect(sentOf('rt:cancel')).toEqual([{ event: 'rt:cancel', id: sentOf('slow')[0]!['id'] }]);
  });

  it('rejects when its signal is aborted, before or after it was sent', async () => {
    const { client } = await clientIn(world);
    world.socket.open();
    await expect(client.request('a', 1, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'aborted' });
    const aborter = new AbortController();
    const asked = client.request('b', 1, { signal: aborter.signal });
    aborter.abort();
    await expect(asked).rejects.toMatchObject({ code: 'aborted' });
  });

  it('does not send a request that was aborted while it waited', async () => {
    const { client } = await clientIn(world);
    const aborter = new AbortController();
    const asked = client.request('late', 1, { signal: aborter.signal });
    aborter.abort();
    await expect(asked).rejects.toMatchObject({ code: 'aborted' });
    world.socket.open();
    expect(world.socket.sent).toEqual([]);
  });

  it('rejects when the client is closed, before and after', async () => {
    const { client } = await clientIn(world);
    const asked = client.request('a');
    client.close();
    await expect(asked).rejects.toMatchObject({ code: 'closed' });
    await expect(client.request('a')).rejects.toMatchObject({ code: 'closed' });
    expect(client.emit('a')).toBe(false);
  });

  it('rejects what is longer than the server takes', async () => {
    const { client } = await clientIn(world);
    world.socket.open({ maxBytes: 40 });
    await expect(client.request('a', 'ä'.repeat(20))).rejects.toMatchObject({ code: 'too_big' });
    expect(() => client.emit('a', 'x'.repeat(40))).toThrow(/40 that the server takes/);
  });
});

describe('stream', () => {
  it('yields every item until the server ends it', async () => {
    const { client } = await clientIn(world);
    world.socket.open();
    const prices = stream(client, 'prices', 'tea');
    const { id } = sentOf('prices')[0]!;
    world.socket.say('p', 1, { id }).say('p', 2, { id }).say('rt:done', { dropped: 0 }, { id });
    const items: unknown[] = [];
    for await (const price of prices) items.push(price);
    expect(items).toEqual([1, 2]);
  });

  it('ends on the server when the loop is left', async () => {
    const { client } = await clientIn(world);
    world.socket.open();
    const prices = stream(client, 'prices', 'tea');
    const { id } = sentOf('prices')[0]!;
    world.socket.say('p', 1, { id });
    for await (const price of prices) if (price === 1) break;
    expect(sentOf('rt:cancel')).toEqual([{ event: 'rt:cancel', id }]);
  });

  it('throws when the server refuses, or its signal is aborted', async () => {
    const { client } = await clientIn(world);
    world.socket.open();
    const refused = stream(client, 'a');
    world.socket.say('exception', { status: 'error', message: 'no' }, { id: sentOf('a')[0]!['id'] });
    await expect(refused.next()).rejects.toThrow(RequestError);
    const aborter = new AbortController();
    const aborted = stream(client, 'b', undefined, { signal: aborter.signal });
    aborter.abort();
    await expect(aborted.next()).rejects.toMatchObject({ code: 'aborted' });
  });
});
