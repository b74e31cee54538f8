/** The rooms that the server has put this client into: where it stands in their history, and who is present. */
import type { Contract } from './contract.js';
import { Listeners } from './listeners.js';

/** Why messages of a room are missing. */
export type GapReason = 'expired' | 'reset' | 'limit' | 'unavailable';

/** Messages were missed, and cannot be recovered: read the state again. */
export interface Gap {
  readonly room: string;
  readonly reason: GapReason;
}

/** A user who is present in a room. */
export interface Present<State = unknown> {
  readonly id: string;
  readonly state?: State;
  /** For how long, in milliseconds, when the server said it. */
  readonly sinceMs?: number;
  /** How many connections the user has in the room. */
  readonly connections?: number;
}

/** The events of a room. */
export interface RoomEvents<State = unknown> {
  /** The server has put this client into the room. */
  joined: [];
  /** Everything that was missed while the client was away has been delivered. */
  recovered: [];
  gap: [gap: Gap];
  left: [];
  /** Who is present has changed. */
  presence: [users: ReadonlyMap<string, Present<State>>];
}

/** The fields of the server's own events about rooms. */
interface Notice {
  readonly room?: string;
  readonly user?: boolean;
  readonly key?: string;
  readonly position?: string;
  readonly recovered?: boolean;
  readonly reason?: GapReason;
  readonly users?: readonly Present[];
  readonly next?: unknown;
  readonly join?: readonly Present[];
  readonly update?: readonly Present[];
  readonly leave?: readonly string[];
}

/** One room, as this client sees it. The server decides who is in it. */
export class Room<C extends Contract = Contract> {
  #listeners = new Listeners();
  #users = new Map<string, Present>();
  /** More pages of the present users follow. */
  #isPaging: boolean | undefined;
  /** @internal */
  key: string | undefined;
  /** Where this client stands in the room's history: opaque; undefined in a room without history. */
  position: string | undefined;
  /** True while the server has this client in the room; known for rooms with history or presence. */
  isJoined = false;

  /** @internal Made by `socket.room()`. */
  constructor(readonly name: string) {}

  /** The users who are present, where the room has presence. */
  get presence(): ReadonlyMap<string, Present<C['presence']>> {
    return this.#users;
  }

  /**
   * Listens to the room.
   *
   * @example socket.room('chat:1').on('gap', () => reload());
   */
  on<E extends keyof RoomEvents>(event: E, listener: (...args: RoomEvents<C['presence']>[E]) => void): this {
    this.#listeners.on(event, listener as never);
    return this;
  }

  /** Stops a listener. */
  off<E extends keyof RoomEvents>(event: E, listener: (...args: RoomEvents<C['presence']>[E]) => void): this {
    this.#listeners.off(event, listener as never);
    return this;
  }

  /** @internal Takes a position before its message is handled. @returns false for a message that was there before */
  moved(position: string): boolean {
    if (parseInt(position) <= parseInt(this.position!)) return false;
    this.position = position;
    return true;
  }

  /** @internal */
  noticed(event: string, notice: Notice): void {
    const tell = (name: keyof RoomEvents, ...args: unknown[]) => this.#listeners.tell(name, ...args);
    const { position = this.position, key, recovered, reason = 'limit' } = notice;
    // Only a room with a key was in the hello: messages of the first join come before it
    const had = this.key && this.position;
    this.position = position;
    let isGap = event === 'rt:gap';
    if (event === 'rt:joined') {
      this.key = key;
      this.isJoined = true;
      tell('joined');
      if (recovered) tell('recovered');
      isGap = !recovered && (had ?? recovered) !== undefined;
    }
    if (isGap) tell('gap', { room: this.name, reason });
    if (event === 'rt:left') this.#left();
    else if (event === 'rt:presence') this.#present(notice);
  }

  #left(): void {
    this.position = this.key = undefined;
    this.isJoined = false;
    this.#users = new Map();
    this.#listeners.tell('left');
  }

  /** A page of everyone, or what has changed. */
  #present({ users, next, join = users ?? [], update = [], leave = [] }: Notice): void {
    const now = new Map(users && !this.#isPaging ? [] : this.#users);
    if (users) this.#isPaging = next !== undefined;
    for (const user of [...join, ...update]) now.set(user.id, { ...now.get(user.id), ...user });
    for (const id of leave) now.delete(id);
    this.#users = now;
    this.#listeners.tell('presence', now);
  }
}

/** A message from the server. */
export interface Incoming {
  readonly event: string;
  readonly data?: unknown;
  readonly id?: string;
  readonly room?: string;
  /** It belongs to the history of this client's user. */
  readonly user?: boolean;
  readonly position?: string;
}

/** All rooms of a client. */
export class Rooms {
  /** The history of the client's own user. */
  readonly user = new Room('');
  /** How many messages came twice. */
  repeated = 0;
  /** By name, the one that was silent for longest first. */
  #rooms = new Map<string, Room>();

  get(name: string): Room {
    const room = this.#rooms.get(name) ?? new Room(name);
    this.#rooms.set(name, room);
    return room;
  }

  /** @returns false when the message is not for the application: it is about a room, or came before */
  received(message: Incoming): boolean {
    const { event, data = {}, position } = message;
    if (event.startsWith('rt:') && event !== 'rt:raw') {
      this.#find(data as Notice)?.noticed(event, data as Notice);
      return false;
    }
    const isNew = position === undefined || (this.#find(message)?.moved(position) ?? true);
    if (!isNew) this.repeated++;
    return isNew;
  }

  /** Fields of the hello. @param left how many characters it has for rooms: what was silent for longest is left out */
  hello(left: number): { rooms: Record<string, string>; user: string | undefined } {
    const rooms: Record<string, string> = {};
    for (const { key, position } of [...this.#rooms.values()].reverse()) {
      if (key && position && (left -= key.length + position.length + 6) > 0) rooms[key] = position;
    }
    return { rooms, user: this.user.position };
  }

  #find({ room, user }: Notice): Room | undefined {
    if (user) return this.user;
    if (room === undefined) return undefined;
    const found = this.get(room);
    this.#rooms.delete(room);
    this.#rooms.set(room, found);
    return found;
  }
}
