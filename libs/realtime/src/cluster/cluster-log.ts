/** What is logged and counted about the other nodes and the way to them: one line for each change. */
import type { Channel } from '../command.js';
import { LineRates } from '../limits/line-rate.js';
import { errorField, field, type Log, quotedField, stackOf } from '../log.js';
import type { BrokerStats } from '../stats.js';
import type { DropReason } from './format.js';
import type { Subscriber } from './interest.js';
import type { KnownNode } from './nodes.js';

type Counted =
  | ('received' | 'dropped' | 'gaps' | 'cuts' | 'ordersDropped' | 'questionsDropped' | 'unanswered' | 'nodesIgnored')
  | ('relaysRefused' | 'relaysCut');
type Counts = { -readonly [K in keyof Pick<BrokerStats, Counted>]: number };

/** Lines that others can cause are bounded: so many of each kind per second. */
const LINES_PER_SECOND = 1;

export class ClusterLog {
  readonly counts: Counts = {
    ...{ received: 0, dropped: 0, gaps: 0, cuts: 0, ordersDropped: 0, questionsDropped: 0, unanswered: 0 },
    ...{ nodesIgnored: 0, relaysRefused: 0, relaysCut: 0 },
  };
  private readonly rates = new LineRates(LINES_PER_SECOND);
  private readonly seenDrops = new Map<string, number>();
  private downAt: number | undefined;

  constructor(private readonly log: Log) {}

  up(): void {
    if (this.downAt === undefined) return;
    const downMs = Math.round(performance.now() - this.downAt);
    this.downAt = undefined;
    this.log.log(`Realtime broker is back downMs=${downMs}`);
  }

  down(reason: string): void {
    this.downAt ??= performance.now();
    this.log.warn(`Realtime broker is away: this node works alone until it is back reason=${quotedField(reason)}`);
  }

  lateness(isLate: boolean): void {
    if (isLate) this.log.warn('Realtime broker is slow: nobody waits for subscriptions until it confirms them in time');
    else this.log.log('Realtime broker confirms subscriptions in time again');
  }

  /** @returns the subscriptions of a link, with a line for each channel that is refused on its own */
  watched(link: Subscriber): Subscriber {
    const subscribe = (channels: readonly Channel[]) =>
      link.subscribe(channels).catch((error: unknown) => {
        if (channels.length === 1 && this.downAt === undefined) this.refused(channels[0]!, error);
        throw error;
      });
    return { subscribe, unsubscribe: (channels) => link.unsubscribe(channels) };
  }

  gap(channels: readonly Channel[] | 'all'): void {
    this.counts.gaps++;
    const count = channels === 'all' ? channels : String(channels.length);
    this.bounded('gap', (more) =>
      this.log.warn(`Realtime messages of other nodes may be lost channels=${count}${more}`),
    );
  }

  /** Another worker of this host was cut off. */
  cut(id: string, reason: string): void {
    this.counts.cuts++;
    this.bounded('cut', (more) =>
      this.log.warn(`Realtime worker cut off node=${id} reason=${quotedField(reason)}${more}`),
    );
  }

  came({ id, announcement: { host, pid } }: KnownNode): void {
    this.log.log(`Realtime node came node=${id} host=${field(host)} pid=${pid}`);
  }

  went(id: string, how: 'left' | 'lost'): void {
    if (how === 'left') this.log.log(`Realtime node left node=${id}`);
    else this.log.warn(`Realtime node lost node=${id}`);
  }

  ignored(id: string, max: number): void {
    this.counts.nodesIgnored++;
    this.bounded('ignored', (more) =>
      this.log.warn(`Realtime node ignored node=${id} known=${max} setting=REALTIME_MAX_NODES${more}`),
    );
  }

  /** @param drops how many were dropped so far, by the reason */
  dropped(channel: Channel, drops: Readonly<Record<DropReason, number>>): void {
    this.counts.dropped++;
    const reason = Object.entries(drops).find(([name, count]) => count > (this.seenDrops.get(name) ?? 0));
    if (reason) this.seenDrops.set(...reason);
    this.bounded('dropped', (more) =>
      this.log.warn(`Realtime frame dropped reason=${reason?.[0]} channel=${field(channel)}${more}`),
    );
  }

  /** While the broker is known to be away, this is no news. */
  notPublished(channel: Channel, error: unknown): void {
    if (this.downAt !== undefined) return;
    this.bounded('publish', (more) =>
      this.log.warn(`Realtime publish failed channel=${field(channel)} error=${errorField(error)}${more}`),
    );
  }

  ordersDropped(count: number): void {
    this.counts.ordersDropped += count;
    this.bounded('orders', (more) =>
      this.log.warn(`Realtime orders given up count=${count} setting=REALTIME_MAX_ORDERS${more}`),
    );
  }

  questionDropped(waiting: number): void {
    this.counts.questionsDropped++;
    this.bounded('questions', (more) =>
      this.log.warn(`Realtime question not asked waiting=${waiting} setting=REALTIME_MAX_QUESTIONS${more}`),
    );
  }

  unanswered(what: string, nodes: readonly string[]): void {
    if (nodes.length === 0) return;
    this.counts.unanswered += nodes.length;
    if (this.downAt !== undefined) return;
    this.bounded('unanswered', (more) =>
      this.log.warn(`Realtime nodes did not answer in time to=${what} nodes=${nodes.slice(0, 5).join()}${more}`),
    );
  }

  /** @param count how many there are */
  relayRefused(count: number): void {
    this.counts.relaysRefused++;
    this.bounded('relays', (more) =>
      this.log.warn(`Realtime relay refused relays=${count} setting=REALTIME_MAX_RELAYS${more}`),
    );
  }

  /** A client's response was cut: the client comes back. @param reason `hole`, `node` or `broker` */
  relayCut(reason: string): void {
    this.counts.relaysCut++;
    this.bounded(`relay ${reason}`, (more) => this.log.warn(`Realtime relay cut reason=${reason}${more}`));
  }

  /** Answering another node failed by no fault of the question. */
  failed(what: string, error: unknown): void {
    this.bounded('failed', (more) =>
      this.log.error(`Realtime ${what} failed error=${errorField(error)}${more}`, stackOf(error)),
    );
  }

  private refused(channel: Channel, error: unknown): void {
    this.bounded('refused', (more) =>
      this.log.warn(`Realtime subscription refused channel=${field(channel)} error=${errorField(error)}${more}`),
    );
  }

  private bounded(kind: string, write: (more: string) => void): void {
    this.rates.bounded(kind, write);
  }
}
