/** Nodes that are replaced, killed or stopped one after the other, while the model's users come back in time. */
import type { RoomChange } from '../../../libs/realtime/src/presence/presence-room.js';
import { PresenceRun, REST_MS } from './presence-model.js';
import { GRACE_MS, LOST_MS, type PresenceNode, TIMES } from './presence-node.js';
import { type Client, ROOMS } from './presence-truth.js';

/** All nodes are replaced, killed or stopped, one after the other while every client comes back in time: nobody leaves. */
export class DeployRun extends PresenceRun {
  private killed?: { readonly name: string; readonly at: number };

  override event(node: PresenceNode, room: string, change: RoomChange): void {
    super.event(node, room, change);
    const { killed } = this;
    // All nodes have found it lost, and those that were asked since then have said whom it had
    if (!killed || change.kind !== 'join' || this.time.now() - killed.at < LOST_MS + 2 * TIMES.announceMs) return;
    const parts = this.usable.map(({ presence }) => presence.all.get(room)?.partOf(killed.name, 0));
    const isHeld = parts.some((part) => part?.rows.some(([user]) => user === change.user));
    if (isHeld) this.fault(`${change.user} is told as new on ${node.name}, but others hold them`);
  }

  protected override async play(): Promise<void> {
    this.bus.maxDelayMs = this.pick([5, 30, 60]);
    for (let index = 0; index < 3; index++) this.boot();
    await this.time.pass(1000);
    for (let index = 0; index < 6; index++) {
      const client: Client = { user: `u${index % 4}`, room: ROOMS[index % 2]! };
      this.clients.push(client);
      this.connect(client);
    }
    await this.time.pass(8000);
    this.events.length = 0;
    for (const client of this.clients) this.drop(client, GRACE_MS - 200);
    await this.time.pass(8000);
    for (const node of [...this.nodes]) {
      if (this.seed % 4 === 0) this.killOne(node);
      else if (this.seed % 4 === 1) this.standStill(node);
      else this.drain(node);
      await this.time.pass(20_000 + Math.floor(this.random() * 2000));
    }
    await this.time.pass(REST_MS);
    this.checkRest();
    // Users who were alone with a node that was killed or stands still are known to nobody when they come back
    const told = this.events.filter(({ kind }) => this.seed % 4 > 1 || kind !== 'join');
    for (const { kind, node, user, at } of told) this.fault(`${kind} of ${user} is told on ${node} at ${at}`);
  }

  private killOne(node: PresenceNode): void {
    this.killed = { name: node.name, at: this.time.now() };
    this.kill(node, LOST_MS - TIMES.announceMs + GRACE_MS - 200);
  }

  /** It loses its clients, and stands still at the same moment. */
  private standStill(node: PresenceNode): void {
    this.sendAway(node, GRACE_MS - 200);
    node.process.stall();
    this.time.after(this.pick([6000, 19_000]), () => node.process.resume());
  }
}
