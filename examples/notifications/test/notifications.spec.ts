import { jest } from '@jest/globals';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { createTestApp, type TestApp } from 'nestjs-realtime/testing';
import { AppModule } from '../src/app.module.js';

jest.setTimeout(30_000);

let app: TestApp;

beforeEach(async () => {
  const moduleRef = await Test.createTestingModule({ imports: [AppModule] }).compile();
  app = await createTestApp(moduleRef, { adapter: new FastifyAdapter() });
});
afterEach(() => app.close());

function post(path: string, body: object, headers: Record<string, string> = {}): Promise<Response> {
  const sent = { 'content-type': 'application/json', ...headers };
  return fetch(app.url + path, { method: 'POST', headers: sent, body: JSON.stringify(body) });
}

/** Logs in. @returns the headers of later requests */
async function logIn(name: string): Promise<{ authorization: string }> {
  const answer = await post('/login', { name, password: name });
  const { token } = (await answer.json()) as { token: string };
  return { authorization: `Bearer ${token}` };
}

/** What a browser sends, which cannot set headers on a WebSocket. */
function asProtocols({ authorization }: { authorization: string }): string[] {
  return ['notifications', `bearer.${Buffer.from(authorization.slice('Bearer '.length)).toString('base64url')}`];
}

describe('who may connect', () => {
  it('refuses a client without a token, and one with a wrong token, with 401', async () => {
    await expect(app.connect('/notifications')).rejects.toMatchObject({ status: 401 });
    const protocols = ['notifications', `bearer.${Buffer.from('forged').toString('base64url')}`];
    await expect(app.connect('/notifications', { protocols })).rejects.toMatchObject({ status: 401 });
    expect((await post('/login', { name: 'ann', password: 'wrong' })).status).toBe(401);
  });

  it('takes the token of a browser from the list of subprotocols, and never repeats it', async () => {
    const client = await app.connect('/notifications', { protocols: asProtocols(await logIn('ann')) });
    expect(client.protocol).toBe('notifications');
    expect(await client.next('hello')).toEqual({ user: 'ann', tenant: 'acme' });
  });

  it('closes all tabs of a user at the logout', async () => {
    const headers = await logIn('ann');
    const tabs = [await app.connect('/notifications', { headers }), await app.connect('/notifications', { headers })];
    expect((await post('/logout', {}, headers)).status).toBe(204);
    for (const tab of tabs) expect(await tab.closed()).toEqual({ code: 4501, reason: 'logged out' });
  });
});

describe.each(['websocket', 'sse', 'polling'] as const)('notifications over %s', (transport) => {
  it('reach every user of the tenant, and nobody else', async () => {
    const accounts = await Promise.all(['ann', 'bob', 'eve'].map((name) => logIn(name)));
    const [ann, bob, eve] = await Promise.all(
      accounts.map((headers) => app.connect('/notifications', { headers, transport })),
    );
    expect((await post('/invoices', { total: 42 }, accounts[0])).status).toBe(201);
    for (const client of [ann!, bob!]) {
      expect(await client.next('invoice.created')).toEqual({ id: 1, total: 42, by: 'ann' });
    }
    // Messages keep their order: what Eve gets after the greeting is the invoice of her own tenant
    await post('/invoices', { total: 7 }, accounts[2]);
    expect(await eve!.next('hello')).toEqual({ user: 'eve', tenant: 'globex' });
    expect(await eve!.next('invoice.created')).toEqual({ id: 2, total: 7, by: 'eve' });
  });

  it('count what a client has read, and reject what is not an id', async () => {
    const client = await app.connect('/notifications', { headers: await logIn('bob'), transport });
    expect(await client.request('read', 7)).toEqual({ count: 1 });
    await expect(client.request('read', 'seven')).rejects.toThrow('The id of an invoice is a whole number');
    expect(await client.request('read', 8)).toEqual({ count: 2 });
  });

  it('stop when the client has left its room', async () => {
    const client = await app.connect('/notifications', { headers: await logIn('bob'), transport });
    await app.until(() => app.server.to('tenant:acme').count(), 1);
    await client.close();
    expect(await app.server.to('tenant:acme').count()).toBe(0);
  });
});
