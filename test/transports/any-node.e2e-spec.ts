/** The contract of the transports, where each request of a connection goes to one of three nodes, or workers, at random. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RealtimeOptions } from 'nestjs-realtime';
import type { TestApp } from 'nestjs-realtime/testing';
import { transportContract, type TransportCase } from '../contracts/transport.contract.js';
import { PollingClient, SseClient } from '../support/clients/request-clients.js';
import { PLATFORMS } from '../support/platforms.js';
import { random } from '../support/random.js';
import { RedisProcess } from '../support/redis.js';

let redis: RedisProcess;
const folder = mkdtempSync(join(tmpdir(), 'any-'));
let clusters = 0;
/** The nodes of an application by the first of them, which has the connections. */
const nodes = new WeakMap<TestApp, readonly TestApp[]>();

beforeAll(async () => {
  redis = await RedisProcess.start();
});
afterAll(async () => {
  await redis.stop();
  rmSync(folder, { recursive: true });
});

type Start = (options?: RealtimeOptions) => Promise<TestApp>;

const overRedis = (start: Start) => three(start, { redisUrl: redis.url });
const overWorkers = (start: Start) => three(start, { broker: 'workers', workersFolder: join(folder, `${clusters}`) });

async function three(start: Start, broker: RealtimeOptions): Promise<TestApp> {
  const options = { ...broker, app: `any-${process.pid}-${++clusters}` };
  const all = await Promise.all([start(options), start(options), start(options)]);
  const [first] = all;
  const closes = all.map((app) => app.close.bind(app));
  first.close = async () => void (await Promise.all(closes.map((close) => close())));
  nodes.set(first, all);
  return first;
}

/** The first request goes to the first node, each other one to any. */
function spread(app: TestApp, path: string): () => string {
  const all = nodes.get(app)!;
  let next = 0;
  return () => {
    const at = next;
    next = Math.floor(random() * all.length);
    return all[at]!.url + path;
  };
}

const sse = (accompany: TransportCase['accompany'], among: string): TransportCase => ({
  ...{ transport: 'sse', accompany, among },
  connect: async (app, path, headers) => {
    const client = await SseClient.connect(spread(app, path), headers);
    // From here on the stream is relayed, two times out of three
    client.vanish();
    await client.open();
    return client;
  },
});

const polling = (accompany: TransportCase['accompany'], among: string): TransportCase => ({
  ...{ transport: 'polling', accompany, among },
  connect: (app, path, headers) => PollingClient.connect(spread(app, path), headers),
});

for (const platform of PLATFORMS) {
  for (const transport of [sse, polling]) transportContract(transport(overRedis, 'three nodes'), platform);
}
// What differs is below the transports and the platforms
transportContract(sse(overWorkers, 'three workers'), PLATFORMS[0]!);
transportContract(polling(overWorkers, 'three workers'), PLATFORMS[1]!);
