/** A worker of a random schedule: what it has subscribed, published and heard. It can die as a process does. */
import type { Link } from '../../../libs/realtime/src/cluster/link.js';
import type { WorkersFolder } from '../workers.js';

/** What a process closes when it is killed. */
interface Open {
  readonly mesh: { server?: { close(): void }; peers: Set<{ cut(): void }> };
  readonly order: { own: { fail(error: Error): void } };
  readonly interests: { fail(error: Error): void };
  readonly stopping: AbortController;
  readonly probe: { stop(): void };
  isUp: boolean;
}

export class MeshNode {
  /** `<channel> <text>` in the order in which they came. */
  readonly heard: string[] = [];
  readonly states: string[] = [];
  /** What it has subscribed, since when: the number of the schedule's messages at that time. */
  readonly channels = new Map<string, number>();
  isAlive = true;
  private readonly link: Link;

  constructor(
    readonly id: string,
    folder: WorkersFolder,
  ) {
    this.link = folder.link(id, { backoffMs: 5 });
  }

  get hasMissed(): boolean {
    return this.states.includes('gap');
  }

  async start(): Promise<void> {
    const note = (state: string) => () => void this.states.push(state);
    await this.link.start({
      message: (channel, bytes) => {
        if (this.isAlive) this.heard.push(`${channel} ${bytes.toString()}`);
      },
      ...{ up: note('up'), down: note('down'), gap: note('gap') },
    });
  }

  subscribe(channel: string): Promise<void> {
    return this.link.subscribe([channel]);
  }

  /** @returns how many have it; undefined when it is not known whether it was published */
  publish(channel: string, text: string): Promise<number | undefined> {
    return this.link.publish(channel, Buffer.from(text)).catch(() => undefined);
  }

  async stop(): Promise<void> {
    await this.link.stop();
    this.isAlive = false;
  }

  /** Everything is closed at once, and its socket stays in the folder. */
  die(): void {
    this.isAlive = false;
    const open = this.link as unknown as Open;
    open.stopping.abort();
    open.isUp = false;
    open.probe.stop();
    open.mesh.server?.close();
    open.mesh.server = undefined;
    for (const peer of open.mesh.peers) peer.cut();
    open.mesh.peers.clear();
    // What waits in a dead process is nobody's any more
    for (const waiting of [open.order.own, open.interests]) waiting.fail(new Error('dead'));
  }
}
