/** Simulated wires between a session of the server and the reference client, and the faults of one schedule. */
import type { Admission, Ticket } from '../../../libs/realtime/src/handshake/admission.js';
import { Sessions } from '../../../libs/realtime/src/handshake/sessions.js';
import { SessionSocket } from '../../../libs/realtime/src/connections/session/session-socket.js';
import type { SessionConnection } from '../../../libs/realtime/src/connections/session/session-connection.js';
import { Frame } from '../../../libs/realtime/src/frame.js';
import { Message } from '../../../libs/realtime/src/message.js';
import type { Sink, Socket } from '../../../libs/realtime/src/transport.js';
import { type ClientWire, SessionClient, type WireEvents } from '../clients/session-client.js';
import { seeded } from '../process-guard.js';
import { FakeClock } from './fake-clock.js';
import { fakeRequestNode } from './fake-request-node.js';

/** The rules of the protocol, each of which can be taken away. Default: all hold. */
export interface Rules {
  readonly isClientDeaf?: boolean;
  readonly isServerDeaf?: boolean;
  readonly saysSeen?: boolean;
  readonly helloSaysSeen?: boolean;
  readonly countsAcks?: boolean;
}

/** How long faults go on, and how long everything then has to settle, in simulated milliseconds. */
const FAULTS_MS = 4000;
const SETTLE_MS = 5000;

/** One wire: what is sent arrives later, in order, until it is cut. */
class ModelWire implements Socket {
  bufferedBytes = 0;
  readonly isFull = false;
  readonly protocol = '';
  readonly sentAt = 0;
  sink?: Sink;
  /** True when the server has ended it, or knows that it is gone. */
  private isCut = false;
  private upAt = 0;
  private downAt = 0;

  constructor(
    private readonly world: World,
    readonly events: WireEvents,
  ) {}

  // --- the server's side ---

  send(frame: Frame): boolean {
    if (this.isCut) return false;
    this.downAt = this.world.later(this.downAt, () => this.events.message(frame.text));
    return true;
  }

  /** Its client finds out a little later. */
  terminate(): void {
    if (this.isCut) return;
    this.isCut = true;
    this.downAt = this.world.later(this.downAt, () => this.events.closed(1006, ''));
  }

  close(code: number): void {
    this.terminate();
    this.sink?.closed(code, '');
  }

  ping(): void {}
  pause(): void {}
  resume(): void {}

  // --- the client's side ---

  up(task: () => void): void {
    this.upAt = this.world.later(this.upAt, task);
  }

  /** The server finds that it is gone. */
  lost(): void {
    this.isCut = true;
    this.sink?.closed(1006, '');
  }
}

class World {
  readonly clock = new FakeClock();
  readonly random: () => number;
  readonly faults: string[] = [];
  private readonly client: SessionClient;
  private session?: SessionSocket;
  private readonly sessions: Sessions;
  private readonly node = fakeRequestNode({ maxReplayBytes: 10_000_000, graceTime: 3600, maxControlRate: 0 });
  private wire?: ModelWire;
  private arrivals = 0;
  private pushed = 0;
  private said = 0;
  private heard = 0;
  private got = 0;

  constructor(
    seed: number,
    private readonly rules: Rules,
  ) {
    this.random = seeded(seed);
    this.sessions = new Sessions(Object.assign(this.node, { broker: {} }));
    this.client = new SessionClient(
      (text) => this.hear(text),
      () => this.clock.after(50, () => this.connect()),
    );
  }

  async run(): Promise<string[]> {
    this.connect();
    for (let at = 10; at < FAULTS_MS; at += this.random() * 20) this.clock.after(at, () => this.talk());
    for (let at = 200; at < FAULTS_MS; at += 100 + this.random() * 400) this.clock.after(at, () => this.fail());
    for (let at = 100; at < FAULTS_MS + SETTLE_MS; at += 100) this.clock.after(at, () => this.client.acknowledge());
    this.clock.after(FAULTS_MS + 200, () => this.connect());
    await this.clock.until(FAULTS_MS + SETTLE_MS);
    if (this.heard !== this.pushed) this.faults.push(`the client heard ${this.heard} of ${this.pushed}`);
    if (this.got !== this.said) this.faults.push(`the server got ${this.got} of ${this.said}`);
    if (this.client.begun > 1) this.faults.push('the session was lost');
    this.session?.terminate();
    return this.faults;
  }

  /** @returns when it happens: after what was sent before on the same wire */
  later(after: number, task: () => void): number {
    const at = Math.max(after, this.clock.now() + this.random() * 30);
    this.clock.after(at - this.clock.now(), task);
    return at;
  }

  private talk(): void {
    if (this.random() < 0.5) this.client.send(String(++this.said));
    else if (this.session) this.session.send(new Frame(String(++this.pushed)));
  }

  /** A cut that both sides see, a half-open wire, or a second wire while the first one lives. */
  private fail(): void {
    const { wire, random } = this;
    const draw = random();
    if (draw < 0.4) {
      wire?.lost();
      if (wire) this.later(0, () => wire.events.closed(1006, ''));
      this.clock.after(random() * 200, () => this.connect());
    } else this.connect();
    if (draw > 0.7 && wire) this.clock.after(random() * 100, () => wire.lost());
  }

  private connect(): void {
    this.client.connect((hello, events) => this.open(hello(), events));
  }

  private open(hello: string, heard: WireEvents): ClientWire {
    const { rules } = this;
    const own = this.client as unknown as { wire?: ClientWire; take(text: string): void; isOpen: boolean };
    const deafLess: WireEvents = { ...heard, message: (text) => own.isOpen && own.take(text) };
    const wire = new ModelWire(this, rules.isClientDeaf === false ? deafLess : heard);
    this.wire = wire;
    wire.up(() => this.greet(wire, JSON.parse(Buffer.from(hello, 'base64url').toString()) as { seen: number }));
    return {
      send: (texts) => texts.forEach((text) => wire.up(() => this.receive(wire, text))),
      close: () => wire.up(() => wire.sink?.closed(1000, '')),
      cut: () => {},
    };
  }

  /** The handshake has arrived. */
  private greet(wire: ModelWire, { seen }: { seen: number }): void {
    const arrival = ++this.arrivals;
    if (!this.session) {
      const owner = { path: '/ws', userId: 'ann', credentials: new Map<string, string>() };
      const facts = { token: 'token', id: 'a.1', owner, protocol: '', arrival };
      this.session = new SessionSocket(facts, this.sessions, this.node);
      wire.sink = this.session.begin(this.connection(), wire, 'websocket');
    } else {
      const ticket: Ticket = { token: 'token', arrival, seen: this.rules.helloSaysSeen === false ? 0 : seen };
      wire.sink = this.session.goOn({ ticket } as Admission, wire, 'websocket');
    }
    if (this.rules.saysSeen === false) this.withoutSeen(wire);
    if (wire.sink) wire.sink.opened();
    else wire.lost();
  }

  private withoutSeen(wire: ModelWire): void {
    const { message } = wire.events;
    (wire.events as { message(text: string): void }).message = (text) =>
      message(text.startsWith('{"event":"rt:open"') ? text.replace(/"seen":\d+/, '"seen":0') : text);
  }

  private receive(wire: ModelWire, text: string): void {
    const control = text.startsWith('{"event":"rt:');
    const sent = control && this.rules.countsAcks ? text.replace('rt:ack', 'rtxack') : text;
    const sink =
      this.rules.isServerDeaf === false ? this.session && { received: this.heardBy(this.session) } : wire.sink;
    sink?.received(new Message(Buffer.from(sent), false));
  }

  private heardBy(session: SessionSocket) {
    return (message: Message) => session.incoming.received(message);
  }

  private connection(): SessionConnection {
    const nothing = () => {};
    return {
      ...{ id: 'a.1', opened: nothing, alive: nothing, drained: nothing, failed: nothing, closed: nothing },
      ...{ detached: nothing, resumed: nothing, received: (message: Message) => this.get(message.text()) },
    };
  }

  private hear(text: string): void {
    if (Number(text) !== this.heard + 1) this.faults.push(`the client heard ${text} after ${this.heard}`);
    this.heard = Number(text);
  }

  private get(text: string): void {
    if (text.startsWith('{')) return;
    if (Number(text) !== this.got + 1) this.faults.push(`the server got ${text} after ${this.got}`);
    this.got = Number(text);
  }
}

/** @returns what went wrong in one schedule, in words */
export function sessionFaults(seed: number, rules: Rules = {}): Promise<string[]> {
  return new World(seed, rules).run();
}
