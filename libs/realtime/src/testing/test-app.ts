import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { AbstractHttpAdapter } from '@nestjs/core';
import type { INestApplication, LoggerService } from '@nestjs/common';
import type { TestingModule } from '@nestjs/testing';
import { RealtimeServer } from '../server.js';
import { type ConnectOptions, TestClient } from './test-client.js';

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

  constructor(
    /** The Nest application. */
    readonly app: INestApplication,
    /** Its address, for example `http://127.0.0.1:54321`. */
    readonly url: string,
  ) {}

  /** The application's `RealtimeServer`. */
  get server(): RealtimeServer {
    return this.app.get(RealtimeServer);
  }

  /**
   * Connects a client.
   *
   * @param path the gateway's path, and a query if one is needed
   * @returns the client once the handshake is done
   * @throws Refusal with `status`, `headers` and `body`
   */
  async connect(path: string, options?: ConnectOptions): Promise<TestClient> {
    const client = await TestClient.connect(this.url.replace('http', 'ws') + path, options);
    this.clients.push(client);
    return client;
  }

  /**
   * Closes the application as a shutdown does (clients see 1001), then the clients that are left. No handle stays open.
   */
  async close(): Promise<void> {
    await this.app.close();
    for (const client of this.clients) client.vanish();
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
