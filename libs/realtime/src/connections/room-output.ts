/**
 * Road OUT, step 9: a room with history as one client gets it. A bare WebSocket or poll gets the messages as they are; a
 * client library also their positions; a stream of events has the positions in its ids. docs/recovery.md has the wire.
 */
import { RESERVED_PREFIX } from 'nestjs-realtime-protocol';
import type { Channel } from '../command.js';
import { NoticeFrame, Frame, ONLY_A_PLACE } from '../frame.js';
import type { Entry, KeptPush } from '../history.js';
import type { Gap, Joined, MemberOutput } from '../history/room-member.js';
import { type EntryPosition, placeOf, type Position, positionText } from '../position.js';
import type { HistoryCounts } from '../stats.js';
import type { Place } from '../transport.js';
import type { Placed } from './waiting-frames.js';

/** What a client understands. */
export type Dialect = 'bare' | 'library' | 'event-source';

/** A room, or the user of a connection, as clients know it. */
export interface RoomLabel {
  readonly key: string;
  /** How it is named in messages: `{ room: … }`, or `{ user: true }`. */
  readonly name: { readonly room: string } | { readonly user: true };
}

/** What the client of a connection is sent. */
export interface RoomClient {
  readonly dialect: Dialect;
  /** True for a stream of events that has come back with positions: it is told what became of them. */
  readonly hasPositions: boolean;
  /** True for one whose id had no room for all of its rooms. */
  readonly isPartial: boolean;
  /** The ids of its earlier connections. */
  readonly was: readonly string[];
  /** @returns false when it was dropped, because the client is too slow, or has gone */
  send(frame: Frame, place?: Place, owner?: RoomOutput): boolean;
  /** @returns whether the connection is in one of the channels */
  isIn(channels: readonly Channel[]): boolean;
  /** The client has lost an entry that waited for it. @returns what to tell it, if anything */
  lost(channel: Channel, entry: Entry): Gap | undefined;
  /** The client, which had lost an entry of the room, has room again. */
  regained(channel: Channel): void;
}

/** Where it is counted and logged what clients are told. */
export interface HistoryRecord {
  readonly counts: HistoryCounts;
  gap(channel: Channel, reason: Gap['reason']): void;
}

/** The place of a client that has an entry. All clients share it; most of them are not told, so it is written late. */
class EntryPlace implements Place {
  private text?: string;

  constructor(
    readonly entry: Entry,
    readonly key: string,
  ) {}

  get position(): string {
    return (this.text ??= positionText(this.entry.position));
  }
}

export class RoomOutput implements MemberOutput, Placed {
  constructor(
    readonly channel: Channel,
    private readonly label: RoomLabel,
    private readonly client: RoomClient,
    /** True when the client had a position in this room. */
    private readonly hadPosition: boolean,
    private readonly record: HistoryRecord,
  ) {}

  entry(entry: Entry): boolean {
    const push = entry.message as KeptPush;
    const { client, label } = this;
    if (client.dialect === 'library') push.framed ??= framed(push.frame!, entry.position, label);
    const frame = client.dialect === 'library' ? push.framed! : push.frame!;
    const place = (push.place ??= new EntryPlace(entry, label.key));
    return client.send(frame, place, this);
  }

  at(position: Position): void {
    const { name } = this.label;
    const text = positionText(position);
    if (this.client.dialect === 'library') this.tell('at', { ...name, position: text }, text);
    else if (this.client.dialect === 'event-source') this.client.send(ONLY_A_PLACE, this.placeAt(text), this);
  }

  gap(gap: Gap): void {
    this.record.gap(this.channel, gap.reason);
    if (this.client.dialect !== 'bare') this.client.send(...this.gapOf(gap), this);
  }

  joined({ position, recovered, reason }: Joined): void {
    const { client, label } = this;
    const text = position && positionText(position);
    const { counts } = this.record;
    if (recovered === true) counts.recovered++;
    if (recovered === false) counts.notRecovered++;
    if (client.dialect === 'bare') return;
    if (client.dialect === 'library' || client.hasPositions) {
      this.tell('joined', { ...label.name, key: label.key, position: text, recovered, reason }, text);
    } else if (text) {
      client.send(ONLY_A_PLACE, this.placeAt(text), this);
    }
    if (client.isPartial && !this.hadPosition) this.gap({ reason: 'limit', position });
  }

  isExcepted(entry: Entry, isReplay: boolean): boolean {
    const { frame, except } = entry.message as KeptPush;
    if (!frame) return true;
    if (except.length === 0) return false;
    return this.client.isIn(except) || (isReplay && this.client.was.some((id) => except.includes(`c:${id}`)));
  }

  /** An entry that waited was dropped. @returns what takes its place; undefined for a client that is told nothing */
  lostAt(place: Place): Frame | undefined {
    const gap = this.client.lost(this.channel, (place as EntryPlace).entry);
    if (!gap) return undefined;
    this.record.gap(this.channel, gap.reason);
    return this.client.dialect === 'bare' ? undefined : this.gapOf(gap)[0];
  }

  regained(): void {
    this.client.regained(this.channel);
  }

  private gapOf({ since, position, reason }: Gap): [NoticeFrame, Place] {
    const text = position && positionText(position);
    const data = { ...this.label.name, since: since && positionText(since), position: text, reason };
    return [new NoticeFrame(`${RESERVED_PREFIX}gap`, data), this.placeAt(text)];
  }

  private tell(event: string, data: object, position: string | undefined): void {
    this.client.send(new NoticeFrame(`${RESERVED_PREFIX}${event}`, data), this.placeAt(position), this);
  }

  private placeAt(position: string | undefined): Place {
    return { key: this.label.key, position };
  }
}

/** Adds where a message stands: to an envelope by splicing, to other text in an envelope of its own. */
function framed(frame: Frame, position: EntryPosition, { name }: RoomLabel): Frame {
  const more = JSON.stringify({ ...name, position: positionText(placeOf(position)) }).slice(1);
  const { text, slow } = frame;
  const isWhole = frame.isEnvelope && text.startsWith('{') && text.endsWith('}') && text.length > 2;
  const envelope = isWhole ? text : JSON.stringify({ event: `${RESERVED_PREFIX}raw`, data: text });
  const whole = new Frame(`${envelope.slice(0, -1)},${more}`, slow);
  whole.isShared = true;
  return whole;
}
