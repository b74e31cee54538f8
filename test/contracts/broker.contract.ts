/** What an application sees of a broker, on one node or several: {memory, one Redis, Sentinel, Cluster, workers}. */
import type { Link } from '../../libs/realtime/src/cluster/link.js';
import type { RealtimeOptions } from '../../libs/realtime/src/settings/options.js';
import { ClusterNodes } from '../support/fakes/cluster-nodes.js';
import { turn } from '../support/fakes/fake-node.js';
import { replaceContract } from './replace.contract.js';

export interface BrokerService {
  readonly url: string;
  stop(): Promise<unknown>;
  /** Kills what the nodes are connected to. */
  kill(): Promise<unknown>;
  /** Starts it again; everything that was on its way is lost. */
  restart(): Promise<unknown>;
}

export interface BrokerCase {
  readonly name: string;
  /** Starts the service; undefined for memory, where one node takes every part. */
  readonly start?: () => Promise<BrokerService>;
  /** What every node is started with. */
  readonly options?: RealtimeOptions;
  /** Makes the link of a node. Default: one to the Redis at the URL. */
  readonly link?: (url: string, node: string) => Link;
}

export function brokerContract({ name, start, options, link }: BrokerCase): void {
  describe(`a broker over ${name}`, () => {
    let service: BrokerService | undefined;
    let nodes: ClusterNodes;

    beforeAll(async () => {
      service = await start?.();
    });
    beforeEach(() => {
      nodes = new ClusterNodes(service?.url, options, link);
    });
    afterEach(() => nodes.stop());
    afterAll(() => service?.stop());

    const isShared = start !== undefined;

    it('pushes to a room, a user, a path and everyone, on every node, once each', async () => {
      const [a, b] = await nodes.pair();
      const members = await Promise.all([a, b].map((node) => nodes.open(node, { userId: 'ann', rooms: ['lobby'] })));
      const pushes = [a, b].flatMap(({ server }, index) => [
        () => server.to('lobby').push(`room ${index}`),
        () => server.toUser('ann').emit('user', index),
        () => server.toEveryone('/ws').push(Buffer.from([index])),
        () => server.toEveryone().push(`all ${index}`),
      ]);
      // There is one order per room, user, path and everyone: in a Redis Cluster each has a server of its own
      for (const [index, push] of pushes.entries()) {
        await push();
        for (const member of members) await member.until(index + 1);
      }
      for (const member of members) {
        expect(member.texts).toEqual([
          ...['room 0', '{"event":"user","data":0}', '\0', 'all 0'],
          ...['room 1', '{"event":"user","data":1}', '\x01', 'all 1'],
        ]);
      }
    });

    it('resolves a push when the members of its own node have it, and names nobody as missing', async () => {
      const [a] = await nodes.pair();
      const member = await nodes.open(a, { rooms: ['lobby'] });
      expect(await a.server.to('lobby').push('x')).toEqual({ missing: [] });
      expect(member.texts).toEqual(['x']);
      expect(await a.server.to('nobody').push('x')).toEqual({ missing: [] });
    });

    it('leaves out what is excepted: a connection, a room, a user', async () => {
      const [a, b] = await nodes.pair();
      const [ann, bob, eve] = [
        await nodes.open(a, { userId: 'ann', rooms: ['lobby'] }),
        await nodes.open(b, { userId: 'bob', rooms: ['lobby', 'muted'] }),
        await nodes.open(b, { userId: 'eve', rooms: ['lobby'] }),
      ];
      await a.server.to('lobby').except(ann.connection.id).push('1');
      await a.server.to('lobby').exceptRoom('muted').push('2');
      await b.server.to('lobby').exceptUser('eve').push('3');
      await b.server.to('lobby').push('end');
      for (const member of [ann, bob, eve]) await member.until('end');
      expect([ann.texts, bob.texts, eve.texts]).toEqual([
        ['2', '3', 'end'],
        ['1', '3', 'end'],
        ['1', '2', 'end'],
      ]);
      expect(await a.server.to('lobby').exceptUser('eve').exceptRoom('muted').count()).toBe(1);
    });

    it('pushes to one connection, and returns whether it took it', async () => {
      const [a, b] = await nodes.pair();
      const member = await nodes.open(a);
      const { connection } = member;
      expect(await b.server.push(connection.id, 'hi')).toBe(true);
      await b.server.toConnection(connection.id).emit('there', 1);
      await b.server.toConnection(connection.id).except(connection.id).emit('nobody');
      await member.until('{"event":"there","data":1}');
      for (const id of [`${connection.id}0`, 'node.1', 'no id', '']) expect(await b.server.push(id, 'hi')).toBe(false);
      expect(member.texts).toEqual(['hi', '{"event":"there","data":1}']);
    });

    it('answers questions about a connection of any node: exists, info', async () => {
      const [a, b] = await nodes.pair();
      const { connection } = await nodes.open(a, { userId: 'ann', rooms: ['lobby'] });
      expect(await b.server.exists(connection.id)).toBe(true);
      expect(await b.server.info(connection.id)).toMatchObject({ id: connection.id, userId: 'ann', rooms: ['lobby'] });
      connection.terminate();
      await turn();
      expect([await b.server.exists(connection.id), await b.server.info(connection.id)]).toEqual([false, undefined]);
    });

    it('lists, counts and names members of all nodes', async () => {
      const [a, b] = await nodes.pair();
      const opened = [];
      for (const node of [a, b, a, b]) opened.push(await nodes.open(node, { userId: 'ann', rooms: ['lobby'] }));
      const ids = opened.map(({ connection }) => connection.id).sort();
      const members = await a.server.to('lobby').members();
      expect(members.map(({ id }) => id).sort()).toEqual(ids);
      expect(members.missing).toBeUndefined();
      expect([await b.server.to('lobby').count(), await a.server.toUser('ann').count()]).toEqual([4, 4]);
      expect([
        await b.server.toEveryone().count({ exact: true }),
        await b.server.toConnection(ids[0]!).count(),
      ]).toEqual([4, 1]);
      const first = await a.server.list({ limit: 3 });
      const second = await b.server.list({ limit: 3, after: first.next });
      expect([...first.items, ...second.items].map(({ id }) => id)).toEqual(ids);
      expect([second.next, first.missing]).toEqual([undefined, undefined]);
    });

    it('refuses to list more members than allowed, over all nodes together', async () => {
      const [a, b] = await nodes.pair({ maxMembers: 3 });
      for (const node of [a, b, a, b]) await nodes.open(node, { rooms: ['lobby'] });
      await expect(a.server.to('lobby').members()).rejects.toMatchObject({ code: 'too_many_members' });
    });

    it('orders members of all nodes: join, leave, disconnect', async () => {
      const [a, b] = await nodes.pair();
      const members = [await nodes.open(a, { rooms: ['a'] }), await nodes.open(b, { rooms: ['a'] })];
      expect(await a.server.to('a').join('b')).toEqual({ missing: [] });
      expect(members.map(({ connection }) => [...connection.rooms])).toEqual([
        ['a', 'b'],
        ['a', 'b'],
      ]);
      await b.server.to('b').push('joined');
      for (const member of members) await member.until('joined');
      expect(await b.server.to('a').leave('b')).toEqual({ missing: [] });
      expect(await a.server.to('b').count()).toBe(0);
      expect(await a.server.to('a').except(members[0]!.connection.id).disconnect(4400, 'bye')).toEqual({ missing: [] });
      expect(members.map(({ connection }) => connection.isOpen)).toEqual([true, false]);
    });

    it('binds and disconnects one connection of another node, and replaces the others of its user', async () => {
      const [a, b] = await nodes.pair();
      const [old, recent] = [await nodes.open(a, { userId: 'ann' }), await nodes.open(b)];
      expect(await a.server.bind(recent.connection.id, 'ann', { replace: true })).toBe(true);
      expect([recent.connection.userId, recent.connection.isOpen, old.connection.isOpen]).toEqual(['ann', true, false]);
      expect(old.socket.closeFrame).toMatchObject({ code: 4503 });
      await b.server.toUser('ann').push('new');
      await recent.until('new');
      expect(await a.server.disconnect(recent.connection.id)).toBe(true);
      expect(recent.connection.isOpen).toBe(false);
    });

    it('has the statistics of all nodes, and their names', async () => {
      const [a, b] = await nodes.pair();
      for (const node of [a, b]) await nodes.open(node, { rooms: ['lobby'] });
      const { total, nodes: each, missing } = await a.server.clusterStats();
      expect([total.current, total.accepted, total.closed.server, missing]).toEqual([2, 2, 0, []]);
      expect(each).toHaveLength(isShared ? 2 : 1);
      expect(a.server.nodes().map(({ id, isThis }) => [id, isThis])).toEqual(
        isShared
          ? [
              [a.id, true],
              [b.id, false],
            ]
          : [[a.id, true]],
      );
    });

    it('resolves a join when pushes of other nodes come', async () => {
      const [a, b] = await nodes.pair();
      const member = await nodes.open(a);
      for (let room = 0; room < 50; room++) {
        await member.connection.join(`room ${room}`);
        await b.server.to(`room ${room}`).push(String(room));
        await member.until(room + 1);
      }
      expect(member.texts).toEqual(Array.from({ length: 50 }, (_, room) => String(room)));
    });

    it('asks the guards of a user on all nodes again', async () => {
      const [a, b] = await nodes.pair();
      for (const node of [a, b]) await nodes.open(node, { userId: 'ann' });
      expect(await a.server.recheck('ann')).toEqual({ checked: 2, closed: 0 });
    });

    it('has 1,000 pushes of each of two nodes in one order on both', async () => {
      const [a, b] = await nodes.pair();
      const members = [await nodes.open(a, { rooms: ['r'] }), await nodes.open(b, { rooms: ['r'] })];
      const pushed: Promise<unknown>[] = [];
      for (let number = 0; number < 1000; number++)
        for (const node of [a, b]) pushed.push(node.server.to('r').push(`${node === a ? 'a' : 'b'}${number}`));
      await Promise.all(pushed);
      for (const member of members) await member.until(2000);
      expect(members[0]!.texts).toEqual(members[1]!.texts);
      for (const who of ['a', 'b']) {
        const own = members[0]!.texts.filter((text) => text.startsWith(who));
        if (isShared) expect(own).toEqual(own.map((_, number) => `${who}${number}`));
      }
    });

    replaceContract(() => nodes, isShared ? () => service! : undefined);
  });
}
