import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { AbstractHttpAdapter } from '@nestjs/core';
import type { INestApplication, LoggerService } from '@nestjs/common';
import type { TestingModule } from '@nestjs/testing';
import { Engine } from '../engine.js';
import { RealtimeServer } from '../server.js';
import { type LibraryClient, type LibraryConnect, openClient } from './library-client.js';
import { type ConnectOptions, type ServerSide, TestClient } from './test-client.js';
import { until, type UntilOptions } from './waiting.js';

/** The options of `createTestApp`. */
export interface TestAppOptions {
  /** The platform; default Express. */
  readonly adapter?: AbstractHttpAdapter;
  /** The logger; default `false`, which logs nothing. */
  readonly logger?: LoggerService | false;
  /** Does what `main.ts` does with the application before it listens. */
  readonly configure?: (app: INestApplication) => void | Promise<void>;
}

/** A running application on a free port. */
export class TestApp {
  private readonly clients: TestClient[] = [];
  private readonly libraryClients: LibraryClient[] = [];
  /** The clients that were let in, by the port from which they came. */
  private readonly admitted = new Map<number | undefined, ServerSide>();

  constructor(
    /** The Nest application. */
    readonly app: INestApplication,
    /** Its address, for example `http://127.0.0.1:54321`. */
    readonly url: string,
  ) {
    const engine = engineOf(app);
    if (!engine) return;
    engine.onAdmitted = ({ id, place, request }) => {
      const isForgotten = () => engine.hasForgotten({ id, place });
      this.admitted.set(request.incoming.socket.remotePort, { id, isForgotten });
    };
  }

  /** The application's `RealtimeServer`. */
  get server(): RealtimeServer {
    return this.app.get(RealtimeServer);
  }

  /**
   * Connects a client.
   *
   * @param path the gateway's path, and a query if one is needed
   * @param options the transport, request headers, subprotocols, and how long its calls wait
   * @returns the client once the handshake is done
   * @throws Refusal with `status`, `headers` and `body`
   * @example const phone = await app.connect('/orders', { transport: 'polling' });
   */
  async connect(path: string, options?: ConnectOptions): Promise<TestClient> {
    const client = await TestClient.connect(this.url + path, options);
    client.know((port) => this.admitted.get(port));
    this.clients.push(client);
    return client;
  }

  /**
   * Connects the application's own client: that of `nestjs-realtime-client`, typed by its contract. It comes back as it
   * does in production, and is closed with the application.
   *
   * @param connect the function of `nestjs-realtime-client`, with the contract: `connect<Chat>`
   * @param path the gateway's path, and a query if one is needed
   * @param options those of `connect`, for example `token` and `transports`
   * @param wait `timeoutMs`: the longest that it waits, in milliseconds; default 5000
   * @returns the client when it is open
   * @throws Error when the server refuses it for good, or it is not open in time; it says why
   * @example
   * const ann = await app.connectClient(connect<Chat>, '/ws', { token: 'of ann' });
   * expect(await ann.request('history', { n: 20 })).toEqual([]);
   */
  connectClient<C extends LibraryClient, O extends object>(
    connect: LibraryConnect<C, O>,
    path: string,
    options?: O,
    { timeoutMs }: UntilOptions = {},
  ): Promise<C> {
    return openClient(this.libraryClients, connect, this.url + path, options, timeoutMs);
  }

  /**
   * Waits until a value of the server is as expected. It looks again after each turn of the event loop in which something
   * happened, so a test needs no sleep.
   *
   * @param look returns the value, or a promise of it; an error that it throws counts as "not yet"
   * @param expected the value, compared deeply, or a condition; default: anything that is truthy
   * @param options `timeoutMs`: the longest that it waits, in milliseconds; default 5000
   * @returns the value
   * @throws Error at the deadline, with the last values that were seen instead
   * @example await app.until(() => app.server.to('orders').count(), 2);
   */
  until<T>(
    look: () => T | Promise<T>,
    expected?: NoInfer<T> | ((value: T) => boolean),
    options?: UntilOptions,
  ): Promise<T> {
    return until(look, expected, options);
  }

  /**
   * Closes the application as a shutdown does (clients see 1001), then the clients that are left. No handle stays open.
   */
  async close(): Promise<void> {
    await this.app.close();
    for (const client of this.clients) client.vanish();
    // They would come back for ever
    for (const client of this.libraryClients) client.close();
  }
}

/** @returns undefined for an application without RealtimeModule */
function engineOf(app: INestApplication): Engine | undefined {
  try {
    return app.get(Engine);
  } catch {
    return undefined;
  }
}

/**
 * Starts a testing module's application on a free port of 127.0.0.1.
 *
 * @param moduleRef the result of `Test.createTestingModule({ … }).compile()`
 * @param options the platform, the logger, and the setup that `main.ts` would do
 * @example
 * const app = await createTestApp(await Test.createTestingModule({ imports: [AppModule] }).compile());
 * const ann = await app.connect('/ws');
 * ann.send('hello');
 * expect(await ann.next()).toBe('hello');
 * await app.close();
 */
export async function createTestApp(moduleRef: TestingModule, options: TestAppOptions = {}): Promise<TestApp> {
  const { adapter, logger = false, configure } = options;
  const app = adapter
    ? moduleRef.createNestApplication(adapter, { logger })
    : moduleRef.createNestApplication({ logger });
  await configure?.(app);
  await app.listen(0, '127.0.0.1');
  const { port } = (app.getHttpServer() as Server).address() as AddressInfo;
  return new TestApp(app, `http://127.0.0.1:${port}`);
}
