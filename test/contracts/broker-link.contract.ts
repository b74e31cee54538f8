/** The behaviour of a link that does not depend on what is under it: one Redis, a Sentinel, a Cluster, or workers. */
import type { ScriptedLink } from '../../libs/realtime/src/brokers/redis/script.js';
import { LinkError, type Link } from '../../libs/realtime/src/cluster/link.js';
import { redisLink, type RedisLinkOptions } from '../../libs/realtime/src/brokers/redis/redis-link.js';
import { LinkLog } from '../support/fakes/link-log.js';

/** A tenth of the defaults, but for the time of a publish: a machine that is busy must not make a test red. */
export const QUICK = { timeoutMs: 2000, probeIntervalMs: 1000, probeTimeoutMs: 500, backoffMs: 20, maxBackoffMs: 200 };

/** For tests that are not about probes: a connection that is cut is noticed without one, and a busy machine answers late. */
export const PATIENT = { ...QUICK, probeTimeoutMs: 30_000 };

export interface LinkCase {
  readonly name: string;
  readonly start: () => Promise<{ url: string; stop: () => Promise<unknown> }>;
  /** Makes a link that is not started. Default: one to the Redis at the URL. */
  readonly make?: (url: string, app: string, node: string) => Link;
  /** What an error says of a link that does not work. */
  readonly away?: string;
}

/** Makes links of a test, and stops them. */
export class Links {
  private readonly links: Link[] = [];
  private count = 0;

  async make(
    options: Partial<RedisLinkOptions> & Pick<RedisLinkOptions, 'at'>,
  ): Promise<{ link: ScriptedLink; log: LinkLog }> {
    return this.started((node) => redisLink({ app: 'app', node, times: QUICK, ...options }));
  }

  async started<L extends Link>(make: (node: string) => L | Promise<L>): Promise<{ link: L; log: LinkLog }> {
    const link = await make(`n${++this.count}`);
    this.links.push(link);
    const log = new LinkLog();
    await link.start(log);
    return { link, log };
  }

  async stop(): Promise<void> {
    await Promise.all(this.links.splice(0).map((link) => link.stop()));
  }
}

export function linkContract({ name, start, make: own, away = 'Redis is not reachable' }: LinkCase): void {
  describe(`a link to ${name}`, () => {
    const links = new Links();
    let service: Awaited<ReturnType<LinkCase['start']>>;
    const make = ({ app = 'app' }: { app?: string } = {}): Promise<{ link: Link; log: LinkLog }> =>
      own ? links.started((node) => own(service.url, app, node)) : links.make({ at: service.url, app });

    beforeAll(async () => {
      service = await start();
    });
    afterEach(() => links.stop());
    afterAll(() => service.stop());

    it('carries a message to every link that has subscribed, its own included, and to no other', async () => {
      const [a, b, c] = [await make(), await make(), await make()];
      for (const { link } of [a, b]) await link.subscribe(['r:lobby']);
      await c.link.subscribe(['r:other']);
      await a.link.publish('r:lobby', Buffer.from('hello'));
      await a.link.publish('r:other', Buffer.from('you'));
      expect([await a.log.received(1), await b.log.received(1), await c.log.received(1)]).toEqual([
        ['r:lobby hello'],
        ['r:lobby hello'],
        ['r:other you'],
      ]);
      expect([a, b, c].map(({ log }) => log.states.join())).toEqual(['up', 'up', 'up']);
    });

    it('carries any bytes, none, and a megabyte, on channels with any characters', async () => {
      const { link, log } = await make();
      const channel = 'r:{a} b:ü🎉}.';
      await link.subscribe([channel]);
      const messages = [Buffer.from([0, 255, 13, 10, 128]), Buffer.alloc(0), Buffer.alloc(1_000_000, 'x')];
      for (const bytes of messages) await link.publish(channel, bytes);
      await log.received(3);
      expect(log.bytes.map((bytes, index) => bytes.equals(messages[index]!))).toEqual([true, true, true]);
      expect(log.messages[0]!.startsWith(`${channel} `)).toBe(true);
    });

    it('delivers 3,000 messages of one channel in order, with many under way at once', async () => {
      const { link, log } = await make();
      const other = await make();
      await other.link.subscribe(['r:a']);
      const published = Array.from({ length: 3000 }, (_, index) => link.publish('r:a', Buffer.from(String(index))));
      await Promise.all(published);
      expect(await other.log.received(3000)).toEqual(published.map((_, index) => `r:a ${index}`));
      expect(log.messages).toEqual([]);
    });

    it('has subscribed 1,500 channels when subscribe resolves, and none after unsubscribe', async () => {
      const { link, log } = await make();
      const other = await make();
      const channels = Array.from({ length: 1500 }, (_, index) => `r:${index}`);
      await link.subscribe(channels);
      expect(link.size).toBe(1500);
      await Promise.all(channels.map((channel) => other.link.publish(channel, Buffer.from('1'))));
      expect((await log.received(1500)).sort()).toEqual(channels.map((channel) => `${channel} 1`).sort());
      await link.unsubscribe(channels.slice(1));
      expect(link.size).toBe(1);
      await Promise.all(channels.map((channel) => other.link.publish(channel, Buffer.from('2'))));
      await other.link.publish('r:0', Buffer.from('3'));
      expect((await log.received(1502)).slice(1500)).toEqual(['r:0 2', 'r:0 3']);
    });

    it('may subscribe what is subscribed, and unsubscribe what is not', async () => {
      const { link, log } = await make();
      await link.subscribe(['r:a']);
      await link.subscribe(['r:a', 'r:b']);
      await link.unsubscribe(['r:b', 'r:c']);
      await link.publish('r:b', Buffer.from('1'));
      await link.publish('r:a', Buffer.from('2'));
      expect(await log.received(1)).toEqual(['r:a 2']);
    });

    it('keeps applications with different names apart', async () => {
      const [shop, blog] = [await make({ app: 'shop' }), await make({ app: 'blog' })];
      for (const { link } of [shop, blog]) await link.subscribe(['*']);
      await shop.link.publish('*', Buffer.from('from the shop'));
      await blog.link.publish('*', Buffer.from('from the blog'));
      expect([await shop.log.received(1), await blog.log.received(1)]).toEqual([
        ['* from the shop'],
        ['* from the blog'],
      ]);
    });

    it('measures how long a message to itself takes', async () => {
      const { link } = await make();
      expect(link.lagMs).toBeGreaterThan(0);
    });

    it('reports nothing and takes nothing once it is stopped', async () => {
      const { link, log } = await make();
      await link.subscribe(['r:a']);
      await link.stop();
      expect(log.states).toEqual(['up']);
      for (const call of [
        link.publish('r:a', Buffer.from('late')),
        link.subscribe(['r:b']),
        link.unsubscribe(['r:a']),
      ]) {
        await expect(call).rejects.toThrow(new LinkError('unavailable', `${away} (${link.name})`));
      }
    });
  });
}
