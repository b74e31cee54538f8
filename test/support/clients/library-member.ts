/** A client library as far as rooms with history go, over a fake socket: it keeps what docs/recovery.md says. */
import type { Identity } from '../../../libs/realtime/src/hooks.js';
import type { ClusterMember, ClusterNode, ClusterNodes } from '../fakes/cluster-nodes.js';
import { until } from '../process-guard.js';

export interface Sent {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly room?: string;
  readonly user?: true;
  readonly position?: string;
}

export class LibraryMember {
  /** The ids of its connections, the newest last. */
  readonly was: string[] = [];
  /** All messages of all of its connections. */
  readonly log: Sent[] = [];
  member!: ClusterMember;
  private readonly positions = new Map<string, string>();
  private readonly keys = new Map<string, string>();
  private user?: string;

  constructor(
    private readonly nodes: ClusterNodes,
    private readonly identity: Identity,
  ) {}

  /** Connects to a node, from where it stands. */
  async connect(node: ClusterNode): Promise<this> {
    this.take();
    const hello = { v: 1, was: this.was.slice(-8), rooms: Object.fromEntries(this.positions), user: this.user };
    const text = Buffer.from(JSON.stringify(hello)).toString('base64url');
    const headers = { 'sec-websocket-protocol': `realtime.v1, hello.${text}` };
    this.member = await this.nodes.open(node, this.identity, { headers });
    this.was.push(this.member.connection.id);
    const joins = (this.identity.rooms?.length ?? 0) + (this.identity.userId === undefined ? 0 : 1);
    await this.until(
      'the rooms to be joined',
      () => this.fresh().filter(({ event }) => event === 'rt:joined').length >= joins,
    );
    return this;
  }

  /** Cuts its wire. */
  cut(): void {
    const { socket } = this.member;
    this.take();
    socket.terminate();
  }

  /** What it was told of its rooms: the event, and why. */
  get told(): string[] {
    return this.all
      .filter(({ event }) => /^rt:(joined|gap|left)$/.test(event))
      .map(({ event, data: { recovered, reason } }) =>
        [event, recovered, reason].filter((each) => each !== undefined).join(' '),
      );
  }

  /** The numbers of the entries that it got, over all of its connections. */
  get numbers(): number[] {
    return this.all.filter(({ event }) => event === 'n').map(({ data }) => data as unknown as number);
  }

  get all(): Sent[] {
    return [...this.log, ...this.fresh()];
  }

  async until(what: string, test: (member: this) => boolean): Promise<void> {
    await until(
      what,
      () => (test(this) ? 'done' : JSON.stringify(this.all.slice(-5))),
      (is) => is === 'done',
    );
  }

  /** Waits for so many entries. */
  async untilNumber(number: number): Promise<void> {
    await this.until(`the entry ${number}`, ({ numbers }) => numbers.includes(number));
  }

  private fresh(): Sent[] {
    return this.member ? this.member.texts.map(parsed) : [];
  }

  /** Notes where it stands. */
  private take(): void {
    for (const sent of this.fresh()) this.note(sent);
    this.log.push(...this.fresh());
    this.member = undefined!;
  }

  private note({ event, data, room, user, position }: Sent): void {
    if (event === 'rt:joined' && data['key']) this.keys.set(String(data['room']), String(data['key']));
    const isTold = event.startsWith('rt:') && event !== 'rt:raw';
    const at = isTold ? (data['position'] as string | undefined) : position;
    const name = isTold ? (data['room'] as string | undefined) : room;
    if (at === undefined) return;
    if (user || data?.['user']) this.user = at;
    else if (name !== undefined) this.positions.set(this.keys.get(name)!, at);
  }
}

function parsed(text: string): Sent {
  try {
    return JSON.parse(text) as Sent;
  } catch {
    return { event: 'not JSON', data: {} };
  }
}
