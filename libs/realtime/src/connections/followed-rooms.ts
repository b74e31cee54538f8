/** Road OUT, step 9: the rooms with history that one connection is in, and what its client said of where it stands. */
import { createHash } from 'node:crypto';
import { type Channel, channelOf } from '../command.js';
import { ReadyState } from '../connection.js';
import { NoticeFrame, type Frame, ONLY_A_PLACE } from '../frame.js';
import type { HandshakeRequest } from '../handshake-request.js';
import type { Entry } from '../history.js';
import type { Gap } from '../history/room-member.js';
import { type EventId, parseEventId, parsePlaces, USER_KEY } from '../http/event-id.js';
import type { NodeConnection } from '../node/answers.js';
import type { Histories } from '../node/histories.js';
import type { Node } from '../node/node.js';
import type { Position } from '../position.js';
import type { Place } from '../transport.js';
import type { Outbox } from './outbox.js';
import { type Dialect, type RoomClient, type RoomLabel, RoomOutput } from './room-output.js';

type Said = Pick<EventId, 'rooms' | 'user' | 'isPartial'>;

const NOTHING: Said = { rooms: new Map(), isPartial: false };
const NOBODY: readonly string[] = [];

interface Followed {
  readonly output: RoomOutput;
  readonly whenJoined: Promise<void> | undefined;
}

export class FollowedRooms implements RoomClient {
  readonly dialect: Dialect;
  readonly hasPositions: boolean;
  readonly isPartial: boolean;
  readonly was: readonly string[];
  private readonly rooms = new Map<Channel, Followed>();
  /** What the client said; forgotten once `onOpen` has settled. */
  private said: Said;

  constructor(
    private readonly connection: NodeConnection,
    private readonly node: Pick<Node, 'hub' | 'settings'>,
    private readonly histories: Histories,
    private readonly outbox: Outbox,
    request: HandshakeRequest,
  ) {
    const { hello, transport } = request;
    this.said = hello ? { rooms: hello.rooms, user: hello.user, isPartial: false } : saidBy(request);
    this.dialect = hello ? 'library' : transport === 'sse' ? 'event-source' : 'bare';
    this.was = hello?.was ?? NOBODY;
    this.isPartial = this.said.isPartial;
    this.hasPositions = this.said.rooms.size > 0 || this.said.user !== undefined || this.isPartial;
  }

  /**
   * Gets the entries of a room that the connection has entered.
   *
   * @param held resolves when the room is subscribed
   * @returns resolves when it gets everything from there on, or knows what it has missed
   */
  follow(channel: Channel, held: Promise<void> | undefined, last?: number): Promise<void> | undefined {
    const label = labelOf(channel, this.node.settings.app);
    const since = this.take(label);
    const output = new RoomOutput(channel, label, this, since !== undefined, this.histories);
    const whenJoined = this.node.hub.follow(channel, this.connection, output, { since, last }, held);
    this.rooms.set(channel, { output, whenJoined });
    return whenJoined;
  }

  /** @returns what `follow` has returned for a room that is followed */
  whenJoined(channel: Channel): Promise<void> | undefined {
    return this.rooms.get(channel)?.whenJoined;
  }

  /** The connection has left a room. */
  left(channel: Channel): void {
    if (!this.rooms.delete(channel) || this.dialect === 'bare') return;
    const { key, name } = labelOf(channel, this.node.settings.app);
    const frame = this.dialect === 'library' ? new NoticeFrame('rt:left', name) : ONLY_A_PLACE;
    this.send(frame, { key, position: undefined, hasLeft: true });
  }

  /** `onOpen` has settled: positions that no room has claimed are forgotten. */
  settled(): void {
    this.said = NOTHING;
  }

  send(frame: Frame, place?: Place, from?: RoomOutput): boolean {
    return this.connection.readyState === ReadyState.OPEN && this.outbox.send(frame, place, from);
  }

  isIn(channels: readonly Channel[]): boolean {
    return this.node.hub.isIn(channels, this.connection);
  }

  lost(channel: Channel, entry: Entry): Gap | undefined {
    return this.histories.streams.lost(channel, this.connection, entry);
  }

  regained(channel: Channel): void {
    this.histories.streams.drained(channel, this.connection);
  }

  private take({ key }: RoomLabel): Position | undefined {
    return key === USER_KEY ? this.said.user : this.said.rooms.get(key);
  }
}

/** @returns what a client without a library says: a stream of events in its last id, a poll in its query */
function saidBy({ transport, headers, query }: HandshakeRequest): Said {
  if (transport === 'sse') return parseEventId(String(headers['last-event-id'] ?? '')) ?? NOTHING;
  if (transport !== 'polling') return NOTHING;
  const [, ...places] = (query.get('position') ?? '').split(';');
  return places.length > 0 ? parsePlaces(places.join(';')) : NOTHING;
}

const ROOM = channelOf.room('');
const KEY_CHARS = 8;

/** @returns the key and the name of a room, or of the user, that its messages carry */
function labelOf(channel: Channel, app: string): RoomLabel {
  if (!channel.startsWith(ROOM)) return { key: USER_KEY, name: { user: true } };
  const room = channel.slice(ROOM.length);
  const key = createHash('sha256').update(`${app}\n${room}`).digest('base64url').slice(0, KEY_CHARS);
  return { key, name: { room } };
}
