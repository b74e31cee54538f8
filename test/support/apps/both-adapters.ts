/** The same application on Nest's WsAdapter and on this module, and the frames that a client receives from each. */
import type { INestApplication, ModuleMetadata } from '@nestjs/common';
import { WsAdapter } from '@nestjs/platform-ws';
import { Test } from '@nestjs/testing';
import { RealtimeAdapter, RealtimeModule, type RealtimeOptions } from 'nestjs-realtime';
import { createTestApp, type TestApp, type TestClient } from 'nestjs-realtime/testing';

export type AdapterName = 'WsAdapter' | 'ours';

export const ADAPTERS: readonly AdapterName[] = ['WsAdapter', 'ours'];

type MessageParser = Parameters<WsAdapter['setMessageParser']>[0];

export interface AppOptions {
  /** Settings of this module; without effect on WsAdapter. */
  readonly realtime?: RealtimeOptions;
  /** Configures the application as `main.ts` would. */
  readonly configure?: (app: INestApplication) => void;
  readonly messageParser?: MessageParser;
}

/** Starts an application whose gateways run on one of the two adapters. */
export async function bootOn(
  name: AdapterName,
  metadata: ModuleMetadata,
  { realtime, configure, messageParser }: AppOptions = {},
): Promise<TestApp> {
  const { imports = [], ...own } = metadata;
  const modules =
    name === 'ours' ? [RealtimeModule.forRoot({ envFile: false, ...realtime }), ...imports] : [...imports];
  const moduleRef = await Test.createTestingModule({ ...own, imports: modules }).compile();
  return createTestApp(moduleRef, {
    configure: (app) => {
      const adapter = name === 'ours' ? app.get(RealtimeAdapter) : new WsAdapter(app);
      if (messageParser) adapter.setMessageParser(messageParser);
      if (name === 'WsAdapter') app.useWebSocketAdapter(adapter);
      configure?.(app);
    },
  });
}

/** @returns every frame before the envelope `{ event: 'marker', data: marker }`; text is parsed as JSON */
export async function framesUntil(client: TestClient, marker: unknown): Promise<unknown[]> {
  const frames: unknown[] = [];
  for (;;) {
    const frame = await client.next();
    const value: unknown = typeof frame === 'string' ? JSON.parse(frame) : [...frame];
    if ((value as { event?: string } | null)?.event === 'marker' && (value as { data: unknown }).data === marker) {
      return frames;
    }
    frames.push(value);
  }
}

/**
 * Sends messages and then three markers, each after the answer to the one before, because one reply of WsAdapter may
 * overtake another. The gateway has to answer the event `marker` with its data.
 *
 * @returns every frame but the markers
 */
export async function ask(client: TestClient, ...messages: (string | Uint8Array | object)[]): Promise<unknown[]> {
  for (const message of messages) client.send(message);
  const frames: unknown[] = [];
  for (const marker of [1, 2, 3]) {
    client.send({ event: 'marker', data: marker });
    frames.push(...(await framesUntil(client, marker)));
  }
  return frames;
}

/** Connects a client with headers of its own. */
export function connectTo(app: TestApp, path = '/', headers?: Record<string, string>): Promise<TestClient> {
  return app.connect(path, headers && { headers });
}
