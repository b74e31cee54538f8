/** A user's newest connection takes the place of the others, on one node or several. A part of broker.contract.ts. */
import type { ClusterNode, ClusterNodes } from '../support/fakes/cluster-nodes.js';
import { until } from '../support/process-guard.js';
import type { BrokerService } from './broker.contract.js';

/**
 * @param nodes those of the test that runs
 * @param service what they are connected to; undefined for memory
 */
export function replaceContract(nodes: () => ClusterNodes, service?: () => BrokerService): void {
  const openNew = (node: ClusterNode) => nodes().open(node, { userId: 'ann', replace: true });

  it('keeps the newest of two connections of a user that replace each other from two nodes', async () => {
    const [a, b] = await nodes().pair();
    for (let round = 0; round < 10; round++) {
      const both = await Promise.all([a, b].map(openNew));
      await a.settled('ann');
      await b.settled('ann');
      expect(both.filter(({ connection }) => connection.isOpen)).toHaveLength(1);
      for (const { connection } of both) connection.terminate();
    }
  });

  it('closes the connection that a user has on an older node when the user returns to one that has just started', async () => {
    const a = await nodes().one();
    const older = [];
    for (let round = 0; round < 3; round++) older.push(await openNew(a));
    await a.settled('ann');
    const b = service ? await nodes().one() : a;
    const recent = await openNew(b);
    await b.settled('ann');
    expect(older.map(({ connection }) => connection.isOpen)).toEqual([false, false, false]);
    expect(recent.connection.isOpen).toBe(true);
  });

  if (!service) return;

  it('keeps exactly one of the connections of a user that return on two nodes while the broker is away', async () => {
    const both = await nodes().pair();
    for (const node of both) {
      await until(
        'the other node',
        () => node.server.nodes().length,
        (count) => count === 2,
      );
    }
    await service().kill();
    const tabs = await Promise.all(both.map(openNew));
    await service().restart();
    for (const node of both) {
      await until(
        'the replaces to be obeyed',
        () => node.ordersUnderWay,
        (count) => count === 0,
        30_000,
      );
    }
    expect(tabs.filter(({ connection }) => connection.isOpen)).toHaveLength(1);
  });
}
