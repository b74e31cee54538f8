/**
 * Checks of the JSON bodies, field by field. Fields that a version does not know are left out, so that a newer release
 * can add one without a new version of the wire.
 */
import { isSendableCloseCode } from 'nestjs-realtime-protocol';
import { z } from 'zod';
import type { Action } from '../command.js';
import type { ConnectionInfo } from '../connection.js';
import type { Member, Page, Question, QuestionKind, RecheckCounts } from '../question.js';
import type { BrokerStats, Stats } from '../stats.js';
import { PRESENCE_ROWS, PRESENCE_VERSIONS } from './presence-schemas.js';
import { isWellFormed, MAX_EXCEPT, MAX_NAME_BYTES } from './format.js';
import type { Announcement, Answer, OrderedAction, Probe } from './messages.js';

/** Requires a row for every field, the optional ones too: a new field is a compile error until it travels. */
type Rows<T> = { readonly [K in keyof Required<T>]: z.ZodType<T[K & keyof T]> };

const name = z.string().min(1).max(MAX_NAME_BYTES).refine(isWellFormed);
const text = z.string().max(MAX_NAME_BYTES);
const count = z.int().nonnegative();
const number = z.int().positive();
const MEMBERS = /^(?:[rupc]:[^]|\*$)/;
const channel = name.refine((value) => MEMBERS.test(value));
const except = z.array(name.refine((value) => /^[cur]:[^]/.test(value))).max(MAX_EXCEPT);

/** A connection's id: node, dot, number in base 36. */
export const connectionId = z.string().regex(/^[\w-]{1,64}\.[0-9a-z]{1,11}$/);

/** The cursor of a listing. It is more tolerant than an id, as the server is: it may be from a former release. */
const cursor = z.string().regex(/^[^.\s]{1,64}\.[0-9a-z]{1,10}$/);

type ActionRows<K extends Action['kind']> = Rows<Extract<Action, { kind: K }>>;

const ROOM_ACTIONS = [
  z.object({ kind: z.literal('join'), room: name } satisfies ActionRows<'join'>),
  z.object({ kind: z.literal('leave'), room: name } satisfies ActionRows<'leave'>),
  z.object({
    kind: z.literal('disconnect'),
    code: z.int().refine(isSendableCloseCode),
    // RFC 6455 §5.5: a control frame carries 125 bytes, and two of them are the code
    reason: z.string().refine((reason) => Buffer.byteLength(reason) <= 123),
  } satisfies ActionRows<'disconnect'>),
  z.object({
    kind: z.literal('bind'),
    userId: name,
    replaces: z.boolean().optional(),
  } satisfies ActionRows<'bind'>),
] as const;

const orderedAction = z.discriminatedUnion('kind', [
  ...ROOM_ACTIONS,
  z.object({ kind: z.literal('replace'), by: connectionId } satisfies ActionRows<'replace'>),
]) satisfies z.ZodType<OrderedAction>;

export const ORDER = z.object({ id: number, to: channel, action: orderedAction });

/** The payload of a push follows the JSON. */
const actionOfOne = z.discriminatedUnion('kind', [...ROOM_ACTIONS, z.object({ kind: z.literal('push') })]);

const QUESTIONS = {
  order: z.object({ kind: z.literal('order'), id: connectionId, action: actionOfOne, except: except.optional() }),
  exists: z.object({ kind: z.literal('exists'), id: connectionId }),
  info: z.object({ kind: z.literal('info'), id: connectionId }),
  list: z.object({ kind: z.literal('list'), after: cursor.optional(), limit: z.int().min(1).max(100) }),
  members: z.object({ kind: z.literal('members'), channel, except }),
  count: z.object({ kind: z.literal('count'), channel, except }),
  recheck: z.object({ kind: z.literal('recheck'), userId: name }),
  stats: z.object({ kind: z.literal('stats') }),
  presence: z.object({
    kind: z.literal('presence'),
    room: name,
    after: name.optional(),
    limit: z.int().min(1).max(100),
  }),
  users: z.object({ kind: z.literal('users'), room: name }),
} satisfies { readonly [K in QuestionKind]: z.ZodObject<Record<keyof Question<K>, z.ZodType>> };

const { order, exists, info, list, members, count: counted, recheck, stats, presence, users } = QUESTIONS;

export const ASK = z.object({
  id: number.optional(),
  question: z.discriminatedUnion('kind', [
    order,
    exists,
    info,
    list,
    members,
    counted,
    recheck,
    stats,
    presence,
    users,
  ]),
});

const connection = z.object({
  id: connectionId,
  transport: text,
  path: text,
  address: text,
  remotePort: z.int().min(0).max(65_535).optional(),
  protocol: text,
  userId: text.optional(),
  rooms: z.array(text),
  state: z.enum(['open', 'closing']),
  openedAt: count,
  silentForMs: z.number().nonnegative(),
  lastSentAt: count.optional(),
  bufferedBytes: count,
  messagesIn: count,
  messagesOut: count,
  bytesIn: count,
  bytesOut: count,
} satisfies Rows<ConnectionInfo>);

/** Names and numbers; another release may count other things. */
const counts = z.record(z.string().max(64), count).refine((value) => Object.keys(value).length <= 200);

const BROKER_STATS = z.object({
  ...{ name: text, isDegraded: z.boolean(), nodes: count, channels: count, lagMs: z.number().nonnegative() },
  ...{
    published: count,
    received: count,
    dropped: count,
    localOnly: count,
    late: count,
    gaps: count,
    cuts: count.default(0),
  },
  ...{ ordersDropped: count, questionsDropped: count, unanswered: count, nodesIgnored: count },
  ...{ relays: count.default(0), relaysRefused: count.default(0), relaysCut: count.default(0) },
} satisfies Rows<BrokerStats>);

const STATS = z.object({
  ...{ startedAt: count, current: count, accepted: count, refused: count, messagesIn: count, messagesOut: count },
  ...{ bytesIn: count, bytesOut: count, hookErrors: count, messageErrors: count, pauses: count, dropped: count },
  ...{ slow: count, unfinished: count, rooms: count, users: count },
  // A node of an earlier release does not count them
  ...{ present: count.default(0), detached: count.default(0), resumed: count.default(0) },
  closed: counts as unknown as z.ZodType<Stats['closed']>,
  limits: counts as unknown as z.ZodType<Stats['limits']>,
  history: counts as unknown as z.ZodType<Stats['history']>,
  broker: BROKER_STATS,
} satisfies Rows<Stats>);

const page = z.object({
  items: z.array(connection),
  next: cursor.optional(),
} satisfies Rows<Omit<Page<ConnectionInfo>, 'missing'>>);

/** How many parts one answer may have. */
export const MAX_PARTS = 1024;

const answered = <K extends QuestionKind, V extends z.ZodType>(kind: K, value: V) =>
  z.object({
    id: number,
    kind: z.literal(kind),
    value,
    part: count.max(MAX_PARTS - 1).default(0),
    hasMore: z.boolean().default(false),
  });

export const ANSWER = z.discriminatedUnion('kind', [
  z.object({ id: number, kind: z.literal('obeyed') }),
  z.object({
    id: number,
    kind: z.literal('failed'),
    code: z.string().regex(/^[a-z][a-z0-9_]{0,63}$/),
    message: z.string().max(1000),
  }),
  answered('order', z.boolean()),
  answered('exists', z.boolean()),
  answered('info', connection.optional()),
  answered('list', page),
  answered('members', z.array(z.object({ id: connectionId, userId: text.optional() } satisfies Rows<Member>))),
  answered('count', count),
  answered('recheck', z.object({ checked: count, closed: count, notKept: count } satisfies Rows<RecheckCounts>)),
  answered('stats', STATS),
  answered('presence', z.object({ users: PRESENCE_ROWS, hasMore: z.boolean() })),
  answered('users', count),
]) satisfies z.ZodType<Answer>;

const version = z.int().min(1).max(31);

export const ANNOUNCEMENT = z.object({
  reads: z
    .tuple([version, version])
    .refine(([min, max]) => min <= max)
    .readonly(),
  startedAt: count,
  host: z.string().max(255),
  pid: count,
  connections: count,
  rooms: count,
  users: count,
  era: count.optional(),
  presence: PRESENCE_VERSIONS.optional(),
} satisfies Rows<Announcement>);

export const PROBE = z.object({ id: number } satisfies Rows<Probe>);

export const LEAVE = z.object({});
