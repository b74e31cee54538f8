/** WebSocket clients of numbered streams: each number of a stream has to come once and in order while one is a member. */
import { WebSocket } from 'ws';

/** One stay in a room, from the join to the leave or the end of the connection. */
interface Stay {
  readonly room: string;
  readonly who: string;
  /** From then on nothing may be missed, in milliseconds since 1970. */
  since: number;
  /** The first and the last number that came, by stream. */
  readonly first: Map<string, number>;
  readonly last: Map<string, number>;
}

/** What all clients of a run have seen together. */
export class Ledger {
  /** What should not have happened, in words. */
  readonly faults: string[] = [];
  received = 0;
  private readonly stays: Stay[] = [];
  /** When each number was pushed, by stream: the room and the process that pushes. Of a killed one: what has come. */
  private readonly pushedAt = new Map<string, number[]>();

  begin(room: string, who: string): Stay {
    const stay = { room, who, since: Infinity, first: new Map(), last: new Map() };
    this.stays.push(stay);
    return stay;
  }

  /** A number has come. */
  take(stay: Stay, stream: string, number: number, pushedAt: number): void {
    this.received++;
    this.timesOf(stream)[number] = pushedAt;
    const last = stay.last.get(stream);
    if (last === undefined) stay.first.set(stream, number);
    else if (number !== last + 1) this.faults.push(`${stay.who}: ${stream} has ${number} after ${last}`);
    stay.last.set(stream, number);
  }

  /** What a process says that it has pushed. */
  pushed(stream: string, times: readonly number[]): void {
    this.pushedAt.set(stream, [...times]);
  }

  /** @returns the streams whose last number has not come, in words */
  behind({ room, who, since, last }: Stay): string[] {
    const ends = [...this.pushedAt].map(([stream, times]) => ({ stream, end: times.length - 1, at: times.at(-1)! }));
    return ends
      .filter(({ stream, end, at }) => stream.startsWith(`${room} `) && at > since && last.get(stream) !== end)
      .map(({ stream, end }) => `${who}: ${stream} ends with ${last.get(stream)}, not with ${end}`);
  }

  /** Reports stays that began too late. */
  checkStarts(): void {
    for (const { who, since, first } of this.stays) {
      for (const [stream, number] of first) {
        const lateMs = (this.timesOf(stream)[number - 1] ?? 0) - since;
        if (lateMs > 0)
          this.faults.push(`${who}: ${stream} begins with ${number}; the one before came ${lateMs} ms after the join`);
      }
    }
  }

  private timesOf(stream: string): number[] {
    const times = this.pushedAt.get(stream) ?? [];
    this.pushedAt.set(stream, times);
    return times;
  }
}

export class StreamClient {
  private readonly stays = new Map<string, Stay>();
  /** Rooms whose join or leave is not answered yet. */
  private readonly changing = new Set<string>();
  private socket?: WebSocket;
  /** How often it has connected. */
  connections = 0;

  constructor(
    private readonly name: string,
    private readonly ledger: Ledger,
    /** Called when a join of its own is done. */
    private readonly hasJoined: (room: string) => void,
  ) {}

  /** Connects with rooms of its handshake. @returns false when it was refused; @param ended called when it is lost */
  connect(port: number, rooms: readonly string[], ended: (code: number) => void): Promise<boolean> {
    const query = rooms.map((room) => `room=${room}`).join('&');
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws?${query}`, { perMessageDeflate: false });
    for (const room of rooms) this.stays.set(room, this.ledger.begin(room, this.name));
    socket.on('error', () => {});
    socket.on('message', (data: Buffer) => this.take(data.toString()));
    return new Promise((resolve) => {
      socket.once('open', () => {
        this.connections++;
        this.socket = socket;
        for (const stay of this.stays.values()) stay.since = Date.now();
        resolve(true);
      });
      socket.once('close', (code) => {
        const wasOpen = this.socket === socket;
        this.forget();
        if (wasOpen) ended(code);
        else resolve(false);
      });
    });
  }

  /** Joins the room, or leaves it, unless it is doing so already. */
  toggle(room: string): void {
    if (!this.socket || this.changing.has(room)) return;
    this.changing.add(room);
    const isIn = this.stays.has(room);
    if (!isIn) this.stays.set(room, this.ledger.begin(room, this.name));
    this.socket.send(`${isIn ? 'leave' : 'join'} ${room}`);
  }

  /** @returns what it still waits for, in words */
  behind(): string[] {
    const changing = [...this.changing].map((room) => `${this.name}: ${room} has no answer`);
    return [...changing, ...[...this.stays.values()].flatMap((stay) => this.ledger.behind(stay))];
  }

  close(): void {
    const { socket } = this;
    this.forget();
    socket?.terminate();
  }

  private take(text: string): void {
    const [verb, room, ...others] = text.split(' ') as [string, string, ...string[]];
    if (verb === 'join') return this.joined(room, Number(others[0]));
    if (verb === 'leave') return this.left(room);
    const [number, pushedAt] = others.map(Number) as [number, number];
    const stay = this.stays.get(verb);
    if (stay) this.ledger.take(stay, `${verb} ${room}`, number, pushedAt);
    else this.ledger.faults.push(`${this.name}: ${text} came after the leave`);
  }

  private joined(room: string, at: number): void {
    this.changing.delete(room);
    this.stays.get(room)!.since = at;
    this.hasJoined(room);
  }

  private left(room: string): void {
    this.changing.delete(room);
    this.stays.delete(room);
  }

  private forget(): void {
    this.socket = undefined;
    this.stays.clear();
    this.changing.clear();
  }
}
