import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { AbstractHttpAdapter } from '@nestjs/core';
import type { INestApplication, LoggerService } from '@nestjs/common';
import type { TestingModule } from '@nestjs/testing';
import { RealtimeServer } from '../server.js';
import { type ConnectOptions, TestClient } from './test-client.js';

/** What `createTestApp` takes. */
export interface TestAppOptions {
  /** The platform; default Express. */
  readonly adapter?: AbstractHttpAdapter;
  /** Default `false`: no log. */
  readonly logger?: LoggerService | false;
  /** What `main.ts` does with the application before it listens. */
  readonly configure?: (app: INestApplication) => void | Promise<void>;
}

/** A running application on a free port. */
export class TestApp {
  private readonly clients: TestClient[] = [];

  constructor(
    /** The Nest application. */
    readonly app: INestApplication,
    /** For example `http://127.0.0.1:54321`. */
    readonly url: string,
  ) {}

  /** The application's `RealtimeServer`. */
  get server(): RealtimeServer {
    return this.app.get(RealtimeServer);
  }

  /**
   * Connects a client.
   *
   * @param path the gateway's path, with a query if wanted
   * @returns the client once the handshake is done
   * @throws Refusal with `status`, `headers` and `body`
   */
  async connect(path: string, options?: ConnectOptions): Promise<TestClient> {
    const client = await TestClient.connect(this.url.replace('http', 'ws') + path, options);
    this.clients.push(client);
    return client;
  }

  /** Closes the application as a shutdown does (clients see 1001), then what is left; leaves no handle. */
  async close(): Promise<void> {
    await this.app.close();
    for (const client of this.clients) client.vanish();
  }
}

/**
 * Starts a testing module's application on a free port of 127.0.0.1.
 *
 * @param moduleRef what `Test.createTestingModule({ … }).compile()` gave
 * @param options platform, logger and what `main.ts` would do
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
