/** A worker that is killed is lost for the others at once: its connections, questions to it, and what it served. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClusterApp } from '../support/apps/cluster-app.js';
import { until } from '../support/process-guard.js';

const folder = mkdtempSync(join(tmpdir(), 'killed-'));
const ENV = {
  ...{ REALTIME_BROKER: 'workers', REALTIME_WORKERS_FOLDER: folder, REALTIME_APP: `killed-${process.pid}` },
  // What is noticed sooner was not noticed by its silence
  ...{ REALTIME_NODE_LOST_TIME: '3600', REALTIME_BROKER_TIMEOUT: '600', REALTIME_POLL_HOLD: '600' },
};
const apps: ClusterApp[] = [];

afterEach(() => Promise.all(apps.splice(0).map((app) => app.kill())));
afterAll(() => rmSync(folder, { recursive: true }));

interface Batch {
  readonly id?: string;
  readonly token?: string;
  readonly messages: readonly string[];
}

async function poll({ port }: ClusterApp, token?: string): Promise<Batch & { readonly status: number }> {
  const headers: Record<string, string> = token === undefined ? {} : { 'x-realtime-token': token };
  const response = await fetch(`http://127.0.0.1:${port}/ws?transport=polling&position=0`, { headers });
  return { status: response.status, ...((await response.json()) as Batch) };
}

it('A worker that is killed is lost at once, and a poll that another one serves for it is answered', async () => {
  for (let count = 0; count < 2; count++) apps.push(await ClusterApp.start(ENV));
  // The first one gives the order of messages: where that one is killed, the others report a gap besides
  const [other, killed] = apps as [ClusterApp, ClusterApp];
  const { id, token } = await poll(killed);
  const held = poll(other, token);
  await until(
    'the relay',
    () => other.call<{ broker: { relays: number } }>(['stats']),
    ({ broker }) => broker.relays === 1,
  );
  await killed.kill();
  // The client is asked to come again, if the owner had taken the poll; in any case it gets a connection where it is
  const answer = await held;
  const next = answer.status === 503 ? await poll(other, token) : answer;
  expect([next.status, next.id?.split('.')[0]]).toEqual([200, other.node]);
  expect(await other.call(['nodes'])).toHaveLength(1);
  expect(await other.call(['exists', id!])).toBe(false);
  expect(other.lines('Realtime node lost')).toHaveLength(1);
});
