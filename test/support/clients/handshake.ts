/** Helpers of the handshake tests: start an application, get a refusal as a value, count objects still in memory. */
import { get, type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import v8 from 'node:v8';
import vm from 'node:vm';
import type { INestApplication, ModuleMetadata } from '@nestjs/common';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { RealtimeModule, type RealtimeOptions } from 'nestjs-realtime';
import { randomBytes } from '../random.js';
import { createTestApp, type Refusal, type TestApp } from 'nestjs-realtime/testing';

/** The application under test: module metadata and settings of the module. */
export interface AppParts extends ModuleMetadata {
  readonly options?: RealtimeOptions;
  /** What `main.ts` would do with the application before it listens. */
  readonly configure?: (app: INestApplication) => void | Promise<void>;
}

/** Starts an application that imports the module, on a free port. */
export async function startApp(adapter: AbstractHttpAdapter, parts: AppParts): Promise<TestApp> {
  const { options, configure, imports = [], ...metadata } = parts;
  const moduleRef = await Test.createTestingModule({
    imports: [RealtimeModule.forRoot({ envFile: false, ...options }), ...imports],
    ...metadata,
  }).compile();
  return createTestApp(moduleRef, { adapter, configure });
}

/** Waits for an attempt to be refused. @throws Error when it is not */
export async function refusalOf(attempt: Promise<unknown>): Promise<Refusal> {
  try {
    await attempt;
  } catch (error) {
    return error as Refusal;
  }
  throw new Error('The handshake was admitted');
}

/** Port of an application under test, for clients on a bare socket. */
export function portOf({ url }: TestApp): number {
  return Number(new URL(url).port);
}

v8.setFlagsFromString('--expose-gc');
const collectGarbage = vm.runInNewContext('gc') as () => void;

/** Collects garbage until none of these objects is in memory, or gives up. @returns how many are left */
export async function survivors(refs: readonly WeakRef<object>[]): Promise<number> {
  // Longer than a second: so long Node's clock for `Date` headers keeps the context of the answer that started it
  for (let attempt = 0; attempt < 150; attempt++) {
    await sleep(10);
    collectGarbage();
    if (refs.every((ref) => ref.deref() === undefined)) return 0;
  }
  return refs.filter((ref) => ref.deref() !== undefined).length;
}

/**
 * Offers subprotocols with a bare upgrade request, as a client does that accepts any answer.
 *
 * @param url `http:` or `ws:`
 * @returns the status and the agreed subprotocol, which is undefined where the 101 has none
 */
export function offer(url: string, protocols?: string): Promise<{ status: number; protocol: string | undefined }> {
  const headers = {
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
    ...(protocols === undefined ? {} : { 'Sec-WebSocket-Protocol': protocols }),
  };
  return new Promise((resolve, reject) => {
    const request = get(url.replace(/^ws/, 'http'), { headers });
    const answered = (response: IncomingMessage) => {
      response.destroy();
      resolve({ status: response.statusCode!, protocol: response.headers['sec-websocket-protocol'] });
    };
    request.on('upgrade', answered).on('response', answered).on('error', reject);
  });
}
