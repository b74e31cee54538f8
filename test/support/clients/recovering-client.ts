/** A client of the library that notes what it gets of its rooms, and what it is told about them. */
import { connect, type GapReason, type RealtimeSocket } from 'nestjs-realtime-client';
import { WebSocket } from 'ws';
import type { Transport } from '../../../libs/realtime-client/src/wire.js';

interface Contract {
  server: { n: number };
  client: Record<string, never>;
}

/** One thing that happened in one room, as the application sees it. */
export interface Seen {
  /** An entry; or the position after a join, after a gap, or after a recovery. */
  readonly what: 'entry' | 'joined' | 'recovered' | GapReason;
  /** `<n>.<tag>`; undefined when nobody knows where the client stands. */
  readonly position: string | undefined;
  /** Of an entry: when it was pushed. Otherwise: when it was told. In milliseconds since 1970. */
  readonly at: number;
}

export class RecoveringClient {
  readonly logs = new Map<string, Seen[]>();
  /** How often it has opened a wire, and how often its connection has gone on with it. */
  opened = 0;
  resumed = 0;
  /** Why it has given up, if it has. */
  readonly closed: string[] = [];
  private isOver = false;
  private readonly socket: RealtimeSocket<Contract>;

  /** @param url for example `http://127.0.0.1:3000/ws` */
  constructor(
    readonly name: string,
    url: string,
    readonly transport: Transport,
    readonly rooms: readonly string[],
  ) {
    const query = rooms.map((room) => `room=${encodeURIComponent(room)}`).join('&');
    this.socket = connect<Contract>(`${url}?${query}`, { transports: [transport], WebSocket: WebSocket as never });
    for (const room of rooms) this.listen(room);
    this.socket.on('n', (at, { room, position }) => this.logs.get(room!)?.push({ what: 'entry', position, at }));
    this.socket.onState((state) => {
      if (state.status === 'closed' && !this.isOver) this.closed.push(`${state.code} ${state.reason}`);
      if (state.status !== 'open') return;
      this.opened++;
      if (state.isResumed) this.resumed++;
    });
  }

  get isOpen(): boolean {
    return this.socket.state.status === 'open';
  }

  get state(): unknown {
    return this.socket.state;
  }

  get duplicates(): number {
    return this.socket.duplicates;
  }

  /** Where it stands in each of its rooms. */
  get positions(): (string | undefined)[] {
    return this.rooms.map((room) => this.socket.room(room).position);
  }

  /** Moves to a wire of the same transport, as after a lost network. */
  again(): void {
    this.socket.use(this.transport);
  }

  close(): void {
    this.isOver = true;
    this.socket.close();
  }

  private listen(name: string): void {
    const log: Seen[] = [];
    this.logs.set(name, log);
    const room = this.socket.room(name);
    const note = (what: Seen['what']) => void log.push({ what, position: room.position, at: Date.now() });
    room.on('joined', () => note('joined'));
    room.on('recovered', () => note('recovered'));
    room.on('gap', ({ reason }) => note(reason));
  }
}
