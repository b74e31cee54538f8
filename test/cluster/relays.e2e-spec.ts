/** Clients of SSE and polling whose requests reach another node than their connection's, while nodes and Redis fail. */
import { ClusterApp } from '../support/apps/cluster-app.js';
import { SseClient } from '../support/clients/request-clients.js';
import { until, within } from '../support/process-guard.js';
import { RedisProcess } from '../support/redis.js';

/** A twentieth of the defaults: a node is lost after 0.3 s. */
const QUICK = {
  ...{ REALTIME_ANNOUNCE_INTERVAL: '0.1', REALTIME_NODE_LOST_TIME: '0.3', REALTIME_ASK_TIMEOUT: '0.5' },
  ...{ REALTIME_BROKER_TIMEOUT: '0.5', REALTIME_PROBE_INTERVAL: '2', REALTIME_POLL_HOLD: '20' },
};

interface Batch {
  readonly id?: string;
  readonly token?: string;
  readonly position: number;
  readonly messages: readonly string[];
}

const urlOf = ({ port }: ClusterApp) => `http://127.0.0.1:${port}/ws?room=lobby`;

/** A polling client that is driven by hand. */
class Poller {
  token = '';
  id = '';
  position = 0;

  static async connect(app: ClusterApp): Promise<Poller> {
    const poller = new Poller();
    await poller.poll(app);
    return poller;
  }

  /** @returns the status, or `cut` when the response did not come as a whole; and the messages */
  async poll(app: ClusterApp): Promise<readonly [status: number | 'cut', messages: readonly string[]]> {
    const headers: Record<string, string> = this.token ? { 'x-realtime-token': this.token } : {};
    try {
      const url = `${urlOf(app)}&transport=polling&position=${this.position}`;
      const response = await within(10_000, 'the answer to a poll', fetch(url, { headers }));
      if (response.status !== 200) return [response.status, []];
      const batch = (await response.json()) as Batch;
      if (batch.token) [this.token, this.id] = [batch.token, batch.id!];
      this.position = batch.position;
      return [200, batch.messages];
    } catch {
      return ['cut', []];
    }
  }

  async post(app: ClusterApp, text: string, id: string): Promise<Response> {
    const headers = { 'x-realtime-token': this.token, 'content-type': 'text/plain', 'x-realtime-message-id': id };
    return within(10_000, 'the answer to a POST', fetch(urlOf(app), { method: 'POST', headers, body: text }));
  }
}

let redis: RedisProcess;
let apps: ClusterApp[];
let count = 0;
let stream: SseClient;
let streamAt: ClusterApp;
let poller: Poller;
let poster: Poller;
let held: ReturnType<Poller['poll']>;

/** The owner of all connections, the node that serves their requests, and others. */
async function start(size: number): Promise<ClusterApp[]> {
  const env = { ...QUICK, REALTIME_REDIS_URL: redis.url, REALTIME_APP: `relays-${process.pid}-${++count}` };
  apps = await Promise.all(Array.from({ length: size }, () => ClusterApp.start(env)));
  for (const app of apps) await knows(app, size);
  const [owner, serving] = apps as [ClusterApp, ClusterApp];
  streamAt = owner;
  stream = await SseClient.connect(() => urlOf(streamAt));
  await resumeAt(serving);
  [poller, poster] = await Promise.all([Poller.connect(owner), Poller.connect(owner)]);
  held = poller.poll(serving);
  for (const app of [owner, serving]) await relaysOf(app, 2);
  // Frames of the owner arrive in order: now the node that serves knows that the owner has taken the poll
  await owner.call(['push', stream.id, 'taken']);
  expect(await stream.next()).toBe('taken');
  return apps;
}

async function resumeAt(app: ClusterApp): Promise<void> {
  stream.vanish();
  streamAt = app;
  await stream.open();
}

const knows = (app: ClusterApp, size: number) =>
  until(
    'the other nodes',
    () => app.call<{ length: number }>(['nodes']),
    ({ length }) => length === size,
  );

const relaysOf = (app: ClusterApp, expected: number) =>
  until(
    `${expected} relays`,
    () => app.call<{ broker: { relays: number } }>(['stats']),
    ({ broker: { relays } }) => relays === expected,
  );

const isOn = (app: ClusterApp, id: string) => id.startsWith(`${app.node}.`);

/** Opens the stream again until it is there, as an EventSource does. */
async function reopen(app: ClusterApp): Promise<void> {
  streamAt = app;
  await until(
    'a stream',
    () => stream.open().catch(() => 0),
    (status) => status === 200,
  );
}

/** Polls until there is an answer, as a client does. */
async function pollOn(app: ClusterApp): Promise<readonly string[]> {
  const [, messages] = await until(
    'a poll',
    () => poller.poll(app),
    ([status]) => status === 200,
  );
  return messages;
}

beforeAll(async () => {
  redis = await RedisProcess.start();
});
afterAll(() => redis.stop());

const endAll = async () => {
  stream.vanish();
  await Promise.all(apps.map((app) => app.kill()));
};

describe('When the owner is killed', () => {
  let serving: ClusterApp;
  let posted: Response;

  beforeAll(async () => {
    const [owner] = ([, serving] = (await start(2)) as [ClusterApp, ClusterApp]);
    owner.signal('SIGKILL');
    posted = await poster.post(serving, 'join a', 'm1');
    await knows(serving, 1);
  });
  afterAll(endAll);

  it('a relayed stream ends, and the client gets a new connection', async () => {
    await within(5000, 'the end of the stream', stream.over);
    await reopen(serving);
    expect([stream.recovered, isOn(serving, stream.id)]).toEqual([false, true]);
  });

  it('a held poll is answered with 503, and the next one is a new connection', async () => {
    expect(await held).toEqual([503, []]);
    expect(await poller.poll(serving)).toEqual([200, []]);
    expect(isOn(serving, poller.id)).toBe(true);
  });

  it('a POST is answered with 503, and with 404 once the node is lost', async () => {
    expect([posted.status, posted.headers.get('retry-after')]).toEqual([503, '1']);
    expect((await poster.post(serving, 'join a', 'm1')).status).toBe(404);
  });

  it('no relay is left', async () => {
    await relaysOf(serving, 0);
  });
});

describe('When the owner stands still and goes on', () => {
  let owner: ClusterApp;
  let serving: ClusterApp;
  let posted: Response;

  beforeAll(async () => {
    [owner, serving] = (await start(2)) as [ClusterApp, ClusterApp];
    owner.signal('SIGSTOP');
    posted = await poster.post(serving, 'join a', 'm1');
    await knows(serving, 1);
    await Promise.all([stream.over, held]);
    owner.signal('SIGCONT');
    await Promise.all([knows(serving, 2), knows(owner, 2)]);
  });
  afterAll(endAll);

  it('a POST that was answered with 503 is taken once when it is sent again', async () => {
    expect(posted.status).toBe(503);
    const again = await until(
      '204',
      () => poster.post(serving, 'join a', 'm1'),
      ({ status }) => status === 204,
    );
    expect(again.status).toBe(204);
    expect((await poster.post(serving, 'join b', 'm2')).status).toBe(204);
    const texts: string[] = [];
    while (texts.length < 2) texts.push(...(await poster.poll(serving))[1]);
    expect(texts.map((text) => text.slice(0, 6))).toEqual(['join a', 'join b']);
  });

  it('a relayed stream has ended, and resumes', async () => {
    await reopen(serving);
    expect([stream.recovered, isOn(owner, stream.id)]).toEqual([true, true]);
    await owner.call(['to', 'lobby'], ['push', 'after']);
    expect(await stream.next()).toBe('after');
  });

  it('a held poll was answered with 503, and the next one goes on', async () => {
    expect(await held).toEqual([503, []]);
    expect(await pollOn(serving)).toEqual(['after']);
  });
});

describe('When the node that serves is killed', () => {
  let owner: ClusterApp;
  let other: ClusterApp;

  beforeAll(async () => {
    const [first, serving, third] = (await start(3)) as [ClusterApp, ClusterApp, ClusterApp];
    [owner, other] = [first, third];
    serving.signal('SIGKILL');
    await stream.over;
    await owner.call(['to', 'lobby'], ['push', 'meanwhile']);
  });
  afterAll(endAll);

  it('a relayed stream resumes on a third node, with what was sent meanwhile', async () => {
    await reopen(other);
    expect([stream.recovered, isOn(owner, stream.id)]).toEqual([true, true]);
    expect(await stream.next()).toBe('meanwhile');
  });

  it('a held poll goes on on a third node, with what was sent meanwhile', async () => {
    expect(await held).toEqual(['cut', []]);
    expect(await pollOn(other)).toEqual(['meanwhile']);
  });

  it('the owner has forgotten its relays once the node is lost', async () => {
    stream.vanish();
    await knows(owner, 2);
    await relaysOf(owner, 0);
  });
});

describe('When Redis is away and comes back', () => {
  let owner: ClusterApp;
  let serving: ClusterApp;
  let posted: Response;

  beforeAll(async () => {
    [owner, serving] = (await start(2)) as [ClusterApp, ClusterApp];
    await redis.kill();
    await Promise.all([stream.over, held]);
    posted = await poster.post(serving, 'join a', 'm1');
    await owner.call(['to', 'lobby'], ['push', 'meanwhile']);
  });
  afterAll(endAll);

  it('a relayed stream has ended, and goes on at the owner without Redis', async () => {
    await reopen(owner);
    expect([stream.recovered, await stream.next()]).toEqual([true, 'meanwhile']);
  });

  it('a held poll was answered with 503, and a POST is too: nothing was taken', async () => {
    expect(await held).toEqual([503, []]);
    expect([posted.status, posted.headers.get('retry-after')]).toEqual([503, '1']);
  });

  it('everything goes on where it was when Redis is back', async () => {
    await redis.restart();
    await Promise.all([knows(serving, 2), knows(owner, 2)]);
    const again = await until(
      '204',
      () => poster.post(serving, 'join a', 'm1'),
      ({ status }) => status === 204,
    );
    expect(again.status).toBe(204);
    expect(await pollOn(serving)).toEqual(['meanwhile']);
    const texts = (await poster.poll(serving))[1];
    expect(texts.map((text) => text.slice(0, 6))).toEqual(expect.arrayContaining(['join a']));
    await reopen(serving);
    expect([stream.recovered, isOn(owner, stream.id)]).toEqual([true, true]);
  });
});
