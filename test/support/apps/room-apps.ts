/** The applications of one spec file: one for each set of options, and fresh for each test. */
import type { LimitName, Stats } from 'nestjs-realtime';
import { renew, type RoomApp, stop } from './transport-app.js';

/** How much the counters of `stats()` have grown during a test. */
export interface Counted {
  readonly accepted: number;
  readonly refused: number;
  readonly limits: Stats['limits'];
}

export class RoomApps {
  private readonly sites = new Map<string, RoomApp>();
  private site?: RoomApp;
  private isAlone = false;
  private before?: Stats;

  /**
   * Gives the application with this key to a test.
   *
   * @param key stands for its options
   * @param start starts it for the first test that asks for it
   */
  async use(key: string, start: () => Promise<RoomApp>): Promise<RoomApp> {
    const site = this.sites.get(key) ?? (await start());
    this.sites.set(key, site);
    return this.give(site, false);
  }

  /** Gives an application to one test alone, for example because the test stops it. */
  async useAlone(start: () => Promise<RoomApp>): Promise<RoomApp> {
    return this.give(await start(), true);
  }

  /** How much the counters have grown since the test was given the application. */
  async counted(): Promise<Counted> {
    const { accepted, refused, limits } = await this.site!.app.server.stats();
    const before = this.before!;
    const since = Object.entries(limits).map(([name, count]) => [name, count - before.limits[name as LimitName]]);
    return {
      accepted: accepted - before.accepted,
      refused: refused - before.refused,
      limits: Object.fromEntries(since) as Stats['limits'],
    };
  }

  /** Cleans up after a test. An application that cannot be cleaned is stopped, and no other test gets it. */
  async renew(): Promise<void> {
    const { site, isAlone } = this;
    this.site = undefined;
    if (!site) return;
    if (isAlone) {
      await stop(site);
      return;
    }
    try {
      await renew(site);
    } catch (error) {
      for (const [key, each] of this.sites) if (each === site) this.sites.delete(key);
      await stop(site);
      throw error;
    }
  }

  /** Stops all applications. */
  async stop(): Promise<void> {
    await Promise.all([...this.sites.values()].map(stop));
    this.sites.clear();
  }

  private async give(site: RoomApp, isAlone: boolean): Promise<RoomApp> {
    this.site = site;
    this.isAlone = isAlone;
    this.before = await site.app.server.stats();
    return site;
  }
}
