/**
 * The pushes of this node that are on their way through the broker. Its own members get one when its copy comes back, so
 * that all nodes have one order; nothing is decoded, because the command is still at hand. Road OUT, step 7.
 */
import type { LocalNode } from '../broker.js';
import type { Channel, Command } from '../command.js';
import type { Frame } from '../frame.js';
import { Deadlines } from '../limits/deadlines.js';
import { EVERYWHERE, ONLY_HERE, type Reached } from '../question.js';
import type { RealtimeSettings } from '../settings/settings.js';
import { systemClock } from './clock.js';
import type { ClusterLog } from './cluster-log.js';
import type { Interest } from './interest.js';
import type { Letter, Post } from './post.js';

interface Sent {
  readonly counter: number;
  readonly command: Command;
  readonly bytes: number;
  readonly settle: () => void;
}

export class OwnPushes {
  private readonly sent = new Map<number, Sent>();
  private readonly deadlines: Deadlines<Sent>;
  private bytes = 0;
  /** How many pushes were delivered here without their copy. */
  localOnly = 0;
  /** How many copies came after their push had been delivered. */
  late = 0;

  constructor(
    private readonly local: Pick<LocalNode, 'deliver' | 'size'>,
    private readonly post: Pick<Post, 'push' | 'send'>,
    private readonly interest: Pick<Interest, 'isOn'>,
    private readonly settings: Pick<RealtimeSettings, 'brokerTimeout' | 'maxInFlightBytes'>,
    private readonly lines: Pick<ClusterLog, 'notPublished'>,
  ) {
    this.deadlines = new Deadlines<Sent>(
      settings.brokerTimeout * 1000,
      // Where this process stood still, copies may have come, and are read in the same turn after the timers
      ({ counter }) => systemClock.soon(() => this.now(counter)),
      () => {},
    );
  }

  /** How many pushes are on their way. */
  get size(): number {
    return this.sent.size;
  }

  /**
   * Publishes a push.
   *
   * @returns resolves when the broker has it and the members here do, in its place among the others where possible
   * @throws RealtimeError for what cannot be carried
   */
  publish(command: Command, frame: Frame, isVolatile = false): Promise<Reached> {
    const { channel, except } = command;
    const letter = this.post.push(channel, except, frame, isVolatile);
    // Members whose subscription is not confirmed might miss the copy
    const delivered = this.interest.isOn(channel) ? this.add(letter, command, frame) : this.deliverHere(command);
    return this.post.send(letter).then(
      () => (delivered ? delivered.then(() => EVERYWHERE) : EVERYWHERE),
      (error: unknown) => {
        this.lines.notPublished(channel, error);
        this.failed(channel, letter.counter);
        return ONLY_HERE;
      },
    );
  }

  /** A copy has come back: it is its push's turn. One that was delivered already is dropped. */
  returned(counter: number): void {
    const sent = this.take(counter);
    if (!sent) {
      this.late++;
      return;
    }
    const waits = this.local.deliver(sent.command);
    if (waits) void waits.then(sent.settle);
    else sent.settle();
  }

  /** The broker did not take it, or not in time: the members here get it now, and a copy is dropped. */
  now(counter: number): void {
    const sent = this.take(counter);
    if (!sent) return;
    this.deliverHere(sent.command);
    sent.settle();
  }

  /** Delivers a push without its copy, if it has members here. */
  deliverHere(command: Command): undefined {
    if (this.local.size(command.channel) === 0) return;
    this.localOnly++;
    void this.local.deliver(command);
  }

  /** The broker is away: everything is delivered, in its order. */
  down(): void {
    for (const counter of [...this.sent.keys()]) this.now(counter);
  }

  /** Not published: it is delivered after those before it on its channel, whose own fate may not be known yet. */
  private failed(channel: Channel, counter: number): void {
    if (!this.sent.has(counter)) return;
    for (const { counter: earlier, command } of this.sent.values()) {
      if (earlier > counter) break;
      if (command.channel === channel) this.now(earlier);
    }
  }

  /** @returns resolves when it is delivered here; undefined when it is longer than all that may be on its way */
  private add({ counter, bytes }: Letter, command: Command, frame: Frame): Promise<void> | undefined {
    this.makeRoom(bytes.length);
    if (bytes.length > this.settings.maxInFlightBytes) return this.deliverHere(command);
    frame.keep();
    this.bytes += bytes.length;
    return new Promise((settle) => {
      const sent = { counter, command, bytes: bytes.length, settle };
      this.sent.set(counter, sent);
      this.deadlines.add(sent);
    });
  }

  /** Delivers the oldest without their copies, so that the order stays, until so many bytes more may be on their way. */
  private makeRoom(bytes: number): void {
    for (const counter of this.sent.keys()) {
      if (this.bytes + bytes <= this.settings.maxInFlightBytes) return;
      this.now(counter);
    }
  }

  private take(counter: number): Sent | undefined {
    const sent = this.sent.get(counter);
    if (!sent) return undefined;
    this.sent.delete(counter);
    this.deadlines.delete(sent);
    this.bytes -= sent.bytes;
    return sent;
  }
}
