/** Attacks on SSE and long polling: stolen tokens, other sites, floods, bodies without an end. */
import { request as httpRequest } from 'node:http';
import { gzipSync } from 'node:zlib';
import { Body, Controller, Delete, Get, Headers, Options, Post, Req, type Type } from '@nestjs/common';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { WebSocketGateway } from '@nestjs/websockets';
import express from 'express';
import type { RealtimeOptions } from 'nestjs-realtime';
import { PLATFORMS } from '../support/platforms.js';
import { until, within } from '../support/process-guard.js';
import { PollingClient, SseClient } from '../support/clients/request-clients.js';
import { cookieOf, TestStore, useSessions } from '../support/apps/sessions.js';
import { RoomApps } from '../support/apps/room-apps.js';
import { bootRoom, Doorkeeper, Lines, type RoomApp } from '../support/apps/transport-app.js';

@Controller()
class Login {
  @Post('login')
  login(@Req() request: { session: Record<string, unknown> }, @Body() { name }: { name: string }): void {
    request.session['name'] = name;
  }
}

@Controller()
class Mirror {
  @Post('mirror')
  mirror(@Headers('content-length') length: string, @Body() body: unknown): unknown {
    return { length, body };
  }
}

@WebSocketGateway({ path: '/other' })
class OtherGateway {
  onMessage(): void {}
}

@Controller()
class OwnRoute {
  @Post('ws')
  post(@Body() body: unknown): unknown {
    return { own: 'POST', body };
  }
  @Delete('ws')
  delete(@Body() body: unknown): unknown {
    return { own: 'DELETE', body };
  }
  @Options('ws')
  options(@Body() body: unknown): unknown {
    return { own: 'OPTIONS', body };
  }
}

@Controller()
class OwnGet {
  @Get('ws')
  get(): string {
    return 'mine';
  }
}

/** The platforms, with trust in the headers of a proxy on this machine. */
const TRUSTING = {
  express: () => new ExpressAdapter(express().set('trust proxy', 'loopback')),
  fastify: () => new FastifyAdapter({ trustProxy: 'loopback' }),
};

/** The tests open many connections from one address, and no test waits for a client that has gone. */
const SHARED: RealtimeOptions = {
  graceTime: 2,
  closeTimeout: 0.02,
  shutdownTimeout: 2,
  maxFailedHandshakes: 0,
  maxConnectionRatePerAddress: 0,
};

const KINDS = { sse: SseClient, polling: PollingClient } as const;
type Kind = keyof typeof KINDS;
const SSE = { accept: 'text/event-stream' };

describe.each(PLATFORMS)('on $platform', ({ platform, adapter }) => {
  const apps = new RoomApps();
  let site: RoomApp;
  const lines = new Lines();
  const clients: { vanish(): void }[] = [];

  const start = (options: RealtimeOptions, controllers: readonly Type[], http: AbstractHttpAdapter) => {
    const metadata = { controllers: [...controllers], providers: [OtherGateway] };
    const configure = (app: Parameters<typeof useSessions>[0]) => useSessions(app, new TestStore());
    return bootRoom({ ...SHARED, ...options }, metadata, { adapter: http, logger: lines, configure });
  };
  /** Gives the test an application with these options. */
  const boot = async (
    options: RealtimeOptions = {},
    controllers: readonly Type[] = [Login, Mirror],
    http = adapter,
  ) => {
    const key = JSON.stringify([options, controllers.map(({ name }) => name), http === adapter]);
    site = await apps.use(key, () => start(options, controllers, http()));
  };
  const connect = async (kind: Kind, headers: Record<string, string> = {}) => {
    const client = await KINDS[kind].connect(site.url, headers);
    clients.push(client);
    return client;
  };
  const login = async (name: string) => {
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${site.app.url}/login`, { method: 'POST', headers, body: JSON.stringify({ name }) });
    return { cookie: cookieOf(answer.headers.get('set-cookie')) };
  };
  /** A request with a connection's token, as somebody else would send it. */
  const ask = (method: string, token: string, headers: Record<string, string> = {}, body?: string | Buffer) =>
    fetch(site.url, {
      method,
      headers: {
        'x-realtime-token': token,
        ...(body === undefined ? {} : { 'content-type': 'text/plain' }),
        ...headers,
      },
      body: body as string,
    });
  const poll = (token: string, headers: Record<string, string> = {}, position = 0) =>
    fetch(`${site.url}?transport=polling&position=${position}`, { headers: { 'x-realtime-token': token, ...headers } });
  const resume = (token: string, headers: Record<string, string> = {}) =>
    fetch(site.url, { headers: { ...SSE, 'last-event-id': `${token}.0`, ...headers } });

  afterEach(async () => {
    for (const client of clients.splice(0)) client.vanish();
    await apps.renew();
    lines.clear();
  });
  afterAll(() => apps.stop());

  describe.each(Object.keys(KINDS) as Kind[])('the token of a connection by %s', (kind) => {
    const thieves = async (mallory: Record<string, string>, token: string) => {
      const statuses: number[] = [];
      const again = kind === 'sse' ? resume : poll;
      for (const headers of [mallory, {} as Record<string, string>]) {
        statuses.push((await again(token, headers)).status);
        statuses.push((await ask('POST', token, headers, 'mine')).status);
        statuses.push((await ask('DELETE', token, headers)).status);
      }
      return statuses;
    };

    it("refuses a token with another user's session, and without any", async () => {
      await boot();
      const [ann, mallory] = [await login('ann'), await login('mallory')];
      const client = await connect(kind, ann);
      expect(await thieves(mallory, client.token)).toEqual([403, 403, 403, 403, 403, 403]);
      await client.send('still here');
      expect(await client.next()).toBe('echo still here');
      expect(site.room.heard).toEqual(['still here']);
      expect(site.room.handshakes).toBe(1);
    });

    it("refuses a token with another user's Authorization, and without any", async () => {
      await boot();
      const client = await connect(kind, { authorization: 'Bearer ann' });
      expect(await thieves({ authorization: 'Bearer mallory' }, client.token)).toEqual([403, 403, 403, 403, 403, 403]);
      await client.send('still here');
      expect(await client.next()).toBe('echo still here');
    });

    it('refuses a token when a cookie that onHandshake read has changed; other cookies may change', async () => {
      await boot();
      site.room.inHandshake = ({ cookies }) => void cookies['token'];
      const client = await connect(kind, { cookie: 'balancer=1; token=ann' });
      expect(await thieves({ cookie: 'balancer=1; token=mallory' }, client.token)).toEqual(Array(6).fill(403));
      const rotated = { cookie: 'balancer=2; token=ann; seen=yes' };
      expect((await ask('POST', client.token, rotated, 'still here')).status).toBe(204);
      expect(await client.next()).toBe('echo still here');
      expect(site.room.heard).toEqual(['still here']);
      expect((await ask('DELETE', client.token, rotated)).status).toBe(204);
      expect(site.room.handshakes).toBe(1);
    });

    it('reports how a connection ended only to the owner of its token', async () => {
      await boot();
      const client = await connect(kind, { authorization: 'Bearer ann' });
      site.room.connections[0]!.close(4501, 'secret');
      await client.closed();
      const again = kind === 'sse' ? resume : poll;
      expect((await again(client.token, { authorization: 'Bearer mallory' })).status).toBe(403);
      const own = await again(client.token, { authorization: 'Bearer ann' });
      expect(own.status).toBe(200);
      expect(await own.text()).toContain('{"code":4501,"reason":"secret"}');
    });

    it('refuses a token on the path of another gateway', async () => {
      await boot();
      const client = await connect(kind);
      const headers = { 'x-realtime-token': client.token, 'content-type': 'text/plain' };
      const answer = await fetch(`${site.app.url}/other`, { method: 'POST', headers, body: 'through the side door' });
      expect(answer.status).toBe(404);
      expect(site.room.heard).toEqual([]);
    });

    it('accepts the token alone from a visitor with an empty session', async () => {
      await boot();
      const client = await connect(kind);
      await client.send('hello');
      expect(await client.next()).toBe('echo hello');
      expect(await client.close()).toBe(204);
    });
  });

  it('runs middleware, guards and the origin check on every request, and the hooks once', async () => {
    await boot();
    const doorkeeper = site.app.app.get(Doorkeeper);
    const client = await connect('sse');
    await client.send('one');
    expect(site.seen.requests).toEqual(['GET /ws', 'POST /ws']);
    expect(doorkeeper.asked).toBe(2);
    const refused = { 'x-want': 'guard-refuses' };
    const foreign = { origin: 'https://evil.example' };
    for (const headers of [refused, foreign] as Record<string, string>[]) {
      expect((await ask('POST', client.token, headers, 'no')).status).toBe(403);
      expect((await ask('DELETE', client.token, headers)).status).toBe(403);
      expect((await resume(client.token, headers)).status).toBe(403);
    }
    expect(site.room.handshakes).toBe(1);
    expect(site.room.heard).toEqual(['one']);
  });

  it('issues tokens that cannot be guessed, differ from the id and appear in no log line', async () => {
    await boot();
    const tokens: string[] = [];
    for (const kind of ['sse', 'polling'] as const) {
      const client = await connect(kind);
      await client.send('hello');
      expect(await client.next()).toBe('echo hello');
      await ask('POST', client.token, { 'x-want': 'guard-refuses' }, 'no');
      await ask('PUT', client.token, {}, 'no');
      await client.close();
      expect(client.token).toMatch(/^[\w-]{44}$/);
      expect(client.id).toMatch(/^[\w.-]+$/);
      // The node is public; the rest is the secret
      expect(client.id.split('.')[0]).toBe(client.token.slice(0, 12));
      const secret = client.token.slice(12);
      expect(client.id).not.toContain(secret.slice(0, 8));
      tokens.push(secret);
    }
    await site.room.closed(2);
    expect(new Set(tokens.flatMap((token) => [token, token.slice(0, 8), token.slice(-8)])).size).toBe(6);
    expect(lines.all.some((line) => line.includes('connection closed'))).toBe(true);
    for (const token of tokens) expect(lines.all.join('\n')).not.toContain(token);
  });

  it('finds no connection by its public id or by a random token', async () => {
    await boot();
    const client = await connect('polling');
    for (const token of [client.id, 'x', 'a'.repeat(32), '__proto__', 'constructor']) {
      expect((await ask('POST', token, {}, 'no')).status).toBe(404);
      expect((await ask('DELETE', token)).status).toBe(404);
      const fresh = (await (await poll(token)).json()) as { id: string };
      expect(fresh.id).toMatch(/^[\w.-]+$/);
      expect(fresh.id).not.toBe(client.id);
    }
    expect(site.room.closes).toEqual([]);
  });

  describe('bodies', () => {
    const TYPES = ['text/plain', 'application/json'];
    /** Sends a body without an end until the server answers and cuts the connection. */
    const sendEndless = async (type: string) => {
      const client = await connect('sse');
      const headers = { 'x-realtime-token': client.token, 'content-type': type, 'transfer-encoding': 'chunked' };
      const endless = httpRequest(site.url, { method: 'POST', headers });
      const status = new Promise<number>((resolve) => endless.on('response', (answer) => resolve(answer.statusCode!)));
      const cut = new Promise((resolve) => endless.on('close', resolve));
      endless.on('error', () => {});
      let bytes = 0;
      const write = () => {
        if (bytes > 5e6 || endless.destroyed) return;
        bytes += 8192;
        endless.write('x'.repeat(8192), () => setImmediate(write));
      };
      write();
      expect([type, await within(5000, 'an answer', status)]).toEqual([type, 413]);
      await within(5000, 'the end', cut);
    };

    // The server gives each client two seconds to read the answer: both wait at the same time
    it('refuses bodies of every type that never end with 413', async () => {
      await boot({ maxMessageBytes: 20_000 });
      await Promise.all(TYPES.map(sendEndless));
      expect(site.room.heard).toEqual([]);
    });

    it.each(['text/plain', 'application/json'])(
      'refuses a body of %s that is announced as too long with 413, unread',
      async (type) => {
        await boot({ maxMessageBytes: 20_000 });
        const client = await connect('sse');
        const length = { 'content-length': '5000000' };
        const headers = { 'x-realtime-token': client.token, 'content-type': type, ...length };
        const long = httpRequest(site.url, { method: 'POST', headers });
        const status = new Promise<number>((resolve) => long.on('response', (answer) => resolve(answer.statusCode!)));
        long.on('error', () => {});
        long.flushHeaders();
        expect(await within(5000, 'an answer', status)).toBe(413);
        long.destroy();
      },
    );

    it('reads a body of JSON itself, whatever the bound of the parser of the application', async () => {
      await boot();
      const client = await connect('polling');
      const texts = Array.from({ length: 10 }, (_, i) => `${i}`.repeat(30_000));
      const json = { 'content-type': 'application/json' };
      expect((await ask('POST', client.token, json, JSON.stringify(texts))).status).toBe(204);
      for (const text of texts) expect(await client.next()).toBe(`echo ${text}`);
    });

    it.each(['text/plain', 'application/json'])(
      'accepts a body of %s that is as long as the setting allows',
      async (type) => {
        await boot({ maxMessageBytes: 3_000_000, maxBufferedBytes: 3_000_000 });
        const client = await connect('polling');
        const long = 'x'.repeat(2_000_000);
        const body = type === 'text/plain' ? long : JSON.stringify([long]);
        expect((await ask('POST', client.token, { 'content-type': type }, body)).status).toBe(204);
        expect(await client.next()).toBe(`echo ${long}`);
      },
    );

    it.each(['text/plain', 'application/json'])(
      'refuses a body of %s that does not arrive in time with 408',
      async (type) => {
        await boot({ messageTimeout: 0.2 });
        const client = await connect('sse');
        const headers = { 'x-realtime-token': client.token, 'content-type': type, 'content-length': '1000' };
        const slow = httpRequest(site.url, { method: 'POST', headers });
        slow.on('error', () => {});
        const status = new Promise<number>((resolve) => slow.on('response', (answer) => resolve(answer.statusCode!)));
        slow.write('[');
        expect(await within(5000, 'an answer', status)).toBe(408);
        expect((await apps.counted()).limits.messageTime).toBe(1);
        slow.destroy();
      },
    );

    it('refuses a compressed body with 415', async () => {
      await boot();
      const client = await connect('sse');
      const headers = { 'content-type': 'text/plain', 'content-encoding': 'gzip' };
      expect((await ask('POST', client.token, headers, gzipSync('x'))).status).toBe(415);
      expect(site.room.heard).toEqual([]);
    });

    it("passes the bodies of requests that are not the transport's to their routes unchanged", async () => {
      await boot({ maxMessageBytes: 1000 });
      const body = JSON.stringify({ a: 'x'.repeat(20_000) });
      for (const headers of [{}, { 'x-realtime-token': 'unknown' }] as Record<string, string>[]) {
        const all = { 'content-type': 'application/json', ...headers };
        const answer = await fetch(`${site.app.url}/mirror`, { method: 'POST', headers: all, body });
        expect(await answer.json()).toEqual({ length: String(body.length), body: JSON.parse(body) });
      }
    });

    it('refuses a body longer than a message may be with 413, and counts it', async () => {
      await boot({ maxMessageBytes: 1000 });
      const client = await connect('polling');
      expect((await ask('POST', client.token, {}, 'x'.repeat(1000))).status).toBe(204);
      expect((await ask('POST', client.token, {}, 'x'.repeat(1001))).status).toBe(413);
      const batch = JSON.stringify(['ok', 'x'.repeat(1001)]);
      expect((await ask('POST', client.token, { 'content-type': 'application/json' }, batch)).status).toBe(413);
      expect(site.room.heard).toEqual(['x'.repeat(1000)]);
      expect((await apps.counted()).limits.messageBytes).toBe(2);
    });

    it.each([
      ['multipart/form-data; boundary=x', '--x\r\ncontent-disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n'],
      ['application/x-www-form-urlencoded', 'a=b'],
      ['application/octet-stream', 'bytes'],
      ['text/html', '<p>'],
    ])('refuses a body of the type %s with 415', async (type, body) => {
      await boot();
      const client = await connect('sse');
      expect((await ask('POST', client.token, { 'content-type': type }, body)).status).toBe(415);
      expect(site.room.heard).toEqual([]);
    });

    it.each(['[1]', '[null]', '[{"text":"x"}]', '[', '[["nested"]]'])(
      'refuses the body %s, which is not a batch, with 400',
      async (body) => {
        await boot();
        const client = await connect('sse');
        expect((await ask('POST', client.token, { 'content-type': 'application/json' }, body)).status).toBe(400);
        expect(site.room.heard).toEqual([]);
      },
    );

    it('ignores a body that breaks off, and logs no fault of the application', async () => {
      await boot();
      const client = await connect('sse');
      const headers = { 'x-realtime-token': client.token, 'content-type': 'text/plain', 'content-length': '1000' };
      const broken = httpRequest(site.url, { method: 'POST', headers }).on('error', () => {});
      broken.write('the beginning');
      await until(
        'the request',
        () => site.seen.requests.length,
        (count) => count === 2,
      );
      broken.destroy();
      await client.send('whole');
      expect(await client.next()).toBe('echo whole');
      expect(site.room.heard).toEqual(['whole']);
      if (platform === 'express') expect(lines.all.filter((line) => /abort|ECONNRESET/i.test(line))).toEqual([]);
    });
  });

  describe('a refusal of a further request', () => {
    const refused = () => lines.all.filter((line) => line.includes('connection refused'));

    it('counts and logs every refused request, and warns only of a 403', async () => {
      await boot({ maxMessageBytes: 1000 });
      const client = await connect('polling', { authorization: 'Bearer ann' });
      const ann = { authorization: 'Bearer ann' };
      const answers = [
        await ask('POST', client.token, {}, 'stolen'),
        await poll(client.token),
        await ask('POST', client.token, { ...ann, 'x-want': 'guard-refuses' }, 'no'),
        await ask('POST', client.token, { ...ann, origin: 'https://evil.example' }, 'no'),
        await ask('POST', client.token, ann, 'x'.repeat(1001)),
        await ask('POST', client.token, { ...ann, 'content-type': 'application/json' }, '[1]'),
        await ask('POST', 'unknown', ann, 'no'),
        await resume(client.token, ann),
      ];
      const expected = [403, 403, 403, 403, 413, 400, 404, 400];
      expect(answers.map(({ status }) => status)).toEqual(expected);
      expect((await apps.counted()).refused).toBe(expected.length);
      expect(refused().map((line) => Number(/status=(\d+)/.exec(line)![1]))).toEqual(expected);
      expect(lines.warnings.filter((line) => refused().includes(line))).toHaveLength(4);
      for (const line of refused()) expect(line).toMatch(/path=\/ws ip=127\.0\.0\.1 reason="/);
    });

    it('does not count a request with a wrong body, or to an ended connection, as a failed handshake', async () => {
      await boot({ maxFailedHandshakes: 3, maxMessageBytes: 1000 });
      const client = await connect('sse');
      for (let i = 0; i < 5; i++) {
        expect((await ask('POST', 'gone', {}, 'x')).status).toBe(404);
        expect((await ask('DELETE', 'gone')).status).toBe(404);
        expect((await ask('POST', client.token, {}, 'x'.repeat(1001))).status).toBe(413);
        expect((await ask('POST', client.token, { 'content-type': 'text/html' }, 'x')).status).toBe(415);
        expect((await ask('POST', client.token, { 'content-type': 'application/json' }, '[1]')).status).toBe(400);
      }
      expect((await connect('polling')).id).not.toBe('');
      expect((await apps.counted()).limits.failedHandshakes).toBe(0);
    });

    it('counts a stolen token as a failed handshake: the thief opens nothing more and does not fill the log', async () => {
      await boot({ maxFailedHandshakes: 3 });
      const ann = { authorization: 'Bearer ann' };
      const client = await connect('polling', ann);
      for (let i = 0; i < 10; i++) expect((await ask('POST', client.token, {}, 'x')).status).toBe(403);
      await expect(connect('sse')).rejects.toMatchObject({ status: 429 });
      await expect(connect('polling')).rejects.toMatchObject({ status: 429 });
      expect(lines.warnings.filter((line) => line.includes('connection refused status=403'))).toHaveLength(3);
      expect((await apps.counted()).refused).toBe(12);
      await client.send('still here');
      expect(await client.next()).toBe('echo still here');
    });

    it("counts failed requests against the client's address where the application trusts the proxy", async () => {
      await boot({ maxFailedHandshakes: 3 }, [Login], TRUSTING[platform]);
      const from = (address: string) => ({ 'x-forwarded-for': address });
      const client = await connect('polling', { authorization: 'Bearer ann', ...from('203.0.113.1') });
      for (let i = 0; i < 4; i++) await ask('POST', client.token, from('203.0.113.2'), 'x');
      await expect(connect('sse', from('203.0.113.2'))).rejects.toMatchObject({ status: 429 });
      expect((await connect('sse', from('203.0.113.3'))).id).not.toBe('');
    });
  });

  describe('another site', () => {
    const evil = { origin: 'https://evil.example' };

    it.each(['text/plain', 'multipart/form-data; boundary=x', 'application/x-www-form-urlencoded'])(
      'refuses a form of %s from another site',
      async (type) => {
        await boot();
        const { cookie } = await login('ann');
        const client = await connect('sse', { cookie });
        // a form can neither read the token nor set its header; even with a token, origin and type are refused
        const form = await fetch(site.url, {
          method: 'POST',
          headers: { cookie, 'content-type': type, ...evil },
          body: 'x',
        });
        expect([404, 415]).toContain(form.status);
        expect((await ask('POST', client.token, { cookie, 'content-type': type, ...evil }, 'x')).status).not.toBe(204);
        expect(site.room.heard).toEqual([]);
        expect(form.headers.get('access-control-allow-origin')).toBeNull();
      },
    );

    it('sends no CORS header to another site, whatever it asks for, and counts each refusal', async () => {
      await boot({ allowedOrigins: ['https://app.example.com'] });
      const client = await connect('polling');
      const preflight = {
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'x-realtime-token',
      };
      const answers = [
        await resume('', evil),
        await poll(client.token, evil),
        await ask('POST', client.token, evil, 'x'),
        await ask('DELETE', client.token, evil),
        await ask('OPTIONS', client.token, { ...evil, ...preflight }),
      ];
      for (const { status, headers } of answers) {
        expect(status).toBe(403);
        for (const [name] of headers) expect(name).not.toMatch(/^access-control/);
      }
      expect((await apps.counted()).refused).toBe(answers.length);
    });

    it('lets an allowed site read answers and refusals, with credentials', async () => {
      await boot({ allowedOrigins: ['https://app.example.com'] });
      const origin = { origin: 'https://app.example.com' };
      const client = await connect('polling', origin);
      const answers = [
        await poll('gone', origin),
        await ask('POST', client.token, origin, 'x'),
        await ask('POST', 'gone', origin, 'x'),
        await ask('POST', client.token, { ...origin, 'x-want': 'guard-refuses' }, 'x'),
        await fetch(`${site.url}?transport=polling`, { headers: { ...origin, 'x-want': 'guard-refuses' } }),
        await ask('DELETE', client.token, origin),
      ];
      expect(answers.map(({ status }) => status)).toEqual([200, 204, 404, 403, 403, 204]);
      for (const { headers } of answers) {
        expect(headers.get('access-control-allow-origin')).toBe('https://app.example.com');
        expect(headers.get('access-control-allow-credentials')).toBe('true');
        expect(headers.get('vary')).toContain('Origin');
      }
      const sse = await connect('sse', origin);
      expect(sse.id).not.toBe('');
    });

    it.each([
      ['POST', 'content-type,x-realtime-token'],
      ['DELETE', 'X-Realtime-Token'],
      ['GET', 'authorization'],
      ['GET', 'last-event-id,x-realtime-token'],
    ])('answers the preflight of an allowed site for %s with %s', async (method, names) => {
      await boot({ allowedOrigins: ['https://app.example.com'] });
      const headers = {
        origin: 'https://app.example.com',
        'access-control-request-method': method,
        'access-control-request-headers': names,
      };
      const answer = await fetch(site.url, { method: 'OPTIONS', headers });
      expect(answer.status).toBe(204);
      expect(answer.headers.get('access-control-allow-origin')).toBe('https://app.example.com');
      expect(answer.headers.get('access-control-allow-credentials')).toBe('true');
      expect(answer.headers.get('access-control-allow-methods')).toContain(method);
      expect(answer.headers.get('access-control-allow-headers')!.toLowerCase()).toContain(names.toLowerCase());
      expect(site.room.handshakes).toBe(0);
    });

    it("leaves the preflight of the application's own routes alone", async () => {
      await boot({ allowedOrigins: ['https://app.example.com'] });
      const headers = { origin: 'https://app.example.com', 'access-control-request-method': 'POST' };
      const answer = await fetch(site.url, { method: 'OPTIONS', headers });
      expect(answer.headers.get('access-control-allow-origin')).toBeNull();
    });
  });

  describe("the application's own routes on the gateway's path", () => {
    it.each(['POST', 'DELETE', 'OPTIONS'])(
      "lets the application's own route answer a %s without a token",
      async (method) => {
        await boot({}, [Login, OwnRoute]);
        const client = await connect('polling');
        const headers = { 'content-type': 'application/json' };
        const answer = await fetch(site.url, { method, headers, body: '{"a":1}' });
        expect([answer.status, await answer.json()]).toEqual([
          method === 'POST' ? 201 : 200,
          { own: method, body: { a: 1 } },
        ]);
        expect(site.room.heard).toEqual([]);
        if (method === 'POST') expect((await ask('POST', client.token, {}, 'mine')).status).toBe(204);
        if (method === 'DELETE') expect((await ask('DELETE', client.token)).status).toBe(204);
      },
    );

    it.each(['POST', 'DELETE', 'OPTIONS'])(
      'answers a %s without a token with 404 where the application has no route',
      async (method) => {
        await boot();
        const answer = await fetch(site.url, { method });
        expect(answer.status).toBe(404);
        expect(await answer.json()).toMatchObject({ message: `Cannot ${method} /ws` });
      },
    );

    it('fails at boot where a gateway and a GET route share a path', async () => {
      await expect(boot({}, [OwnGet])).rejects.toThrow('A gateway and a controller both answer /ws');
      await boot();
    });
  });

  it.each([
    ['?transport=polling&__proto__=1&constructor=x', {}],
    ['?transport=polling&transport=sse&position=0&position=7', {}],
    ['?transport[]=polling&transport=polling', {}],
    [`?transport=polling&x=${'x'.repeat(10_240)}`, {}],
    ['?transport=polling&%E0%A4%A', {}],
    ['', { ...SSE, 'last-event-id': 'x'.repeat(10_240) }],
    ['', { ...SSE, 'last-event-id': '__proto__.0' }],
    ['', { ...SSE, 'last-event-id': `${'a'.repeat(32)}.99999999999999999999999` }],
    ['?transport=polling&position=-1', { 'x-realtime-token': '__proto__' }],
    ['', { ...SSE, 'x-realtime-token': 'x'.repeat(10_240) }],
  ] as [string, Record<string, string>][])(
    'opens an ordinary connection for hostile query and headers, row %#',
    async (query, headers) => {
      await boot();
      const aborter = new AbortController();
      const answer = await fetch(site.url + query, { headers, signal: aborter.signal });
      expect(answer.status).toBe(200);
      expect(site.room.connections).toHaveLength(1);
      expect(({} as Record<string, unknown>)['1']).toBeUndefined();
      aborter.abort();
    },
  );

  it.each([-1, 1.5, 'x', '1e400', 99])('opens a new connection for the impossible position %s', async (position) => {
    await boot();
    const client = await connect('polling');
    const answer = await poll(client.token, {}, position as number);
    const batch = (await answer.json()) as { token: string };
    expect(batch.token).toMatch(/^[\w-]{44}$/);
    expect(batch.token).not.toBe(client.token);
    expect(await site.room.closed()).toMatchObject({ code: 1006 });
  });

  it('answers a bomb of headers with 431 and keeps working', async () => {
    await boot();
    const headers = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`x-bomb-${i}`, 'x'.repeat(100)]));
    const answer = await fetch(site.url, { headers: { ...SSE, ...headers } });
    expect(answer.status).toBe(431);
    await connect('sse');
    expect(site.room.handshakes).toBe(1);
  });

  describe('a flood', () => {
    it('answers a flood with 429 while the hooks are behind, and delivers every message that it took', async () => {
      await boot({ maxQueuedMessages: 4 });
      const client = await connect('polling');
      let go!: () => void;
      site.room.block = new Promise((resolve) => (go = resolve));
      const statuses: number[] = [];
      for (let i = 0; i < 20; i++) statuses.push((await ask('POST', client.token, {}, `m${i}`)).status);
      const taken = statuses.filter((status) => status === 204).length;
      expect(taken).toBe(5);
      expect(statuses).toEqual([...Array<number>(taken).fill(204), ...Array<number>(20 - taken).fill(429)]);
      expect((await ask('POST', client.token, {}, 'x')).headers.get('retry-after')).toBe('1');
      go();
      for (let i = 0; i < taken; i++) expect(await client.next()).toBe(`echo m${i}`);
      expect((await ask('POST', client.token, {}, 'again')).status).toBe(204);
      expect(await client.next()).toBe('echo again');
    });

    it('refuses a batch of too many messages with 413', async () => {
      await boot({ maxQueuedMessages: 10 });
      const client = await connect('sse');
      const batch = (count: number) => JSON.stringify(Array.from({ length: count }, (_, i) => `m${i}`));
      const json = { 'content-type': 'application/json' };
      expect((await ask('POST', client.token, json, batch(11))).status).toBe(413);
      expect(site.room.heard).toEqual([]);
      expect((await ask('POST', client.token, json, batch(10))).status).toBe(204);
      for (let i = 0; i < 10; i++) expect(await client.next()).toBe(`echo m${i}`);
      expect((await apps.counted()).limits.queuedMessages).toBeGreaterThanOrEqual(1);
    });

    it('closes a connection above the message rate with 4002 where that is the policy', async () => {
      await boot({ maxMessageRate: 5, rateLimit: 'close' });
      const client = await connect('polling');
      const json = { 'content-type': 'application/json' };
      await ask('POST', client.token, json, JSON.stringify(Array.from({ length: 20 }, () => 'x')));
      expect(await client.closed()).toMatchObject({ code: 4002 });
      expect(await site.room.closed()).toMatchObject({ code: 4002, initiator: 'limit' });
      expect((await ask('POST', client.token, {}, 'more')).status).toBe(404);
    });

    it('bounds the connections of an address as for WebSockets', async () => {
      await boot({ maxConnectionsPerAddress: 2 });
      await connect('sse');
      await connect('polling');
      await expect(connect('sse')).rejects.toMatchObject({ status: 429 });
      await expect(connect('polling')).rejects.toMatchObject({ status: 429 });
    });
  });
});
