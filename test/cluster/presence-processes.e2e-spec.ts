/** Who is in a room while its nodes are killed, stopped, replaced one after the other, and Redis goes. */
import type { Page, PresentUser } from 'nestjs-realtime';
import { ClusterApp } from '../support/apps/cluster-app.js';
import { AppClient } from '../support/clients/app-client.js';
import { TcpProxy } from '../support/clients/tcp-proxy.js';
import { until } from '../support/process-guard.js';
import { RedisProcess } from '../support/redis.js';

const ROOM = 'present:1';

/** A node is lost after 0.6 s; its users count for a second more, and twice that after a drain. */
const QUICK = {
  REALTIME_ANNOUNCE_INTERVAL: '0.2',
  REALTIME_NODE_LOST_TIME: '0.6',
  REALTIME_ASK_TIMEOUT: '5',
  REALTIME_PRESENCE_GRACE: '1',
  REALTIME_RECONNECT_SPREAD: '1',
  REALTIME_PROBE_INTERVAL: '2',
};

interface Change {
  readonly kind: string;
  readonly userId: string;
  readonly isLocal: boolean;
}

interface Told {
  readonly users?: readonly { id: string }[];
  readonly join?: readonly { id: string }[];
  readonly leave?: readonly string[];
}

describe('presence over processes', () => {
  let redis: RedisProcess;
  let apps: ClusterApp[];
  let env: Record<string, string>;
  let count = 0;

  const start = async (extra: Readonly<Record<string, string>> = {}) => {
    const app = await ClusterApp.start({ ...env, ...extra });
    apps.push(app);
    return app;
  };
  const both = (extra?: Readonly<Record<string, string>>) => Promise.all([start(extra), start(extra)]);
  const page = (app: ClusterApp) => app.call<Page<PresentUser>>(['to', ROOM], ['presence']);
  const isThere = (app: ClusterApp, ...users: string[]) =>
    until(
      `the users ${users.join()}`,
      async () => (await page(app)).items.map(({ id }) => id).join(),
      (ids) => ids === users.join(),
      20_000,
    );
  const open = (app: ClusterApp, user: string) => AppClient.open(app, `user=${user}&room=${ROOM}`);
  const changes = async (app: ClusterApp) =>
    (await app.ask<Change[]>('changes')).map(({ kind, userId }) => `${kind} ${userId}`);
  /** What a member was told, as words. */
  const told = ({ texts }: AppClient) =>
    texts
      .map((text) => (JSON.parse(text) as { data: Told }).data)
      .flatMap(({ users, join = [], leave = [] }) => [
        ...(users ? [`list ${users.map(({ id }) => id).join()}`] : []),
        ...join.map(({ id }) => `join ${id}`),
        ...leave.map((id) => `leave ${id}`),
      ]);
  const untilTold = (client: AppClient, words: string[]) =>
    until(
      `to be told ${words.join()}`,
      () => told(client).join(),
      (all) => all === words.join(),
      20_000,
    );

  beforeAll(async () => {
    redis = await RedisProcess.start();
  });
  beforeEach(() => {
    apps = [];
    env = { ...QUICK, REALTIME_REDIS_URL: redis.url, REALTIME_APP: `presence${++count}` };
  });
  afterEach(() => Promise.all(apps.map((app) => app.kill())));
  afterAll(() => redis.stop());

  it('ends for the users of a node that is killed, once each, and not for those who come back in time', async () => {
    const [a, b] = await both();
    const ann = await open(a, 'ann');
    await untilTold(ann, ['list ann']);
    for (const user of ['bob', 'eve']) await open(b, user);
    await isThere(a, 'ann', 'bob', 'eve');
    await b.kill();
    await open(a, 'eve');
    await isThere(a, 'ann', 'eve');
    await untilTold(ann, ['list ann', 'join bob', 'join eve', 'leave bob']);
    expect(await changes(a)).toEqual(['join ann', 'join bob', 'join eve', 'leave bob']);
  });

  it('is true again after a node stood still for longer than it takes to be lost', async () => {
    const [a, b] = await both();
    const ann = await open(a, 'ann');
    await untilTold(ann, ['list ann']);
    await open(b, 'bob');
    await isThere(a, 'ann', 'bob');
    // Whoever is there when b hears of the room for the first time is no news there
    await until(
      'b to know the room',
      () => changes(b),
      ({ length }) => length === 1,
    );
    b.signal('SIGSTOP');
    await isThere(a, 'ann');
    await open(a, 'carl');
    b.signal('SIGCONT');
    for (const app of [a, b]) await isThere(app, 'ann', 'bob', 'carl');
    const words = ['list ann', 'join bob', 'leave bob', 'join carl', 'join bob'];
    await until(
      'the return of bob',
      () => told(ann).length,
      (length) => length === words.length,
    );
    expect(told(ann).sort()).toEqual(words.sort());
    const reported = await until(
      'carl to be reported to the node that stood still',
      () => changes(b),
      ({ length }) => length === 2,
    );
    expect(reported).toEqual(['join bob', 'join carl']);
  });

  it('does not change while all nodes are replaced one after the other', async () => {
    // A client comes back at once here, whatever the machine is busy with
    const slow = { REALTIME_PRESENCE_GRACE: '3', REALTIME_RECONNECT_SPREAD: '3' };
    const [watch, first] = await both(slow);
    const client = await open(watch, 'watch');
    await untilTold(client, ['list watch']);
    let old = first;
    let ann = await open(old, 'ann');
    await isThere(watch, 'ann', 'watch');
    const last = await open(old, 'last');
    await untilTold(client, ['list watch', 'join ann', 'join last']);
    for (let round = 0; round < 2; round++) {
      const next = await start(slow);
      old.signal('SIGTERM');
      expect(await ann.closed()).toBe(1001);
      ann = await open(next, 'ann');
      await old.exited;
      old = next;
    }
    expect(last.code).toBe(1001);
    // What was held for the nodes that have stopped is over when it is over for the one who did not come back
    await isThere(watch, 'ann', 'watch');
    expect(await changes(watch)).toEqual(['join watch', 'join ann', 'join last', 'leave last']);
    await untilTold(client, ['list watch', 'join ann', 'join last', 'leave last']);
  });

  it('is known on each node for itself while Redis is away, and of all when it is back', async () => {
    const proxy = await TcpProxy.start(redis.port);
    const url = { REALTIME_REDIS_URL: `redis://127.0.0.1:${proxy.port}` };
    const [a, b] = await both(url);
    const ann = await open(a, 'ann');
    await untilTold(ann, ['list ann']);
    await open(b, 'bob');
    await isThere(a, 'ann', 'bob');
    proxy.pause();
    proxy.cut();
    await until(
      'the missing nodes',
      async () => (await page(a)).missing?.join(),
      (missing) => missing === '*',
    );
    await open(b, 'carl');
    await open(a, 'dora');
    await isThere(a, 'ann', 'bob', 'dora');
    proxy.resume();
    for (const app of [a, b]) await isThere(app, 'ann', 'bob', 'carl', 'dora');
    await untilTold(ann, ['list ann', 'join bob', 'join dora', 'join carl']);
    expect((await page(a)).missing).toBeUndefined();
    await proxy.stop();
  });
});
