/** What rooms and users keep, given in code: patterns of names, of which the first that matches decides. */

/** How much of a room is kept. */
export interface HistoryOptions {
  /** The most entries: 1 to 10,000. */
  readonly size: number;
  /** How long the entries are kept after the last push to the room, in seconds: 1 to 31,536,000 (a year). */
  readonly age: number;
}

/** Who is in a room. */
export interface PresenceOptions {
  /**
   * How long a user stays present after the last connection was lost, in seconds: 0 to 3,600. Default:
   * `REALTIME_PRESENCE_GRACE`.
   */
  readonly grace?: number;
  /** True: members get `rt:presence` events, the list of users first. Default: false. */
  readonly events?: boolean;
}

/** What all rooms of one pattern have. */
export interface RoomOptions {
  /** The last messages of the room are kept, and clients that come back get what they have missed. Default: none are. */
  readonly history?: HistoryOptions;
  /** It is known who is in the room, once per user over all nodes. Default: it is not. */
  readonly presence?: boolean | PresenceOptions;
}

/** What all users have. */
export interface UserOptions {
  /** The last messages to a user are kept, as those of a room. Default: none are. */
  readonly history?: HistoryOptions;
}

/** Room options by patterns: an exact name, or the beginning of a name and `*`. */
export type RoomPatterns = Readonly<Record<string, RoomOptions>>;

/** What `forRoot()` takes of rooms and users. It can be given in code only. */
export interface RoomSettings {
  /**
   * What rooms keep: `{ 'chat:*': { history: { size: 100, age: 3600 } } }`. The first pattern that matches a name decides.
   * Default: no room has a history, or presence.
   */
  readonly rooms?: RoomPatterns;
  /** What users keep of what is pushed to them: `{ history: { size: 50, age: 600 } }`. Default: nothing. */
  readonly users?: UserOptions;
}

const BOUNDS = { size: 10_000, age: 31_536_000 } as const;
const KNOWN: readonly string[] = ['history', 'presence'] satisfies (keyof RoomOptions)[];
/** An hour. */
const MAX_GRACE = 3600;

/** So many names are known with their options, so that a push needs one look; above it the memory begins again. */
const MAX_REMEMBERED = 10_000;

/** @returns whether anything is kept of rooms or users */
export const keepsHistory = ({ rooms, users }: { readonly rooms: RoomTable; readonly users: UserOptions }): boolean =>
  rooms.hasHistory || users.history !== undefined;

/** Finds the options of a room. */
export class RoomTable {
  /** True when no room has options: nothing need be looked up. */
  readonly isEmpty: boolean;
  /** True when some rooms have a history. */
  readonly hasHistory: boolean;
  /** True when some rooms have presence. */
  readonly hasPresence: boolean;
  private readonly exact = new Map<string, RoomOptions>();
  private readonly prefixes: (readonly [prefix: string, order: number, options: RoomOptions])[] = [];
  private readonly order = new Map<string, number>();
  private readonly remembered = new Map<string, RoomOptions | undefined>();

  constructor(patterns: RoomPatterns = {}) {
    const entries = Object.entries(patterns);
    for (const [order, [pattern, options]] of entries.entries()) {
      if (pattern.endsWith('*')) this.prefixes.push([pattern.slice(0, -1), order, options]);
      else this.exact.set(pattern, options);
      this.order.set(pattern, order);
    }
    this.isEmpty = entries.length === 0;
    this.hasHistory = entries.some(([, { history }]) => history !== undefined);
    this.hasPresence = entries.some(([, { presence }]) => Boolean(presence));
  }

  /** @returns the options of the first pattern that matches */
  find(room: string): RoomOptions | undefined {
    if (this.isEmpty) return undefined;
    const known = this.remembered.get(room);
    return known !== undefined || this.remembered.has(room) ? known : this.remember(room);
  }

  private remember(room: string): RoomOptions | undefined {
    const options = this.match(room);
    if (this.remembered.size >= MAX_REMEMBERED) this.remembered.clear();
    this.remembered.set(room, options);
    return options;
  }

  private match(room: string): RoomOptions | undefined {
    const prefix = this.prefixes.find(([text]) => room.startsWith(text));
    const exact = this.exact.get(room);
    if (!prefix || !exact) return exact ?? prefix?.[2];
    return this.order.get(room)! < prefix[1] ? exact : prefix[2];
  }
}

/** @returns what is wrong with the options `rooms` and `users` of `forRoot()`, one line each */
export function roomProblems({ rooms, users }: { rooms?: unknown; users?: unknown }): string[] {
  return [...patternProblems(rooms), ...(users === undefined ? [] : optionProblems('users', users, ['history']))];
}

function patternProblems(rooms: unknown): string[] {
  if (rooms === undefined) return [];
  if (!isRecord(rooms)) return [`forRoot({ rooms }): expected an object of patterns, got ${show(rooms)}`];
  return Object.entries(rooms).flatMap(([pattern, options]) => {
    const at = `rooms: { ${JSON.stringify(pattern)} }`;
    const star = pattern.indexOf('*');
    const isPattern = pattern !== '' && (star < 0 || star === pattern.length - 1);
    const wrong = isPattern
      ? []
      : [`forRoot({ ${at} }): a pattern is a name, or the beginning of names and one * at the end`];
    return [...wrong, ...optionProblems(at, options)];
  });
}

function optionProblems(at: string, options: unknown, known = KNOWN): string[] {
  if (!isRecord(options))
    return [
      `forRoot({ ${at} }): expected an object such as { history: { size: 100, age: 3600 } }, got ${show(options)}`,
    ];
  const unknown = Object.keys(options)
    .filter((name) => !known.includes(name))
    .map((name) => `forRoot({ ${at} }): there is no option ${JSON.stringify(name)}; allowed: ${known.join(', ')}`);
  return [...unknown, ...historyProblems(at, options['history']), ...presenceProblems(at, options['presence'])];
}

function presenceProblems(at: string, presence: unknown): string[] {
  if (presence === undefined || typeof presence === 'boolean') return [];
  const allowed = 'expected true, or { grace: 0 to 3600 seconds, events: true or false }';
  const isGood =
    isRecord(presence) &&
    Object.keys(presence).every((name) => name === 'grace' || name === 'events') &&
    isGrace(presence['grace']) &&
    (presence['events'] === undefined || typeof presence['events'] === 'boolean');
  return isGood ? [] : [`forRoot({ ${at} }).presence: ${show(presence)} is not allowed; ${allowed}`];
}

const isGrace = (grace: unknown) =>
  grace === undefined || (typeof grace === 'number' && grace >= 0 && grace <= MAX_GRACE);

function historyProblems(at: string, history: unknown): string[] {
  if (history === undefined) return [];
  const allowed = 'expected { size: 1 to 10000 entries, age: 1 to 31536000 seconds }';
  if (!isRecord(history)) return [`forRoot({ ${at} }).history: ${allowed}, got ${show(history)}`];
  const unknown = Object.keys(history)
    .filter((name) => !Object.hasOwn(BOUNDS, name))
    .map((name) => `forRoot({ ${at} }).history: there is no option ${JSON.stringify(name)}; ${allowed}`);
  const { size, age } = history;
  const wrong = (['size', 'age'] as const)
    .filter((name) => !isWithin(name === 'size' ? size : age, BOUNDS[name], name === 'size'))
    .map((name) => `forRoot({ ${at} }).history.${name}: ${show(history[name])} is not allowed; ${allowed}`);
  return [...unknown, ...wrong];
}

const isWithin = (value: unknown, max: number, isWhole: boolean) =>
  typeof value === 'number' && value >= 1 && value <= max && (!isWhole || Number.isInteger(value));

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const show = (value: unknown): string =>
  typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
