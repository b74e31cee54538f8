/**
 * A server of `realtime.v1` for the client's tests: it counts, acknowledges and resumes as the real one does, over
 * WebSockets that lose what is on its way when they end.
 */
import type { FakeWebSocket, FakeWorld, Fields } from './client-world.js';

interface Kept {
  readonly n: number;
  readonly text: string;
}

/** One connection on the server. */
class ServerSession {
  seen = 0;
  sent = 0;
  unacknowledged: Kept[] = [];
  wire: FakeWebSocket | undefined;

  constructor(readonly id: string) {}
}

export class FakeServer {
  /** What clients said, in order: the `data` of their events. */
  readonly heard: unknown[] = [];
  /** How many connections were opened. */
  opened = 0;
  /** How long a message is on its way, in milliseconds. */
  latency: () => number = () => 10;
  /** Called instead of accepting a WebSocket. */
  refuse: ((socket: FakeWebSocket) => void) | undefined;
  private sessions = new Map<string, ServerSession>();

  constructor(private readonly world: FakeWorld) {
    world.dialled = (socket) => this.later(socket, () => (this.refuse ? this.refuse(socket) : this.accept(socket)));
  }

  /** The session of the newest connection. */
  get session(): ServerSession | undefined {
    return [...this.sessions.values()].at(-1);
  }

  /** Pushes an event to the newest connection. */
  push(data: unknown): void {
    if (this.session) this.send(this.session, JSON.stringify({ event: 'push', data }));
  }

  /** Loses all sessions, as a process that dies does. */
  restart(): void {
    for (const session of this.sessions.values()) {
      session.wire?.end();
      session.wire = undefined;
    }
    this.sessions = new Map();
  }

  private accept(socket: FakeWebSocket): void {
    const { session: token, seen } = socket.hello as Fields;
    const known = this.sessions.get(String(token));
    const session = known ?? new ServerSession(`n.${++this.opened}`);
    const secret = known ? String(token) : `s${this.opened}`;
    this.sessions.set(secret, session);
    // The fence: the wire before is cut, and whatever it still carries is not counted any more
    const before = session.wire;
    session.wire = socket;
    this.world.clock.after(this.latency(), () => before?.end());
    session.unacknowledged = session.unacknowledged.filter(({ n }) => n > Number(seen ?? 0));
    const open = { id: session.id, session: secret, resumed: Boolean(known), seen: session.seen, ping: 25_000 };
    socket.accept();
    this.put(socket, JSON.stringify({ event: 'rt:open', data: { ...open, maxBytes: 1e6 } }));
    for (const { text } of session.unacknowledged) this.put(socket, text);
    let last = this.world.clock.now();
    socket.heard = (data) => {
      const at = (last = Math.max(last, this.world.clock.now() + this.latency()));
      this.world.clock.after(at - this.world.clock.now(), () => {
        if (session.wire === socket && (socket.readyState === 1 || socket.closedWith)) this.hear(session, String(data));
      });
    };
  }

  private hear(session: ServerSession, text: string): void {
    const { event, data, id } = JSON.parse(text) as Fields;
    if (event === 'rt:ack') {
      session.unacknowledged = session.unacknowledged.filter(({ n }) => n > (data as { n: number }).n);
    } else if (event === 'rt:ping') this.put(session.wire!, '{"event":"rt:pong"}');
    else {
      session.seen++;
      this.heard.push(data);
      if (session.seen % 32 === 0) this.put(session.wire!, `{"event":"rt:ack","data":{"n":${session.seen}}}`);
      if (id !== undefined) this.send(session, JSON.stringify({ event, data, id }));
    }
  }

  private send(session: ServerSession, text: string): void {
    session.unacknowledged.push({ n: ++session.sent, text });
    if (session.wire) this.put(session.wire, text);
  }

  private readonly lasts = new WeakMap<FakeWebSocket, number>();

  /** On a wire nothing overtakes. */
  private put(socket: FakeWebSocket, text: string): void {
    const now = this.world.clock.now();
    const at = Math.max(this.lasts.get(socket) ?? 0, now + this.latency());
    this.lasts.set(socket, at);
    this.world.clock.after(at - now, () => socket.readyState === 1 && socket.raw(text));
  }

  private later(socket: FakeWebSocket, task: () => void): void {
    this.world.clock.after(this.latency(), () => socket.readyState === 0 && task());
  }
}
