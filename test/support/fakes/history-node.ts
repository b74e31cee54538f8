/** A simulated node: the stream of the room, a connection that subscribes, one that asks, and the clients on it. */
import type { Position } from '../../../libs/realtime/src/position.js';
import type { RoomMember } from '../../../libs/realtime/src/history/room-member.js';
import type { RoomStream } from '../../../libs/realtime/src/history/room-stream.js';
import type { TopCheck } from '../../../libs/realtime/src/history/top-check.js';
import type { Clock } from '../../../libs/realtime/src/cluster/clock.js';
import { SimCommands } from './history-commands.js';
import { type Dice, isEntry, type SimEngine, type SimItem, type SimOther } from './history-engine.js';
import type { NodeOptions } from './history-node-options.js';

export class SimNode {
  stream!: RoomStream<SimOther>;
  /** Told of everything without a position. */
  readonly clients = new Set<{
    other(other: SimOther, isMember: boolean): void;
    lost(): void;
    readonly member: RoomMember;
  }>();
  /** Grows when the process starts again. */
  life = 0;
  isStopped = false;
  isConnected = false;
  isSlow = false;
  /** Whether the node knows that its subscription holds. */
  isKnownUp = false;
  /** Grows when the process starts again, or has been stopped. */
  interruptions = 0;
  /** Grows with everything that may keep from this node what was pushed. */
  disturbances = 0;
  private isWedged = false;
  /** What has arrived without a position, and was not delivered yet. */
  private readonly kept = new Set<SimOther>();
  private readonly backlog: (() => void)[] = [];
  private check!: TopCheck;
  private wire = 0;
  private readonly commands: SimCommands;
  private lastAt = 0;
  private readonly dice: Dice;

  constructor(
    readonly engine: SimEngine,
    private readonly options: NodeOptions,
  ) {
    this.dice = engine.dice;
    this.commands = new SimCommands(engine, this, options.roundTripMs);
    engine.listeners.add((item) => this.carry(item));
    this.start();
  }

  /** Runs a task now, or when the node goes on. */
  act(task: () => void): void {
    if (this.isStopped) this.backlog.push(task);
    else task();
  }

  /** Stops the process, as SIGSTOP does. */
  stop(ms: number): void {
    this.isStopped = true;
    this.interruptions++;
    this.engine.clock.after(ms, () => {
      this.isStopped = false;
      for (const task of this.backlog.splice(0)) this.act(task);
    });
  }

  kill(): void {
    for (const client of [...this.clients]) client.lost();
    this.clients.clear();
    this.backlog.length = 0;
    this.kept.clear();
    this.life++;
    this.interruptions++;
    this.commands.cut();
    this.isKnownUp = false;
    this.cut();
    this.start();
  }

  /** The connection that subscribes is lost. */
  cut(): void {
    this.disturbances++;
    this.wire++;
    this.isWedged = false;
    const { life } = this;
    if (this.isConnected) {
      this.act(() => {
        if (life !== this.life) return;
        this.isKnownUp = false;
        this.stream.down();
        this.checkKept();
      });
    }
    this.isConnected = false;
    this.engine.clock.after(20 + this.dice.upTo(2000), () => this.connect());
  }

  /** The connection that asks is lost. */
  cutCommands(): void {
    this.commands.cut();
  }

  /** Nothing arrives any more, until that is found. */
  wedge(): void {
    this.disturbances++;
    this.isWedged = true;
    const { wire } = this;
    this.engine.clock.after(this.dice.upTo(15_000), () => wire === this.wire && this.cut());
  }

  /** Something may have been lost, and the subscription holds again. */
  gap(): void {
    if (!this.isKnownUp) return;
    this.disturbances++;
    this.isWedged = true;
    const { wire } = this;
    this.engine.clock.after(this.dice.upTo(300), () => {
      if (wire !== this.wire) return;
      this.isWedged = false;
      this.inOrder(() => this.rise());
    });
  }

  push(except: readonly string[], then: (position: Position) => void): void {
    void this.commands
      .ask(() => this.engine.append(except))
      .then(
        ({ position }) => {
          this.stream.appended(position);
          this.expect(position);
          then(position);
        },
        () => {},
      );
  }

  /** What a node has appended itself, it does not miss for longer than two seconds without a read. */
  private expect({ n }: Position): void {
    const { interruptions } = this;
    const isMissed = () => {
      const { position, isLive } = this.stream;
      const isUsual = interruptions === this.interruptions && !this.engine.hasLost;
      return isUsual && isLive && position && position.n < n;
    };
    this.engine.clock.after(1001, () => {
      const { reads } = this.stream;
      if (!isMissed()) return;
      this.engine.clock.after(2001, () => {
        if (isMissed() && reads === this.stream.reads) this.options.fault('an own append that is missed');
      });
    });
  }

  publish(other: SimOther): void {
    if (!this.isKnownUp) return this.other(other);
    void this.commands.ask(() => this.engine.publish(other)).catch(() => {});
  }

  private other(other: SimOther): void {
    this.kept.add(other);
    this.stream.other(other);
    this.checkKept();
  }

  /** Nobody waits for a broker that is away. */
  private checkKept(): void {
    if (!this.isKnownUp && this.kept.size > 0) this.options.fault('a volatile push that waits for the broker');
  }

  private start(): void {
    const { classes, bounds, tailBytes } = this.options;
    const { life } = this;
    const clock: Clock = {
      now: () => this.engine.clock.now(),
      after: (ms, task) => this.engine.clock.after(ms, () => life === this.life && this.act(task)),
      soon: (task) => this.engine.clock.soon(() => life === this.life && this.act(task)),
    };
    this.stream = new classes.RoomStream<SimOther>({
      read: (limit) => this.commands.ask(() => this.engine.read(limit)),
      arrived: () => this.commands.askThere((answer) => this.isHeard && this.inOrder(answer)),
      deliver: (other, hears) => {
        this.kept.delete(other);
        for (const client of [...this.clients]) client.other(other, hears(client.member));
      },
      clock,
      tails: new classes.Tails({ maxBytes: tailBytes, maxTotalBytes: tailBytes }),
      bounds,
    });
    this.check = new classes.TopCheck(() => this.commands.ask(() => [this.engine.top]), clock, this.dice.random);
    this.check.add('r:room', this.stream);
    this.connect();
  }

  private connect(): void {
    if (this.isConnected) return;
    const { wire } = this;
    const again = () => wire === this.wire && this.connect();
    if (!this.engine.isUp) return this.engine.clock.after(100, again);
    this.isConnected = true;
    this.lastAt = 0;
    // What is subscribed delivers before everything is
    this.engine.clock.after(this.dice.upTo(500), () => {
      if (wire !== this.wire || !this.isConnected) return;
      this.inOrder(() => {
        this.rise();
        this.check.now();
      });
    });
  }

  private rise(): void {
    this.isKnownUp = true;
    this.stream.up();
  }

  private get isHeard(): boolean {
    return this.isConnected && !this.isWedged && this.engine.isUp;
  }

  /** What was published comes over the subscription. */
  private carry(item: SimItem): void {
    if (!this.isHeard) return;
    const { faults } = this.options;
    if (this.dice.chance(faults)) return;
    const arrive = () => (isEntry(item) ? this.stream.entry(item) : this.other(item));
    this.inOrder(arrive);
    if (isEntry(item) && this.dice.chance(faults)) this.arriveAt(this.engine.clock.now() + this.dice.upTo(500), arrive);
  }

  private inOrder(task: () => void): void {
    const { clock } = this.engine;
    const lagMs = this.dice.upTo(this.options.lagMs * (this.isSlow ? 100 : 1));
    const isAhead = this.dice.chance(this.options.faults);
    const at = isAhead ? clock.now() + lagMs : Math.max(this.lastAt, clock.now() + lagMs);
    this.lastAt = Math.max(this.lastAt, at);
    this.arriveAt(at, task);
  }

  private arriveAt(at: number, task: () => void): void {
    const { wire } = this;
    this.engine.clock.after(at - this.engine.clock.now(), () => wire === this.wire && this.act(task));
  }
}
