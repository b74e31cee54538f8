/** The demo's service, controllers and pages, without a browser. */
import { Test } from '@nestjs/testing';
import { createTestApp, type TestApp, type TestClient } from 'nestjs-realtime/testing';
import { AppModule } from '../../src/app.module.js';
import { until } from '../support/process-guard.js';

let app: TestApp;

beforeAll(async () => {
  process.env['REALTIME_PRESENCE_GRACE'] = '0.05';
  app = await createTestApp(await Test.createTestingModule({ imports: [AppModule] }).compile());
});

afterAll(async () => {
  delete process.env['REALTIME_PRESENCE_GRACE'];
  await app.close();
});

afterEach(async () => {
  await app.server.toEveryone().disconnect();
  await until(
    'everybody to have left',
    async () => [(await app.server.stats()).current, await app.server.to('lobby').countUsers()],
    ([connections, users]) => connections === 0 && users === 0,
  );
});

/** Connects without a name, and takes the welcome. */
async function visit(): Promise<{ client: TestClient; id: string }> {
  const client = await app.connect('/ws');
  const { id } = await client.next<{ id: string }>('welcome');
  return { client, id };
}

/** Connects with a name, and waits until the service has counted its devices. */
async function enter(name: string): Promise<TestClient> {
  const client = await app.connect(`/ws?name=${encodeURIComponent(name)}`);
  await client.next('welcome');
  await client.next('devices');
  return client;
}

interface Line {
  readonly from: string;
  readonly text: string;
}

/** Waits for a message of the lobby, past those that were said before. @returns it */
async function said(client: TestClient, text: string): Promise<Line> {
  for (;;) {
    const line = await client.next<Line>('message');
    if (line.text === text) return line;
  }
}

interface People {
  readonly users?: readonly { id: string; state?: unknown }[];
  readonly join?: readonly { id: string; state?: unknown }[];
  readonly update?: readonly { id: string; state?: unknown }[];
  readonly leave?: readonly string[];
}

/** Waits for the presence event with this field. */
async function presence<K extends keyof People>(client: TestClient, field: K): Promise<NonNullable<People[K]>> {
  for (;;) {
    const people = await client.next<People>('rt:presence');
    if ((people[field]?.length ?? 0) > 0) return people[field]!;
  }
}

const refusal = (code: string) => expect.objectContaining({ data: expect.objectContaining({ code }) });

describe('the conversation', () => {
  it('begins with a welcome that contains the id of the connection and the name', async () => {
    const client = await app.connect('/ws?name=Ann');
    expect(await client.next('welcome')).toEqual({ id: expect.any(String), name: 'Ann' });
  });

  it.each([
    'hello',
    'null',
    '42',
    '[{}]',
    '"text"',
    '',
    ' ',
    '{}',
    '{',
    '{"type":"message"}',
    '{"event":"__proto__","data":{}}',
  ])('answers the text %j, which is not an event, with the time', async (text) => {
    const { client } = await visit();
    client.send(text);
    expect(await client.next()).toMatch(/^The server's time is \d{4}-\d\d-\d\dT[\d:.]+Z$/);
  });

  it('passes a message on to everyone with a name, the sender included', async () => {
    const [ann, bob] = [await enter('Ann'), await enter('Bob')];
    const { client: guest } = await visit();
    await bob.request('say', { text: 'Hi' });
    const line = { from: 'Bob', text: 'Hi', at: expect.any(Number) };
    for (const client of [ann, bob]) expect(await said(client, 'Hi')).toEqual(line);
    guest.send('time');
    expect(await guest.next()).toMatch(/^The server's time/);
  });

  it('sends a newcomer what was said before, in order', async () => {
    const ann = await enter('Ann');
    for (const text of ['first', 'second']) await ann.request('say', { text });
    const bob = await app.connect('/ws?name=Bob');
    await said(bob, 'first');
    expect(await bob.next('message')).toMatchObject({ text: 'second' });
  });

  it('keeps a message once that is sent twice with the same key', async () => {
    const ann = await enter('Ann');
    for (const text of ['once', 'once']) await ann.request('say', { text, key: 'k1' });
    await ann.request('say', { text: 'after' });
    expect(await said(ann, 'once')).toMatchObject({ key: 'k1' });
    expect(await ann.next('message')).toMatchObject({ text: 'after' });
  });

  it('keeps messages of two people who use the same key', async () => {
    const [ann, bob] = [await enter('Ann'), await enter('Bob')];
    await ann.request('say', { text: 'from Ann', key: 'same' });
    await bob.request('say', { text: 'from Bob', key: 'same' });
    await said(ann, 'from Ann');
    expect(await ann.next('message')).toMatchObject({ text: 'from Bob' });
  });
});

describe('who is here', () => {
  it('a newcomer is sent the list, and the others are told of the newcomer', async () => {
    const ann = await enter('Ann');
    expect(await presence(ann, 'users')).toMatchObject([{ id: 'Ann' }]);
    const bob = await enter('Bob');
    expect(await presence(bob, 'users')).toMatchObject([{ id: 'Ann' }, { id: 'Bob' }]);
    expect(await presence(ann, 'join')).toMatchObject([{ id: 'Bob' }]);
    await bob.close();
    expect(await presence(ann, 'leave')).toEqual(['Bob']);
  });

  it('everybody sees who is typing or away, and nothing else that a client presents', async () => {
    const [ann, bob] = [await enter('Ann'), await enter('Bob')];
    await bob.request('present', { isTyping: true, isAway: 'no', html: '<b>' });
    expect(await presence(ann, 'update')).toMatchObject([{ id: 'Bob', state: { isTyping: true, isAway: false } }]);
    await bob.request('present', { isAway: true });
    expect(await presence(ann, 'update')).toMatchObject([{ id: 'Bob', state: { isTyping: false, isAway: true } }]);
  });

  it('counts the devices of a person, when one comes and when one goes', async () => {
    const ann = await enter('Ann');
    const [laptop, phone] = [await enter('Bob'), await enter('Bob')];
    for (const count of [1, 2]) expect(await ann.next('devices')).toEqual({ name: 'Bob', count });
    await phone.close();
    expect(await ann.next('devices')).toEqual({ name: 'Bob', count: 1 });
    await laptop.close();
    expect(await ann.next('devices')).toEqual({ name: 'Bob', count: 0 });
  });
});

describe('a private message', () => {
  it('a private message reaches all devices of its receiver and its sender, and nobody else', async () => {
    const [ann, bob, phone, eve] = [await enter('Ann'), await enter('Bob'), await enter('Bob'), await enter('Eve')];
    await ann.request('whisper', { to: 'Bob', text: 'psst' });
    await ann.request('say', { text: 'for all' });
    for (const client of [ann, bob, phone])
      expect(await client.next('private')).toMatchObject({ from: 'Ann', to: 'Bob', text: 'psst' });
    await said(eve, 'for all');
    await expect(eve.request('whisper', { to: 'nobody', text: 'x' })).rejects.toEqual(refusal('not_here'));
  });

  it('a private message to oneself arrives once', async () => {
    const ann = await enter('Ann');
    await ann.request('whisper', { to: 'Ann', text: 'note' });
    await ann.request('whisper', { to: 'Ann', text: 'another' });
    expect(await ann.next('private')).toMatchObject({ text: 'note' });
    expect(await ann.next('private')).toMatchObject({ text: 'another' });
  });

  it('a private message to somebody who has left is refused', async () => {
    const [ann, bob] = [await enter('Ann'), await enter('Bob')];
    await bob.close();
    await expect(ann.request('whisper', { to: 'Bob', text: 'psst' })).rejects.toEqual(refusal('not_here'));
  });
});

describe('a hostile client', () => {
  const LONG = 'x'.repeat(1_000_000);
  const NO_TEXTS: unknown[] = [null, 1, true, '', ' \n', [], ['x'], {}, { toString: null, length: 1 }, LONG];
  const CASES: [code: string, event: string, data: unknown][] = [
    ['bad_text', 'say', undefined],
    ...[...NO_TEXTS, 'text'].map((data): [string, string, unknown] => ['bad_text', 'say', data]),
    ...NO_TEXTS.map((text): [string, string, unknown] => ['bad_text', 'say', { text }]),
    ...NO_TEXTS.map((key): [string, string, unknown] => ['bad_key', 'say', { text: 'x', key }]),
    ...NO_TEXTS.map((text): [string, string, unknown] => ['bad_text', 'whisper', { to: 'x', text }]),
    ...[...NO_TEXTS, undefined, '__proto__', '*'].map((to): [string, string, unknown] => [
      'not_here',
      'whisper',
      { to, text: 'x' },
    ]),
  ];
  const shown = CASES.map(([code, event, data]) => ({ code, event, data, json: JSON.stringify(data)?.slice(0, 60) }));

  it.each(shown)('answers $code to $event with $json, and keeps the connection', async ({ code, event, data }) => {
    const ann = await enter('Ann');
    await expect(ann.request(event, data)).rejects.toEqual(refusal(code));
    ann.send('still here?');
    while (!/^The server's time/.test(String(await ann.next()))) continue;
  });

  it.each(['say', 'whisper', 'present'])('refuses %s to somebody without a name', async (event) => {
    const { client } = await visit();
    await expect(client.request(event, { text: 'x', to: 'Ann' })).rejects.toEqual(refusal('no_name'));
  });

  it.each(['__proto__', 'constructor', 'toString', '<b>', '🎉', 'lobby', '*'])(
    'accepts %j as a name, which is only data',
    async (name) => {
      const client = await enter(name);
      await client.request('say', { text: `I am ${name}` });
      expect(await said(client, `I am ${name}`)).toMatchObject({ from: name });
    },
  );

  it.each(['', ' ', 'n'.repeat(41)])('refuses the name %j with 400', async (name) => {
    await expect(app.connect(`/ws?name=${name}`)).rejects.toMatchObject({ status: 400 });
  });

  it('understands an event in binary too', async () => {
    const ann = await enter('Ann');
    ann.send(Buffer.from('{"event":"say","data":{"text":"bytes"}}'));
    expect(await said(ann, 'bytes')).toMatchObject({ from: 'Ann' });
  });
});

describe('the push controller', () => {
  const post = (path: string, body?: string, type = 'application/json') =>
    fetch(`${app.url}/push/${path}`, { method: 'POST', body, headers: { 'content-type': type } });

  /** Takes messages until this one. */
  const heard = async (client: TestClient, text: string) => {
    while ((await client.next()) !== text) continue;
  };

  it('pushes to one connection', async () => {
    const ann = await visit();
    const bob = await visit();
    const response = await post(`connection/${ann.id}`, '{"text":"for you"}');
    expect([response.status, await response.json()]).toEqual([200, { connections: 1 }]);
    expect(await ann.client.next()).toBe('for you');
    bob.client.send('time');
    expect(await bob.client.next()).toMatch(/^The server's time/);
  });

  it('answers 404 when there is no such connection', async () => {
    const response = await post('connection/nobody.1', '{"text":"x"}');
    expect([response.status, await response.json()]).toMatchObject([
      404,
      { message: 'Connection not found or already closed' },
    ]);
  });

  it('pushes to all connections of a user', async () => {
    const [laptop, phone] = [await enter('Ann'), await enter('Ann')];
    const response = await post('user/Ann', '{"text":"dinner"}');
    expect([response.status, await response.json()]).toEqual([200, { connections: 2 }]);
    for (const client of [laptop, phone]) await heard(client, 'dinner');
  });

  it('pushes to nobody where a user has no connection', async () => {
    const response = await post('user/Nobody', '{"text":"x"}');
    expect([response.status, await response.json()]).toEqual([200, { connections: 0 }]);
  });

  it('pushes to everyone', async () => {
    const ann = await visit();
    const bob = await enter('Bob');
    const response = await post('everyone', '{"text":"news"}');
    expect([response.status, await response.json()]).toEqual([200, { connections: 2 }]);
    expect(await ann.client.next()).toBe('news');
    await heard(bob, 'news');
  });

  it.each([undefined, '{}', '[]', '{"text":""}', '{"text":" "}', '{"text":7}', '{"text":null}', '["text"]', '{'])(
    'answers the body %s with 400 and says why',
    async (body) => {
      const { id } = await visit();
      for (const path of [`connection/${id}`, 'user/x', 'everyone']) {
        const response = await post(path, body);
        const { message } = (await response.json()) as { message: string };
        expect([response.status, message]).toEqual([400, expect.stringMatching(/JSON/)]);
      }
    },
  );

  it('answers text that is not declared as JSON with 400', async () => {
    expect((await post('everyone', '{"text":"x"}', 'text/plain')).status).toBe(400);
  });
});

describe('the pages', () => {
  it.each([
    ['/', 'text/html; charset=utf-8'],
    ['/bare', 'text/html; charset=utf-8'],
    ['/assets/theme.css', 'text/css; charset=utf-8'],
    ['/assets/chat.css', 'text/css; charset=utf-8'],
    ['/assets/conversation.css', 'text/css; charset=utf-8'],
    ['/assets/chat.js', 'text/javascript; charset=utf-8'],
    ['/assets/conversation.js', 'text/javascript; charset=utf-8'],
    ['/assets/people.css', 'text/css; charset=utf-8'],
    ['/assets/connection.js', 'text/javascript; charset=utf-8'],
    ['/assets/elements.js', 'text/javascript; charset=utf-8'],
    ['/assets/people.js', 'text/javascript; charset=utf-8'],
    ['/assets/realtime-client.js', 'text/javascript; charset=utf-8'],
    ['/assets/return.js', 'text/javascript; charset=utf-8'],
    ['/assets/theme.js', 'text/javascript; charset=utf-8'],
  ])('serves %s as %s', async (path, type) => {
    const response = await fetch(app.url + path);
    expect([response.status, response.headers.get('content-type')]).toEqual([200, type]);
  });

  it('serves pages that run no inline script and nothing from elsewhere', async () => {
    const { headers } = await fetch(app.url);
    expect(headers.get('content-security-policy')).toMatch(/^default-src 'none';.*script-src 'self';/);
  });

  it.each(['/assets/index.html', '/assets/..%2fmain.ts', '/assets/__proto__'])('does not serve %s', async (path) => {
    expect((await fetch(app.url + path)).status).toBe(404);
  });
});
