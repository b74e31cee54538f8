/** A simulated library client, and the judge of what it gets: every entry once, in the one order, or it was told. */
import { before, placeOf, type Position, positionText } from '../../../libs/realtime/src/position.js';
import type { Gap, Joined } from '../../../libs/realtime/src/history/room-member.js';
import type { Sent, SimConnection } from './history-connection.js';
import type { SimEntry, SimEngine, SimOther } from './history-engine.js';
import type { SimNode } from './history-node.js';

export interface ClientWorld {
  readonly engine: SimEngine;
  /** order: whether what has no position must come at its place. */
  readonly checks: { readonly order: boolean };
  readonly fault: (what: string) => void;
  readonly choose: () => SimNode;
  readonly connect: (id: string, client: SimClient, node: SimNode) => SimConnection;
}

export class SimClient {
  connection?: SimConnection;
  /** Grows each time that it leaves the room: what was sent before does not count. */
  visit = 0;
  readonly was: string[] = [];
  readonly log: string[] = [];
  told = 0;
  recovered = 0;
  /** What it would send in a hello. */
  position?: Position;
  /** With what it has joined: without a position, what comes before it has joined begins anywhere. */
  private since?: Position;
  /** Where the room stood when it came without a position, and what had disturbed the node by then. */
  private start?: { readonly top?: Position; readonly disturbances: number };
  private seen = new Set<number>();
  private count = 0;

  constructor(
    readonly name: string,
    private readonly world: ClientWorld,
  ) {}

  get fault(): (what: string) => void {
    return this.world.fault;
  }

  private get engine(): SimEngine {
    return this.world.engine;
  }

  connect(): void {
    const node = this.world.choose();
    if (node.isStopped) return this.engine.clock.after(50, () => this.connect());
    const id = `${this.name}.${++this.count}`;
    const { position } = this;
    this.connection = this.world.connect(id, this, node);
    this.log.push(`| ${position ? positionText(position) : '-'}`);
    this.join(this.connection, position);
    this.was.push(id);
  }

  disconnected(connection: SimConnection): void {
    if (this.connection === connection) this.connection = undefined;
    this.engine.clock.after(this.engine.dice.upTo(this.engine.dice.chance(0.3) ? 8000 : 300), () => {
      if (!this.connection) this.connect();
    });
  }

  isKicked(): boolean {
    return this.engine.dice.chance(0.5);
  }

  left(connection: SimConnection): void {
    this.visit++;
    this.restart(undefined, 'left');
    this.engine.clock.after(this.engine.dice.upTo(3000), () => {
      if (connection.isOpen) this.join(connection, undefined);
    });
  }

  private join(connection: SimConnection, since: Position | undefined): void {
    this.since = since;
    connection.join(since);
  }

  /** It has joined without a position: what is pushed from now on is for it. */
  came({ disturbances }: SimNode): void {
    this.start = { top: this.engine.top, disturbances };
  }

  got(sent: Sent): void {
    if (sent.kind === 'entry') this.gotEntry(sent.entry, sent.isReplay);
    else if (sent.kind === 'at') this.moveTo(sent.position, 'silent loss before a position');
    else if (sent.kind === 'gap') this.gotGap(sent.gap);
    else if (sent.kind === 'joined') this.gotJoined(sent.joined);
    else if (sent.hasPlace) this.gotOther(sent.other);
  }

  /** True when nothing between two positions is for this client. */
  spans(from: Position, to: Position): boolean {
    let at = to;
    while (at.n > from.n) {
      const entry = this.engine.entryAt(at);
      if (!entry?.message.except.some((id) => this.was.includes(id))) return false;
      at = before(entry.position);
    }
    return at.n === from.n && at.tag === from.tag;
  }

  private gotEntry({ position, message }: SimEntry, isReplay: boolean): void {
    this.log.push(positionText(position));
    if (this.seen.has(message.id)) this.fault('an entry twice');
    this.seen.add(message.id);
    const excepted = isReplay ? this.was : this.was.slice(-1);
    if (message.except.some((id) => excepted.includes(id))) this.fault('an entry that was not for it');
    if (!this.position && (this.since || !isReplay)) this.fault('an entry before it knows where it stands');
    else if (this.position && !this.spans(this.position, before(position))) this.fault('a silent loss');
    this.position = placeOf(position);
  }

  private moveTo(position: Position, fault: string): void {
    this.log.push(`at ${positionText(position)}`);
    if (this.position && !this.spans(this.position, position)) this.fault(fault);
    this.position = position;
  }

  private gotGap({ reason, since, position }: Gap): void {
    this.told++;
    if (this.position && (since?.n !== this.position.n || since.tag !== this.position.tag))
      this.fault(`a gap (${reason}) since elsewhere`);
    this.checkReason(reason, position, !this.connection?.hasBeenSlow);
    this.restart(position, `[${reason}]`);
  }

  private gotJoined({ position, recovered, reason }: Joined): void {
    this.log.push(`(${recovered} ${reason ?? ''})`);
    if (recovered) {
      this.recovered++;
      if (!position) this.fault('recovered without a position');
      else this.moveTo(position, 'a wrong "recovered: true"');
      return;
    }
    if (recovered === false) this.told++;
    if (recovered === undefined && this.since) this.fault('not told whether it has recovered');
    if (reason) this.checkReason(reason);
    else if (!this.since && position) this.checkStart(position);
    if (!this.since && this.position && position && !reason) this.moveTo(position, 'a silent loss while it joins');
    else this.restart(position, 'joined');
  }

  /** Nothing that was pushed since it came is missing, unless it is kept no more. */
  private checkStart(position: Position): void {
    const { start, engine, connection } = this;
    const { base } = engine;
    if (!start?.top || !base || !connection || start.disturbances !== connection.node.disturbances) return;
    if (engine.hasLost || !this.world.checks.order || start.top.n < base.n) return;
    for (let at = position; at.n > start.top.n;) {
      const entry = engine.entryAt(at);
      if (!entry) return;
      const isFor = !entry.message.except.some((id) => this.was.includes(id));
      if (isFor && !this.seen.has(entry.message.id)) this.fault('a push since it came that is missing');
      at = before(entry.position);
    }
  }

  private checkReason(reason: string, position?: Position, isGap = false): void {
    if (reason === 'reset' && !this.engine.hasLost) this.fault('a reset, though nothing was lost');
    const { base } = this.engine;
    const isOld = !this.position || !base || this.position.n < base.n;
    if (reason === 'expired' && !this.engine.hasLost && !isOld) this.fault('an expiry of what is still kept');
    if (reason === 'expired' && isGap && !this.engine.hasLost && position && base && position.n > base.n)
      this.fault('an expiry that skips what is kept');
  }

  private restart(position: Position | undefined, why: string): void {
    this.log.push(`${why} ${position ? positionText(position) : '?'}`);
    this.seen = new Set();
    this.position = position;
  }

  /** What was pushed after an entry comes after it, or after a gap, as long as the subscription holds. */
  private gotOther({ kind, after }: SimOther): void {
    const { position } = this;
    if (!this.world.checks.order || !position) return;
    const isPast = this.engine.isPast(after) && this.engine.isPast(position);
    if (after.n > position.n && isPast && !this.spans(position, after)) {
      this.fault(`a ${kind} before an entry that was pushed before it`);
    }
  }
}
