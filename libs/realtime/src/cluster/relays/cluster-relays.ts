/**
 * Requests of SSE and polling clients between the nodes. Where a frame between two nodes may be lost, the era of a node
 * ends: every relay from before is cut on both sides, because each learns of the new era. Road OUT, step 7.
 */
import type {
  Claim,
  ForwardedRequest,
  Outcome,
  Reach,
  RelayedRequest,
  RelayOwner,
  Relays,
  ServedResponse,
} from '../../relay.js';
import type { RealtimeSettings } from '../../settings/settings.js';
import { type Clock, systemClock } from '../clock.js';
import type { ClusterLog } from '../cluster-log.js';
import type { NodeId } from '../format.js';
import type { Link } from '../link.js';
import type { WireMessage } from '../messages.js';
import type { Peers } from '../peers.js';
import type { Post } from '../post.js';
import { Forwards } from './forwards.js';
import { OwnedRelays, type RelayLines } from './owned-relays.js';
import { ServedRelays } from './served-relays.js';

export type RelaySettings = Pick<
  RealtimeSettings,
  'brokerTimeout' | 'nodeLostTime' | 'maxQuestions' | 'maxRelays' | 'maxRelayBytes'
>;

/** The way to the other nodes. */
interface Road {
  readonly post: Pick<Post, 'mail' | 'send' | 'nextId'>;
  readonly link: Pick<Link, 'isUp'>;
  readonly peers: Pick<Peers, 'has' | 'introduced'>;
}

type RelayMessage = Extract<WireMessage, { kind: 'forward' | 'done' | 'relay' | 'relayData' }>;

/** The bounds of what one relay may have on its way, in bytes. */
const [MIN_WINDOW, MAX_WINDOW] = [1024, 65_536];

const NOBODY: Outcome = { status: 404, message: 'This node has no connections' };

/** @returns how many bytes each relay may have on its way, so that all together stay within the setting */
export const windowOf = ({ maxRelays, maxRelayBytes }: Pick<RelaySettings, 'maxRelays' | 'maxRelayBytes'>): number =>
  Math.max(MIN_WINDOW, Math.min(MAX_WINDOW, Math.floor(maxRelayBytes / maxRelays)));

export class ClusterRelays implements Relays {
  /** Rises when frames may have been lost. */
  era = 0;
  private road?: Road;
  /** Since when the broker is away, in milliseconds of the clock. */
  private awaySince?: number;
  private owner?: RelayOwner;
  private readonly served: ServedRelays;
  private readonly owned: OwnedRelays;
  private readonly forwards: Forwards;

  constructor(
    private readonly settings: RelaySettings,
    private readonly lines: Pick<
      ClusterLog,
      'cut' | 'relayRefused' | 'relayCut' | 'questionDropped' | 'unanswered' | 'failed'
    >,
    private readonly clock: Clock = systemClock,
  ) {
    const { maxRelays } = settings;
    const road = this.roadOfRelays();
    const options = { openMs: this.deadlineMs, maxRelays, windowBytes: windowOf(settings) };
    this.served = new ServedRelays(options, road.control, road.era, {
      full: road.full,
      cut: (reason) => lines.relayCut(reason),
    });
    this.owned = new OwnedRelays({ maxRelays }, road, () => this.owner);
    this.forwards = this.makeForwards();
  }

  /** How many responses this node serves, and others serve for it. */
  get size(): number {
    return this.served.size + this.owned.size;
  }

  /** MUST be called before anything arrives. */
  start(post: Road['post'], link: Road['link'], peers: Road['peers']): void {
    this.road = { post, link, peers };
  }

  stop(): void {
    this.forwards.stop();
    this.served.stop();
    this.owned.reset();
    this.road = undefined;
  }

  serve(owner: RelayOwner): void {
    this.owner = owner;
  }

  async reach(owner: NodeId): Promise<Reach> {
    const { road, clock, awaySince = -Infinity } = this;
    if (!road) return 'gone';
    if (road.link.isUp) await road.peers.introduced;
    if (!road.peers.has(owner)) return 'gone';
    if (road.link.isUp) return 'there';
    return clock.now() - awaySince < this.settings.nodeLostTime * 1000 ? 'away' : 'gone';
  }

  async forward(owner: NodeId, request: ForwardedRequest): Promise<Outcome | undefined> {
    const outcome = this.road && (await this.forwards.forward(owner, request));
    if (!outcome) this.lines.unanswered('request', [owner]);
    return outcome;
  }

  async open(
    owner: NodeId,
    request: RelayedRequest,
    response: ServedResponse,
  ): Promise<Outcome | 'served' | undefined> {
    return this.road && this.served.open(owner, request, response);
  }

  supersede(owner: NodeId, { tokenDigest, ownerDigests }: Claim): void {
    this.mail(owner, { kind: 'relay', relay: { type: 'superseded', tokenDigest, ownerDigests } });
  }

  /** A frame has come. Never throws. */
  received(from: NodeId, message: RelayMessage): void {
    if (message.kind === 'forward') return this.forwards.received(from, message.forward);
    if (message.kind === 'done') return this.forwards.done(from, message.done);
    if (message.kind === 'relayData') return this.served.data(from, message.data);
    const { relay } = message;
    if (relay.type === 'open') return this.owned.open(from, relay);
    if (relay.type === 'credit') return this.owned.credit(from, relay.id, relay.bytes);
    if (relay.type === 'superseded') return this.owner?.superseded(relay);
    if (relay.type === 'left') return this.owned.left(from, relay.id);
    this.served.received(from, relay);
  }

  /** A node has told its era. */
  isIn(node: NodeId, era: number): void {
    this.served.isIn(node, era);
    this.owned.isIn(node, era);
  }

  /** The link does not wait for another node any more. @param reason what is wrong with it */
  cut(node: NodeId, reason: string): void {
    this.lines.cut(node, reason);
    this.lost(node);
  }

  /** A node is gone. */
  lost(node: NodeId): void {
    this.served.lost(node);
    this.owned.lost(node);
    this.forwards.lost(node);
  }

  /** Frames may have been lost: nothing of before goes on. */
  endEra(): void {
    this.era++;
    this.served.reset();
    this.owned.reset();
  }

  /** The broker is away. */
  down(): void {
    this.awaySince ??= this.clock.now();
    this.endEra();
  }

  /** The broker is there again. */
  up(): void {
    this.awaySince = undefined;
  }

  private get deadlineMs(): number {
    return this.settings.brokerTimeout * 1000;
  }

  private roadOfRelays(): RelayLines {
    return {
      control: (to, relay) => this.mail(to, { kind: 'relay', relay }),
      data: (to, data) => this.mail(to, { kind: 'relayData', data }),
      soon: (task) => this.clock.soon(task),
      era: () => this.era,
      full: (count) => this.lines.relayRefused(count),
    };
  }

  private makeForwards(): Forwards {
    const { clock, deadlineMs, settings, lines } = this;
    return new Forwards(
      { clock, deadlineMs, maxForwards: settings.maxQuestions },
      {
        forward: (to, forward) => this.send(to, { kind: 'forward', forward }),
        done: (to, done) => this.mail(to, { kind: 'done', done }),
        nextId: () => this.road!.post.nextId(),
        take: (request) => this.owner?.take(request) ?? NOBODY,
        full: (waiting) => lines.questionDropped(waiting),
      },
    );
  }

  /** Sends a frame that nobody waits for. */
  private mail(to: NodeId, message: RelayMessage): void {
    if (!this.road?.link.isUp) return;
    try {
      this.send(to, message).catch(() => this.endEra());
    } catch (error) {
      this.lines.failed(message.kind, error);
    }
  }

  /** @throws RealtimeError for what cannot be carried; rejects with LinkError */
  private send(to: NodeId, message: RelayMessage): Promise<unknown> {
    const { post } = this.road!;
    return post.send(post.mail(message, to));
  }
}
