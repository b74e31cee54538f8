/**
 * The way between a node and Redis is cut, slow, still or half-open while streams, polls and POSTs are relayed: nothing
 * hangs, nothing is lost, nothing arrives or is taken twice, and the connection stays.
 */
import { bootRoom, type RoomApp, stop } from '../support/apps/transport-app.js';
import { SseClient } from '../support/clients/request-clients.js';
import { TcpProxy } from '../support/clients/tcp-proxy.js';
import { PLATFORMS } from '../support/platforms.js';
import { until, within } from '../support/process-guard.js';
import { RedisProcess } from '../support/redis.js';

const QUICK = {
  ...{ announceInterval: 0.1, askTimeout: 0.5, brokerTimeout: 0.5, probeInterval: 0.4, closeTimeout: 0.05 },
  // As long as the owner may come back, a client keeps its connection
  ...{ nodeLostTime: 600, pollHold: 600, sseHold: 600 },
};

let redis: RedisProcess;
let proxies: { owner: TcpProxy; serving: TcpProxy };
let owner: RoomApp;
let serving: RoomApp;

beforeAll(async () => {
  redis = await RedisProcess.start();
  const [one, other] = [await TcpProxy.start(redis.port), await TcpProxy.start(redis.port)];
  proxies = { owner: one, serving: other };
  const boot = ({ port }: TcpProxy, index: number) =>
    bootRoom(
      { ...QUICK, redisUrl: `redis://127.0.0.1:${port}`, app: `relay-faults-${process.pid}` },
      {},
      { adapter: PLATFORMS[index]!.adapter() },
    );
  [owner, serving] = await Promise.all([boot(one, 0), boot(other, 1)]);
  for (const { app } of [owner, serving])
    await until(
      'the other node',
      () => app.server.nodes().length,
      (count) => count === 2,
    );
});
afterAll(async () => {
  for (const app of [owner, serving]) await stop(app);
  for (const proxy of Object.values(proxies)) await proxy.stop();
  await redis.stop();
});

/** The clients of a test: one that failed leaves none, which would ask again and again during the next ones. */
const clients = new Set<Steady>();
afterEach(() => {
  for (const client of clients) client.end();
  clients.clear();
});

/** A client that asks again until it gets an answer, as an EventSource and a polling client do. */
abstract class Steady {
  readonly heard: unknown[] = [];
  /** The ids of its connections. */
  readonly ids = new Set<string>();
  isStopped = false;
  breaks = 0;

  async run(): Promise<void> {
    clients.add(this);
    while (!this.isStopped) {
      await this.turn().catch(() => this.breaks++);
    }
  }

  /** Makes no more requests. */
  abstract end(): void;

  /** One request, to its end. Rejects when it fails. */
  protected abstract turn(): Promise<unknown>;
}

class SteadyStream extends Steady {
  private constructor(private readonly stream: SseClient) {
    super();
    // its end shows in what it has heard
    void this.listen().catch(() => {});
  }

  static async connect(): Promise<SteadyStream> {
    let { url } = owner;
    const stream = await SseClient.connect(() => url);
    url = serving.url;
    stream.vanish();
    await stream.over;
    return new SteadyStream(stream);
  }

  protected async turn(): Promise<void> {
    await within(10_000, 'a stream to open', this.stream.open());
    this.ids.add(this.stream.id);
    await this.stream.over;
    if (!this.isStopped) this.breaks++;
  }

  end(): void {
    this.isStopped = true;
    this.stream.vanish();
  }

  private async listen(): Promise<void> {
    for (;;) this.heard.push(await this.stream.next());
  }
}

class SteadyPolls extends Steady {
  token = '';
  private position = 0;
  private readonly aborter = new AbortController();

  static async connect(): Promise<SteadyPolls> {
    const polls = new SteadyPolls();
    await polls.poll(owner, {});
    return polls;
  }

  protected turn(): Promise<void> {
    return this.poll(serving, { 'x-realtime-token': this.token });
  }

  end(): void {
    this.isStopped = true;
    this.aborter.abort();
  }

  /** @returns the status, or 0 when there is no answer */
  async post(id: string): Promise<number> {
    const headers = { 'x-realtime-token': this.token, 'content-type': 'text/plain', 'x-realtime-message-id': id };
    const sent = fetch(serving.url, { method: 'POST', headers, body: id });
    return within(
      10_000,
      'the answer to a POST',
      sent.then(({ status }) => status),
    );
  }

  private async poll({ url }: RoomApp, headers: Record<string, string>): Promise<void> {
    const target = `${url}?transport=polling&position=${this.position}`;
    const response = await fetch(target, { headers, signal: this.aborter.signal });
    if (response.status !== 200) throw new Error(`refused with ${response.status}`);
    const batch = (await response.json()) as { id?: string; token?: string; position: number; messages: string[] };
    if (batch.id) this.ids.add(batch.id);
    this.token = batch.token ?? this.token;
    this.position = batch.position;
    this.heard.push(...batch.messages);
  }
}

const relays = async () =>
  Promise.all([owner, serving].map(async ({ app }) => (await app.server.stats()).broker.relays));
const relaysAre = (count: number) =>
  until(`${count} relays`, relays, (each) => each.every((relaysOf) => relaysOf === count));

type Side = 'owner' | 'serving';

/** Resolves when the node has noticed that Redis is away. */
const isAway = (side: Side) =>
  until(
    'the broker to be away',
    async () => (await { owner, serving }[side].app.server.stats()).broker.isDegraded,
    Boolean,
  );

interface Fault {
  readonly begin: (proxy: TcpProxy, side: Side) => unknown;
  readonly end: (proxy: TcpProxy) => unknown;
  /** Whether responses end because frames may have been lost. */
  readonly breaks: boolean;
}

const nothing = () => {};
const FAULTS: Record<string, Fault> = {
  cut: { begin: (proxy) => proxy.cut(), end: nothing, breaks: true },
  slow: { begin: (proxy) => proxy.delay(50), end: (proxy) => proxy.delay(0), breaks: false },
  still: { begin: (proxy, side) => [proxy.pause(), isAway(side)][1], end: (proxy) => proxy.resume(), breaks: true },
  'half-open': { begin: (proxy) => proxy.halfOpen(), end: nothing, breaks: true },
};

const ROWS = Object.keys(FAULTS).flatMap((fault) =>
  (['owner', 'serving'] as const).map((side) => [fault, side] as const),
);

it.each(ROWS)('The way to Redis is %s for the %s node', async (name, side) => {
  const { begin, end, breaks } = FAULTS[name]!;
  const proxy = proxies[side];
  const stream = await SteadyStream.connect();
  const polls = await SteadyPolls.connect();
  const [streaming, polling] = owner.room.connections.slice(-2);
  const runs = [stream.run(), polls.run()];
  await relaysAre(2);
  const before = owner.room.heard.length;

  await begin(proxy, side);
  const statuses = [await polls.post(name)];
  for (const connection of [streaming, polling]) connection!.send('meanwhile');
  await end(proxy);
  while (statuses.at(-1) === 503) statuses.push(await polls.post(name));
  expect(statuses.at(-1)).toBe(204);
  for (const connection of [streaming, polling]) connection!.send('after');
  await until(
    'all messages',
    () => [stream.heard, polls.heard],
    (all) => all.every((texts) => texts.includes('after')),
  );
  await until(
    'the echo',
    () => polls.heard,
    (texts) => texts.includes(`echo ${name}`),
  );

  expect(stream.heard).toEqual(['meanwhile', 'after']);
  expect([...polls.heard].sort()).toEqual(['after', `echo ${name}`, 'meanwhile']);
  expect(owner.room.heard.slice(before)).toEqual([name]);
  expect(new Set(statuses.slice(0, -1))).toEqual(new Set(statuses.length > 1 ? [503] : []));
  expect([stream.ids, polls.ids]).toEqual([new Set([streaming!.id]), new Set([polling!.id])]);
  expect([stream.breaks > 0, polls.breaks > 0]).toEqual([breaks, breaks]);
  for (const client of clients) client.end();
  await Promise.all(runs);
  await relaysAre(0);
});
