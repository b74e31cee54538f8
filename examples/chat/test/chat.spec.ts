import { jest } from '@jest/globals';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { Test } from '@nestjs/testing';
import { type ConnectOptions, createTestApp, type TestApp } from 'nestjs-realtime/testing';
import { AppModule } from '../src/app.module.js';
import { setUp } from '../src/set-up.js';

jest.setTimeout(30_000);

let app: TestApp;

beforeEach(async () => {
  const moduleRef = await Test.createTestingModule({ imports: [AppModule] }).compile();
  app = await createTestApp(moduleRef, { configure: (nest) => setUp(nest as NestExpressApplication) });
});
afterEach(() => app.close());

function post(path: string, body: object, headers: Record<string, string> = {}): Promise<Response> {
  const sent = { 'content-type': 'application/json', ...headers };
  return fetch(app.url + path, { method: 'POST', headers: sent, body: JSON.stringify(body) });
}

/** Logs in, as a browser does. @returns the headers of later requests */
async function logIn(name: string): Promise<{ cookie: string }> {
  const answer = await post('/login', { name });
  expect(answer.status).toBe(204);
  return { cookie: answer.headers.get('set-cookie')!.split(';')[0]! };
}

async function come(name: string, options: ConnectOptions = {}) {
  const headers = await logIn(name);
  const client = await app.connect('/ws', { headers, ...options });
  return { client, headers, welcome: await client.next<{ people: string[] }>('welcome') };
}

describe('the handshake', () => {
  it('refuses a stranger with 401', async () => {
    await expect(app.connect('/ws')).rejects.toMatchObject({
      status: 401,
      body: expect.stringContaining('Log in first'),
    });
  });

  it('refuses a page of another site with 403', async () => {
    const headers = { ...(await logIn('Ann')), origin: 'https://evil.example' };
    await expect(app.connect('/ws', { headers })).rejects.toMatchObject({ status: 403 });
  });

  it('refuses a name that is too long at the login', async () => {
    expect((await post('/login', { name: 'x'.repeat(41) })).status).toBe(400);
  });
});

describe.each(['websocket', 'sse', 'polling'] as const)('a chat over %s', (transport) => {
  it('greets, and reports who comes, speaks and leaves', async () => {
    const ann = await come('Ann', { transport });
    expect(ann.welcome).toEqual({ name: 'Ann', people: ['Ann'] });
    const bob = await come('Bob');
    expect(await ann.client.next('joined')).toEqual({ name: 'Bob', people: ['Ann', 'Bob'] });
    ann.client.send('hello');
    for (const { client } of [ann, bob]) expect(await client.next('said')).toEqual({ from: 'Ann', text: 'hello' });
    await ann.client.close();
    expect(await bob.client.next('left')).toEqual({ name: 'Ann', people: ['Bob'], code: 1000 });
  });

  it('whispers to all tabs of one person, and to nobody else', async () => {
    const [ann, eve] = [await come('Ann', { transport }), await come('Eve')];
    const tabs = [await come('Bob'), await come('Bob', { transport })];
    expect(await ann.client.request('whisper', { to: 'Bob', text: 'psst' })).toEqual({ to: 'Bob' });
    for (const { client } of tabs) expect(await client.next('whispered')).toEqual({ from: 'Ann', text: 'psst' });
    // Messages keep their order: what Eve gets next was sent after the whisper
    ann.client.send('for all');
    await eve.client.next('joined');
    expect(JSON.parse(String(await eve.client.next()))).toEqual({
      event: 'said',
      data: { from: 'Ann', text: 'for all' },
    });
  });

  it('rejects a whisper to a person who is not here', async () => {
    const { client } = await come('Ann', { transport });
    const whisper = client.request('whisper', { to: 'Bob', text: 'psst' });
    await expect(whisper).rejects.toMatchObject({ data: { status: 'error', message: 'Bob is not here' } });
  });
});

it('counts two tabs of a person once', async () => {
  const ann = await come('Ann');
  const tabs = [await come('Bob'), await come('Bob')];
  expect(tabs[1]!.welcome.people).toEqual(['Ann', 'Bob']);
  expect(await app.server.toUser('Bob').count()).toBe(2);
  await tabs[0]!.client.close();
  ann.client.send('still two?');
  await ann.client.next('said');
  await tabs[1]!.client.close();
  expect(await ann.client.next('left')).toMatchObject({ name: 'Bob', people: ['Ann'] });
});

it('announces from a controller to everyone, but only for who has logged in', async () => {
  const ann = await come('Ann');
  expect((await post('/announcements', { text: 'no' })).status).toBe(401);
  expect((await post('/announcements', { text: 'Lunch!' }, ann.headers)).status).toBe(204);
  expect(await ann.client.next('announcement')).toEqual({ text: 'Lunch!' });
});

it('closes all tabs at the logout, and does not let them in again', async () => {
  const ann = await come('Ann');
  const tab = await app.connect('/ws', { headers: ann.headers, transport: 'sse' });
  expect((await post('/logout', {}, ann.headers)).status).toBe(204);
  for (const client of [ann.client, tab]) expect(await client.closed()).toEqual({ code: 4501, reason: 'logged out' });
  await app.until(() => app.server.toUser('Ann').count(), 0);
  await expect(app.connect('/ws', { headers: ann.headers })).rejects.toMatchObject({ status: 401 });
});
