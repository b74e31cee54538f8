/** The behaviour that every transport shares: {websocket, sse, polling} × {Express, Fastify}. */
import { Test } from '@nestjs/testing';
import { RealtimeModule, type RealtimeOptions } from 'nestjs-realtime';
import { createTestApp, type TestApp } from 'nestjs-realtime/testing';
import { ContractGateway } from '../support/apps/contract-gateway.js';
import type { PlatformCase } from '../support/platforms.js';
import type { AnyClient, Ended } from '../support/clients/request-clients.js';

export interface TransportCase {
  readonly transport: string;
  connect(app: TestApp, path: string, headers?: Record<string, string>): Promise<AnyClient>;
  /** Starts what else serves the same clients. It ends with the application. Default: nothing. */
  accompany?(start: (options?: RealtimeOptions) => Promise<TestApp>): Promise<TestApp>;
  /** Among whom the requests are spread. Default: there is one node. */
  readonly among?: string;
}

export function transportContract(of: TransportCase, { platform, adapter }: PlatformCase): void {
  describe(`${of.transport}${of.among ? `, requests spread over ${of.among},` : ''} on ${platform}`, () => {
    let shared: TestApp;
    let app: TestApp;
    let gateway: ContractGateway;
    const clients: AnyClient[] = [];

    const startOne = async (options: RealtimeOptions = {}) => {
      const imports = [RealtimeModule.forRoot({ envFile: false, closeTimeout: 0.5, shutdownTimeout: 2, ...options })];
      const moduleRef = await Test.createTestingModule({ imports, providers: [ContractGateway] }).compile();
      return createTestApp(moduleRef, { adapter: adapter() });
    };
    const start = (options: RealtimeOptions = {}) => {
      const one = (more: RealtimeOptions = {}) => startOne({ ...more, ...options });
      return of.accompany ? of.accompany(one) : one();
    };
    /** Uses an application of its own for one test. */
    const boot = async (options?: RealtimeOptions) => {
      app = await start(options);
      gateway = app.app.get(ContractGateway);
    };
    let tests = 0;
    const open = async (headers?: Record<string, string>) => {
      const client = await of.connect(app, `/ws?${gateway.mark}`, headers);
      clients.push(client);
      return client;
    };
    const connect = async (headers?: Record<string, string>) => {
      const client = await open(headers);
      expect(await client.next()).toBe('welcome');
      return client;
    };

    beforeAll(async () => {
      shared = await start();
    });
    afterAll(() => shared.close());
    beforeEach(() => {
      app = shared;
      gateway = app.app.get(ContractGateway);
      gateway.reset(`test=${++tests};`);
    });
    afterEach(async () => {
      if (app !== shared) await app.close();
      for (const client of clients.splice(0)) client.vanish();
    });

    it('runs onOpen, handles messages in order, and runs onClose once when the client closes', async () => {
      await boot();
      const client = await connect();
      for (const text of ['1', '2', '3']) await client.send(text);
      for (const text of ['1', '2', '3']) expect(await client.next()).toBe(`echo ${text}`);
      await client.close();
      expect(await gateway.closeOf(0)).toMatchObject({ code: 1000, initiator: 'client' });
      expect(gateway.log).toEqual(['open', 'opened', 'message 1', 'message 2', 'message 3', 'close lobby false']);
      expect(await app.server.stats()).toMatchObject({ accepted: 1, current: 0, rooms: 0, users: 0 });
    });

    it('keeps messages until onOpen has settled', async () => {
      let release!: () => void;
      gateway.block = new Promise((resolve) => (release = resolve));
      const client = await open();
      await client.send('early');
      expect(gateway.log).toEqual(['open']);
      release();
      expect(await client.next()).toBe('welcome');
      expect(await client.next()).toBe('echo early');
    });

    it('closes a connection with the code and the reason of the server', async () => {
      const client = await connect();
      await client.send('close');
      expect(await client.closed()).toEqual({ code: 4321, reason: 'as you wish' });
      expect(await gateway.closeOf(0)).toMatchObject({
        code: 4321,
        reason: 'as you wish',
        initiator: 'server',
        wasClean: true,
      });
    });

    it('runs onClose once when the client vanishes', async () => {
      await boot({ graceTime: 0.25 });
      const client = await connect();
      client.vanish();
      expect(await gateway.closeOf(0)).toMatchObject({ code: 1006, initiator: 'client', wasClean: false });
      expect(gateway.closes).toHaveLength(1);
    });

    it('pushes to a room, to a user, and to everyone but one', async () => {
      const ann = await connect({ 'x-user': 'ann' });
      const bob = await connect({ 'x-user': 'bob' });
      await app.server.to('lobby').push('room');
      await app.server.toUser('bob').push('user');
      await app.server.toEveryone().except(gateway.connections[1]!.id).push('others');
      await app.server.toEveryone().push('last');
      expect([await ann.next(), await ann.next(), await ann.next()]).toEqual(['room', 'others', 'last']);
      expect([await bob.next(), await bob.next(), await bob.next()]).toEqual(['room', 'user', 'last']);
    });

    it('carries text of many lines, bytes and events both ways', async () => {
      const client = await connect();
      await client.send('two\nlines\r\nand ü 🎉');
      expect(String(await client.next()).replace(/\r\n?/g, '\n')).toBe('echo two\nlines\nand ü 🎉');
      await client.send(Buffer.from([0, 255, 10, 13]));
      expect(await client.next()).toEqual(Buffer.from([0, 255, 10, 13]));
      await client.send('pass on ü\nas it came');
      expect(await client.next()).toBe('pass on ü\nas it came');
      await client.send('emit');
      expect(JSON.parse(String(await client.next()))).toEqual({ event: 'named', data: { lines: 'a\nb' } });
    });

    it('delivers 3,000 messages completely and in order', async () => {
      const client = await connect();
      await client.send('flood 3000');
      for (let i = 0; i < 3000; i++) expect(await client.next()).toBe(`n${i}`);
    });

    it('reports a failing message to the client and handles the next one', async () => {
      const client = await connect();
      await client.send('throw');
      expect(JSON.parse(String(await client.next()))).toMatchObject({
        event: 'exception',
        data: { message: 'Internal server error' },
      });
      await client.send('on');
      expect(await client.next()).toBe('echo on');
    });

    it.each([
      ['a guard', 'guard-refuses', 403],
      ['onHandshake', 'hook-refuses', 403],
    ])('refuses a client that %s refuses, and a foreign origin', async (_, want, status) => {
      await expect(open({ 'x-want': want })).rejects.toMatchObject({ status });
      await expect(open({ origin: 'https://evil.example' })).rejects.toMatchObject({ status: 403 });
      expect(gateway.log).toEqual([]);
    });

    it('refuses one connection more than the setting allows', async () => {
      await boot({ maxConnections: 1 });
      await connect();
      await expect(open()).rejects.toMatchObject({ status: 503 });
    });

    it('disconnects a client for which too many bytes wait', async () => {
      await boot({ maxBufferedBytes: 200_000 });
      await connect();
      const [connection] = gateway.connections;
      let isTaken = true;
      for (let i = 0; i < 500 && isTaken; i++) isTaken = connection!.send('x'.repeat(50_000));
      expect(isTaken).toBe(false);
      expect(await gateway.closeOf(0)).toMatchObject({ code: 4001, initiator: 'limit' });
    });

    it('closes every connection with 1001 on shutdown and finishes the hooks', async () => {
      await boot();
      const client = await connect();
      const ended: Promise<Ended> = client.closed();
      await app.app.close();
      expect(await ended).toMatchObject({ code: 1001 });
      expect(gateway.closes).toMatchObject([{ code: 1001, initiator: 'shutdown' }]);
    });

    it('refuses a transport that is switched off', async () => {
      await boot({ transports: [of.transport === 'websocket' ? 'sse' : 'websocket'] });
      await expect(open()).rejects.toMatchObject({ status: of.transport === 'websocket' ? 400 : 426 });
    });
  });
}
