import { Test } from '@nestjs/testing';
import { createTestApp, type TestApp, type TestClient } from 'nestjs-realtime/testing';
import { AppModule } from '../../src/app.module.js';
import { until } from '../support/process-guard.js';

let app: TestApp;

beforeAll(async () => {
  app = await createTestApp(await Test.createTestingModule({ imports: [AppModule] }).compile());
});

afterAll(() => app.close());

afterEach(async () => {
  await app.server.toEveryone().disconnect();
  await until(
    'everybody to have left',
    () => app.server.stats(),
    ({ current }) => current === 0,
  );
});

interface Frame {
  readonly type: string;
  readonly data: any;
}

async function frameOf(client: TestClient): Promise<Frame> {
  return JSON.parse((await client.next()) as string) as Frame;
}

/** Connects and takes the welcome. */
async function come(): Promise<{ client: TestClient; id: string }> {
  const client = await app.connect('/ws');
  const { data } = await frameOf(client);
  return { client, id: data.id };
}

/** Connects, sends a name, and takes the announcement that all clients get. */
async function enter(name: string, ...others: TestClient[]): Promise<{ client: TestClient; id: string }> {
  const { client, id } = await come();
  client.send({ type: 'connect', text: name });
  for (const each of [client, ...others]) expect(await frameOf(each)).toMatchObject({ type: 'connect', data: { id } });
  return { client, id };
}

describe('the conversation', () => {
  it('begins with a welcome that contains the id of the connection', async () => {
    const client = await app.connect('/ws');
    expect(await frameOf(client)).toEqual({ type: 'welcome', data: { id: expect.any(String), name: 'Guest' } });
  });

  it.each(['hello', 'null', '42', '[{}]', '"text"', '', ' '])('answers the text %j with the time', async (text) => {
    const { client } = await come();
    client.send(text);
    expect(await client.next()).toMatch(/^The server's time is \d{4}-\d\d-\d\dT[\d:.]+Z$/);
  });

  it('announces a newcomer to everyone, with the list of people', async () => {
    const ann = await enter('Ann');
    const bob = await come();
    bob.client.send({ type: 'connect', text: 'Bob' });
    const people = [
      { id: ann.id, name: 'Ann' },
      { id: bob.id, name: 'Bob' },
    ];
    const announcement = { type: 'connect', data: { id: bob.id, name: 'Bob', people } };
    expect(await frameOf(ann.client)).toEqual(announcement);
    expect(await frameOf(bob.client)).toEqual(announcement);
  });

  it('passes a message on to everyone, the sender included', async () => {
    const ann = await enter('Ann');
    const bob = await enter('Bob', ann.client);
    bob.client.send({ type: 'message', text: 'Hi' });
    const message = { type: 'message', data: { id: bob.id, name: 'Bob', text: 'Hi' } };
    expect(await frameOf(ann.client)).toEqual(message);
    expect(await frameOf(bob.client)).toEqual(message);
  });

  it('passes a message on from a guest without a name', async () => {
    const { client, id } = await come();
    const ann = await enter('Ann', client);
    client.send({ type: 'message', text: 'Hi' });
    expect(await frameOf(ann.client)).toEqual({ type: 'message', data: { id, name: 'Guest', text: 'Hi' } });
  });

  it('announces to the others that a person has left', async () => {
    const ann = await enter('Ann');
    const bob = await enter('Bob', ann.client);
    await bob.client.close();
    const people = [{ id: ann.id, name: 'Ann' }];
    expect(await frameOf(ann.client)).toEqual({ type: 'close', data: { id: bob.id, name: 'Bob', people } });
  });

  it('announces nothing when a visitor without a name leaves', async () => {
    const ann = await enter('Ann');
    const visitor = await come();
    await visitor.client.close();
    ann.client.send({ type: 'message', text: 'Anyone?' });
    expect(await frameOf(ann.client)).toMatchObject({ type: 'message' });
  });
});

describe('a private message', () => {
  it('a private message reaches its receiver and its sender, and nobody else', async () => {
    const ann = await enter('Ann');
    const bob = await enter('Bob', ann.client);
    const eve = await enter('Eve', ann.client, bob.client);
    ann.client.send({ type: 'private', to: bob.id, text: 'psst' });
    ann.client.send({ type: 'message', text: 'for all' });
    const secret = { type: 'private', data: { id: ann.id, name: 'Ann', to: bob.id, text: 'psst' } };
    expect(await frameOf(bob.client)).toEqual(secret);
    expect(await frameOf(ann.client)).toEqual(secret);
    expect(await frameOf(eve.client)).toMatchObject({ type: 'message', data: { text: 'for all' } });
  });

  it('a private message to oneself arrives once', async () => {
    const ann = await enter('Ann');
    ann.client.send({ type: 'private', to: ann.id, text: 'note' });
    ann.client.send('time');
    expect(await frameOf(ann.client)).toMatchObject({ type: 'private', data: { text: 'note' } });
    expect(await ann.client.next()).toMatch(/^The server's time/);
  });

  it('a private message to somebody who has left is refused', async () => {
    const ann = await enter('Ann');
    const bob = await enter('Bob', ann.client);
    await bob.client.close();
    expect(await frameOf(ann.client)).toMatchObject({ type: 'close' });
    ann.client.send({ type: 'private', to: bob.id, text: 'psst' });
    expect(await ann.client.next('exception')).toMatchObject({
      code: 'not_here',
      message: 'This person has left',
    });
  });
});

describe('a hostile client', () => {
  /** Stands for a million letters, which would not fit in a test name. */
  const LONG = '"long"';
  const noTexts = ['null', '1', 'true', '""', '" \\n"', '[]', '["x"]', '{}', '{"toString":null,"length":1}', LONG];
  const cases: [code: string, json: string][] = [
    ['bad_json', '{'],
    ['bad_json', '{"type":"message","text":"cut'],
    ['bad_type', '{}'],
    ['bad_type', '{"type":null,"text":"x"}'],
    ['bad_type', '{"type":{"toString":null},"text":"x"}'],
    ['bad_type', '{"type":"constructor","text":"x"}'],
    ['bad_type', '{"__proto__":{"type":"message"},"text":"x"}'],
    ['bad_text', '{"type":"message"}'],
    ['bad_text', `{"type":"connect","text":"${'n'.repeat(41)}"}`],
    ...noTexts.map((text): [string, string] => ['bad_text', `{"type":"connect","text":${text}}`]),
    ...noTexts.map((text): [string, string] => ['bad_text', `{"type":"message","text":${text}}`]),
    ...noTexts.map((text): [string, string] => ['bad_text', `{"type":"private","to":"x","text":${text}}`]),
    ...noTexts.map((to): [string, string] => ['bad_text', `{"type":"private","to":${to},"text":"x"}`]),
    ['bad_text', '{"type":"private","text":"x"}'],
    ['not_here', '{"type":"private","text":"x","to":"__proto__"}'],
    ['not_here', '{"type":"private","text":"x","to":"*"}'],
  ];

  it.each(cases)('answers %s to %s, and keeps the connection', async (code, shown) => {
    const json = shown.replace(LONG, `"${'x'.repeat(1_000_000)}"`);
    const { client } = await come();
    client.send(json);
    const refusal = await client.next<{ code: string; message: string }>('exception');
    expect(refusal).toMatchObject({ status: 'error', code, message: expect.stringMatching(/\w{4}/) });
    client.send('still here?');
    expect(await client.next()).toMatch(/^The server's time/);
  });

  it.each(['__proto__', 'constructor', 'toString', '<b>', '\u0000', '🎉'])(
    'accepts %j as a name, which is only data',
    async (name) => {
      const { id } = await enter(name);
      const ann = await come();
      ann.client.send({ type: 'connect', text: 'Ann' });
      const { data } = await frameOf(ann.client);
      expect(data.people[0]).toEqual({ id, name });
    },
  );

  it('understands a message in binary too', async () => {
    const ann = await enter('Ann');
    ann.client.send(Buffer.from('{"type":"message","text":"bytes"}'));
    expect(await frameOf(ann.client)).toMatchObject({ type: 'message', data: { text: 'bytes' } });
    ann.client.send(Buffer.from([0xff, 0xfe, 0x00]));
    expect(await ann.client.next()).toMatch(/^The server's time/);
  });
});

describe('the push controller', () => {
  const post = (path: string, body?: string, type = 'application/json') =>
    fetch(`${app.url}/push/${path}`, { method: 'POST', body, headers: { 'content-type': type } });

  it('pushes to one connection', async () => {
    const ann = await come();
    const bob = await come();
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
    const laptop = await enter('Ann');
    const phone = await enter('Ann', laptop.client);
    const response = await post('user/Ann', '{"text":"dinner"}');
    expect([response.status, await response.json()]).toEqual([200, { connections: 2 }]);
    expect(await laptop.client.next()).toBe('dinner');
    expect(await phone.client.next()).toBe('dinner');
  });

  it('pushes to nobody where a user has no connection', async () => {
    const response = await post('user/Nobody', '{"text":"x"}');
    expect([response.status, await response.json()]).toEqual([200, { connections: 0 }]);
  });

  it('pushes to everyone', async () => {
    const ann = await come();
    const bob = await enter('Bob', ann.client);
    const response = await post('everyone', '{"text":"news"}');
    expect([response.status, await response.json()]).toEqual([200, { connections: 2 }]);
    expect(await ann.client.next()).toBe('news');
    expect(await bob.client.next()).toBe('news');
  });

  it.each([undefined, '{}', '[]', '{"text":""}', '{"text":" "}', '{"text":7}', '{"text":null}', '["text"]', '{'])(
    'answers the body %s with 400 and says why',
    async (body) => {
      const { id } = await come();
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
    ['/assets/reconnecting-socket.js', 'text/javascript; charset=utf-8'],
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
