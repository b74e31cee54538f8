/** Who is in a room, as an application sees it, on one node or several: {memory, Redis}. */
import type { PresenceChange } from '../../libs/realtime/src/presence.js';
import type { RealtimeOptions } from '../../libs/realtime/src/settings/options.js';
import { type ClusterMember, type ClusterNode, ClusterNodes } from '../support/fakes/cluster-nodes.js';
import { events, list, told, untilTold } from '../support/fakes/told-members.js';
import { until } from '../support/process-guard.js';
import type { BrokerCase, BrokerService } from './broker.contract.js';

/** Short enough for a test, and far above what a reconnect takes here. */
const GRACE = 0.5;

const ROOMS: RealtimeOptions = {
  announceInterval: 0.1,
  rooms: { 'chat:*': { presence: { grace: GRACE, events: true } }, 'quiet:*': { presence: { grace: 0 } } },
};

const ids = async (node: ClusterNode, room: string) =>
  (await node.server.to(room).presence()).items.map(({ id }) => id);
const untilThere = (node: ClusterNode, room: string, wanted: string[]) =>
  until(
    `the users of ${room}`,
    () => ids(node, room),
    (seen) => seen.join() === wanted.join(),
  );

export function presenceContract({ name, start, options, link }: BrokerCase): void {
  describe(`presence over ${name}`, () => {
    let service: BrokerService | undefined;
    let nodes: ClusterNodes;
    let a: ClusterNode;
    let b: ClusterNode;

    beforeAll(async () => {
      service = await start?.();
    });
    beforeEach(async () => {
      nodes = new ClusterNodes(service?.url, {}, link);
      [a, b] = await nodes.pair({ ...ROOMS, ...options });
    });
    afterEach(() => nodes.stop());
    afterAll(() => service?.stop());

    const open = (node: ClusterNode, userId: string | undefined, room: string) =>
      nodes.open(node, { userId, rooms: [room] });
    const end = ({ connection }: ClusterMember) => connection.closed(1001, '');

    it('lists each user once, with state, age and connections, in the order of their ids', async () => {
      const [first, second] = [await open(a, 'ann', 'chat:1'), await open(b, 'ann', 'chat:1')];
      await open(b, 'bob', 'chat:1');
      await open(b, undefined, 'chat:1');
      await list(second);
      first.connection.present('chat:1', { typing: true });
      await untilTold(second, 'update', ['ann']);
      for (const node of [a, b]) {
        await untilThere(node, 'chat:1', ['ann', 'bob']);
        const page = await node.server.to('chat:1').presence();
        expect(page).toEqual({
          items: [
            { id: 'ann', state: { typing: true }, since: expect.any(Number), connections: 2 },
            { id: 'bob', since: expect.any(Number), connections: 1 },
          ],
        });
        expect(Math.abs(Date.now() - page.items[0]!.since)).toBeLessThan(60_000);
        expect(await node.server.to('chat:1').countUsers({ exact: true })).toBe(2);
        expect(await node.server.to('chat:1').count()).toBe(4);
      }
    });

    it('pages through the users on a node with connections in the room, and on one without', async () => {
      const users = Array.from({ length: 7 }, (_, index) => `user-${index}`);
      for (const user of users) await open(a, user, 'chat:1');
      for (const node of [a, b]) {
        const found: string[] = [];
        let after: string | undefined;
        do {
          const { items, next } = await node.server.to('chat:1').presence({ after, limit: 3 });
          found.push(...items.map(({ id }) => id));
          after = next;
        } while (after !== undefined);
        expect(found).toEqual(users);
        expect(await node.server.to('chat:1').countUsers()).toBe(7);
      }
    });

    it('sends a member the list, then who joins, changes and leaves; and itself nothing of its own join', async () => {
      await open(a, 'ann', 'chat:1');
      const bob = await open(b, 'bob', 'chat:1');
      expect((await list(bob))!.map(({ id }) => id)).toEqual(['ann', 'bob']);
      const carl = await open(a, 'carl', 'chat:1');
      await untilTold(bob, 'join', ['carl']);
      carl.connection.present('chat:1', 'away');
      await untilTold(bob, 'update', ['carl']);
      await carl.connection.leave('chat:1');
      await untilTold(bob, 'leave', ['carl']);
      expect(told(bob).every(({ room }) => room === 'chat:1')).toBe(true);
      expect(events(carl, 'join')).toEqual([]);
    });

    it('tells nobody of a reconnect within the grace time, on another node too', async () => {
      const bob = await open(b, 'bob', 'chat:1');
      await list(bob);
      const ann = await open(a, 'ann', 'chat:1');
      await untilTold(bob, 'join', ['ann']);
      end(ann);
      const again = await open(b, 'ann', 'chat:1');
      // Its grace time is over then
      await untilThere(a, 'chat:1', ['ann', 'bob']);
      await until(
        'one connection',
        async () => (await b.server.to('chat:1').presence()).items[0]?.connections,
        (count) => count === 1,
      );
      expect([events(bob, 'join'), events(bob, 'leave')]).toEqual([['ann'], []]);
      end(again);
      await untilTold(bob, 'leave', ['ann']);
    });

    it('runs onPresence on every node with connections, and says which of them made the change', async () => {
      const seen = new Map<ClusterNode, PresenceChange[]>([a, b].map((node) => [node, []]));
      for (const [node, changes] of seen)
        node.engine.node.presentUsers!.handlers.push((change) => changes.push(change));
      for (const node of seen.keys()) await open(node, `there-${[...seen.keys()].indexOf(node)}`, 'quiet:1');
      await untilThere(
        a,
        'quiet:1',
        [...seen.keys()].map((_, index) => `there-${index}`),
      );
      await until(
        'the joins of both nodes',
        () => [...seen.values()].flat().filter(({ kind }) => kind === 'join').length,
        (count) => count >= seen.size,
      );
      // Whether a node sees the joins of those who are there before Ann depends on when it learns of them
      const ofAnn = (node: ClusterNode) => seen.get(node)!.filter(({ userId }) => userId === 'ann');
      const seenBy = (what: string) =>
        until(
          what,
          () => [...seen.keys()].filter((node) => ofAnn(node).some(({ kind }) => kind === what)).length,
          (count) => count === seen.size,
        );
      const ann = await open(a, 'ann', 'quiet:1');
      await seenBy('join');
      ann.connection.present('quiet:1', 1);
      await seenBy('update');
      end(ann);
      await seenBy('leave');
      for (const node of seen.keys()) {
        expect(ofAnn(node).map(({ kind }) => kind)).toEqual(['join', 'update', 'leave']);
        for (const change of ofAnn(node)) expect(change).toMatchObject({ room: 'quiet:1', isLocal: node === a });
      }
    });

    it('follows a connection that gets another user', async () => {
      const bob = await open(b, 'bob', 'chat:1');
      await list(bob);
      const guest = await open(a, undefined, 'chat:1');
      expect(await a.server.bind(guest.connection.id, 'ann')).toBe(true);
      await untilTold(bob, 'join', ['ann']);
      expect(await b.server.bind(guest.connection.id, 'anna')).toBe(true);
      await untilTold(bob, 'leave', ['ann']);
      await untilTold(bob, 'join', ['ann', 'anna']);
    });

    it('costs one frame for a change, and none while nothing changes', async () => {
      for (let index = 0; index < 50; index++) await open(a, `user-${index}`, 'chat:1');
      const bob = await open(b, 'bob', 'chat:1');
      await untilThere(a, 'chat:1', await ids(b, 'chat:1'));
      let shared = 0;
      for (const { broker } of new Set([a.engine.node, b.engine.node])) {
        const share = broker.share.bind(broker);
        broker.share = (...what) => {
          shared++;
          return share(...what);
        };
      }
      bob.connection.present('chat:1', 'away');
      const state = async () => (await a.server.to('chat:1').presence()).items.find(({ id }) => id === 'bob')?.state;
      await until('the state', state, (seen) => seen === 'away');
      await until(
        'the frame',
        () => shared,
        (count) => count === 1,
      );
      const published = () => b.engine.node.broker.stats().published;
      const before = published();
      // Ten announcements
      if (start) await until('announcements', published, (count) => count >= before + 10);
      expect(shared).toBe(1);
    });

    it('says whether a user is online', async () => {
      const ann = await open(a, 'ann', 'lobby');
      for (const node of [a, b]) {
        expect(await node.server.toUser('ann').isOnline({ exact: true })).toBe(true);
        expect(await node.server.toUser('bob').isOnline({ exact: true })).toBe(false);
      }
      end(ann);
      expect(await b.server.toUser('ann').isOnline()).toBe(false);
    });

    it('refuses what has no presence, states that cannot be, and pages that are too long', async () => {
      const ann = await open(a, 'ann', 'chat:1');
      const code = (code: string) => expect.objectContaining({ code });
      await expect(a.server.to('lobby').presence()).rejects.toEqual(code('no_presence'));
      await expect(a.server.toUser('ann').presence()).rejects.toEqual(code('no_presence'));
      await expect(a.server.to('lobby').countUsers()).rejects.toEqual(code('no_presence'));
      await expect(a.server.to('chat:1').presence({ limit: 101 })).rejects.toThrow(RangeError);
      expect(() => ann.connection.present('lobby')).toThrow(code('no_presence') as unknown as Error);
      expect(() => ann.connection.present('chat:2')).toThrow(code('not_in_room') as unknown as Error);
      expect(() => ann.connection.present('chat:1', 'x'.repeat(1100))).toThrow(code('too_big') as unknown as Error);
      expect(() => ann.connection.present('chat:1', () => {})).toThrow(code('bad_state') as unknown as Error);
    });

    it('lives on after a hook that throws or rejects', async () => {
      a.engine.node.presentUsers!.handlers.push(
        () => {
          throw new Error('thrown');
        },
        () => Promise.reject(new Error('rejected')),
      );
      await open(a, 'ann', 'chat:1');
      await untilThere(a, 'chat:1', ['ann']);
      await until(
        'the lines',
        () => a.log.lines.filter((line) => line.includes('onPresence failed')).length,
        (count) => count === 2,
      );
    });
  });
}
