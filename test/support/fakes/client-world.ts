/** A world for the client: its clock, its network and its page are in the hands of the test. */
import type {
  Environment,
  FetchInit,
  PageLike,
  WebSocketClass,
} from '../../../libs/realtime-client/src/environment.js';
import { connectWith } from '../../../libs/realtime-client/src/connect.js';
import type { AnyContract, Contract } from '../../../libs/realtime-client/src/contract.js';
import type { ConnectOptions } from '../../../libs/realtime-client/src/options.js';
import * as requests from '../../../libs/realtime-client/src/requests/index.js';
import type { RealtimeSocket } from '../../../libs/realtime-client/src/socket.js';
import type { State } from '../../../libs/realtime-client/src/state.js';
import { FakeClock } from './fake-clock.js';

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a test reads what it expects
export type Fields = Record<string, any>;

/** One WebSocket, seen from the server. */
export class FakeWebSocket {
  binaryType = '';
  protocol = '';
  readyState = 0;
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  readonly sent: (string | Uint8Array)[] = [];
  /** The code with which the client closed it. */
  closedWith: number | undefined;
  /** Called for every message of the client. */
  heard: (data: string | Uint8Array) => void = () => {};

  constructor(
    readonly url: string,
    readonly protocols: string[],
  ) {}

  /** The hello of the handshake; undefined without one. */
  get hello(): Fields | undefined {
    const line = this.protocols.find((name) => name.startsWith('hello.'));
    return line === undefined ? undefined : (JSON.parse(Buffer.from(line.slice(6), 'base64url').toString()) as Fields);
  }

  get token(): string | undefined {
    const line = this.protocols.find((name) => name.startsWith('bearer.'));
    return line && Buffer.from(line.slice(7), 'base64url').toString();
  }

  /** The envelopes that the client has sent. */
  get events(): Fields[] {
    return this.sent.map((data) => JSON.parse(String(data)) as Fields);
  }

  accept(protocol = 'realtime.v1'): this {
    this.protocol = protocol;
    this.readyState = 1;
    this.onopen?.({} as never);
    return this;
  }

  /** Accepts, and says `rt:open`. */
  open(data: Record<string, unknown> = {}): this {
    const first = { id: 'n.1', session: 's1', resumed: false, seen: 0, ping: 25_000, maxBytes: 1_048_576 };
    return this.accept().say('rt:open', { ...first, ...data });
  }

  say(event: string, data?: unknown, more: Record<string, unknown> = {}): this {
    return this.raw(JSON.stringify({ event, data, ...more }));
  }

  raw(data: string | ArrayBuffer): this {
    if (this.readyState === 1) this.onmessage?.({ data } as never);
    return this;
  }

  /** The wire has ended: 1006 without a close frame. */
  end(code = 1006, reason = ''): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onclose?.({ code, reason } as never);
  }

  send(data: string | Uint8Array): void {
    if (this.readyState === 0) throw new Error('The WebSocket is still connecting');
    if (this.readyState !== 1) return;
    this.sent.push(data);
    this.heard(data);
  }

  close(code?: number): void {
    this.closedWith ??= code;
    this.readyState = 3;
  }
}

class FakePage extends EventTarget {
  readonly navigator = { onLine: true };
  readonly location = { href: 'https://app.example.com/chat', origin: 'https://app.example.com' };
  readonly document = { visibilityState: 'visible' };
}

export class FakeWorld implements Environment {
  readonly clock = new FakeClock();
  readonly sockets: FakeWebSocket[] = [];
  readonly fetched: { url: string; init: FetchInit }[] = [];
  readonly fakePage = new FakePage();
  page: PageLike | undefined = this.fakePage as unknown as PageLike;
  /** Every random number. */
  luck: () => number = () => 0.5;
  /** Answers a request; the default is a server that is away. */
  answer: (url: string, init: FetchInit) => Response | Promise<Response> = () => Promise.reject(new TypeError('away'));
  /** Called for every new WebSocket. */
  dialled: (socket: FakeWebSocket) => void = () => {};

  readonly time = () => 1_700_000_000_000 + this.clock.now();
  readonly random = () => this.luck();

  after(ms: number, task: () => void): () => void {
    let isCancelled = false;
    this.clock.after(ms, () => isCancelled || task());
    return () => (isCancelled = true);
  }

  async fetch(url: string, init: FetchInit): Promise<Response> {
    this.fetched.push({ url, init });
    return this.answer(url, init);
  }

  async webSocket(): Promise<WebSocketClass> {
    const { sockets, dialled } = this;
    return class extends FakeWebSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols);
        sockets.push(this);
        dialled(this);
      }
    };
  }

  /** The newest WebSocket. */
  get socket(): FakeWebSocket {
    return this.sockets.at(-1)!;
  }

  /** Lets promises settle, and timers of this time run. */
  async pass(ms = 0): Promise<void> {
    for (let i = 0; i < 5; i++) await new Promise(setImmediate);
    await this.clock.pass(ms);
    for (let i = 0; i < 5; i++) await new Promise(setImmediate);
  }

  /** Lets attempts fail until the client has made so many. */
  async failUntil(count: number): Promise<void> {
    while (this.sockets.length < count) {
      const before = this.sockets.length;
      this.socket.end();
      for (let ms = 0; this.sockets.length === before; ms += 100) {
        if (ms > 20_000) throw new Error(`There is no attempt after the one of number ${before}`);
        await this.pass(100);
      }
    }
  }

  /** An event of the window. */
  happen(name: 'online' | 'offline' | 'pagehide' | 'pageshow', persisted = false): void {
    if (name === 'online' || name === 'offline') this.fakePage.navigator.onLine = name === 'online';
    this.fakePage.dispatchEvent(Object.assign(new Event(name), { persisted }));
  }

  show(visibilityState: 'visible' | 'hidden'): void {
    Object.assign(this.fakePage.document, { visibilityState });
    // It bubbles from the document to the window
    this.fakePage.dispatchEvent(new Event('visibilitychange'));
  }
}

/** A client in a world of its own. */
export async function clientIn<C extends Contract = AnyContract>(
  world: FakeWorld,
  options: ConnectOptions = {},
  url = '/ws',
): Promise<{ client: RealtimeSocket<C>; states: State[] }> {
  const client = connectWith(
    () => requests,
    () => world,
  )<C>(url, options);
  const states: State[] = [client.state];
  client.onState((state) => states.push(state));
  await world.pass();
  return { client, states };
}
