/** The polling loop of docs/transports.md works as it is written there, and streams work behind compression. */
import { readFileSync } from 'node:fs';
import fastifyCompress from '@fastify/compress';
import type { INestApplication } from '@nestjs/common';
import compression from 'compression';
import { PLATFORMS } from '../support/platforms.js';
import { until, within } from '../support/process-guard.js';
import { SseClient } from '../support/clients/request-clients.js';
import { bootRoom, type RoomApp, stop } from '../support/apps/transport-app.js';

const docs = readFileSync(new URL('../../docs/transports.md', import.meta.url), 'utf8');
const [, loop = ''] = /## Long polling\n\n```js\n([^]+?)```/.exec(docs) ?? [];

describe.each(PLATFORMS)('on $platform', ({ platform, adapter }) => {
  let site: RoomApp;

  afterEach(() => stop(site));

  it('the documented polling loop gets every message once, drops a refused token and stops when its connection ends', async () => {
    site = await bootRoom({ pollHold: 0.2, graceTime: 5, closeTimeout: 0.3 }, {}, { adapter: adapter() });
    const heard: unknown[] = [];
    let user = 'ann';
    const ask = (path: string, { headers }: { headers: Record<string, string> }) =>
      fetch(site.app.url + path, { headers: { ...headers, authorization: `Bearer ${user}` } });
    const log = (message: unknown) => void heard.push(message);
    const run = new Function('fetch', 'console', `return (async () => {${loop}})()`) as (
      fetch: unknown,
      console: unknown,
    ) => Promise<void>;
    const ended = run(ask, { log });
    const connections = (count: number) =>
      until(
        'the connection',
        () => site.room.connections,
        ({ length }) => length === count,
      );
    await connections(1);
    for (const text of ['a', 'b', 'c']) await site.app.server.toEveryone().push(text);
    await until(
      'the messages',
      () => heard,
      ({ length }) => length === 3,
    );
    user = 'bob';
    const [ann, bob] = await connections(2);
    bob!.send('hello bob');
    bob!.close(4500, 'bye');
    await within(5000, 'the end of the loop', ended);
    expect(heard).toEqual(['a', 'b', 'c', 'hello bob']);
    ann!.terminate();
  });

  it('compression does not hold back a stream of server-sent events', async () => {
    const configure = async (app: INestApplication) => {
      if (platform === 'express') app.use(compression({ threshold: 0 }));
      else {
        const fastify = app.getHttpAdapter().getInstance() as { register(plugin: unknown, options: object): unknown };
        await fastify.register(fastifyCompress, { threshold: 0 });
      }
    };
    site = await bootRoom({ graceTime: 0.2, closeTimeout: 0.2 }, {}, { adapter: adapter(), configure });
    const headers = { 'accept-encoding': 'gzip, deflate, br' };
    const compressed = await fetch(`${site.url}?transport=polling`, { headers });
    expect(compressed.headers.get('content-encoding')).not.toBeNull();
    await compressed.text();
    const client = await within(3000, 'the first event', SseClient.connect(site.url, headers));
    site.room.connections[1]!.send('at once');
    expect(await within(3000, 'a message', client.next())).toBe('at once');
    client.vanish();
  });
});
