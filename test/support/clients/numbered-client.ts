/** The reference client, saying numbers and checking the numbers that it hears. */
import type { Numbers } from '../apps/numbered-gateway.js';
import { SessionClient } from './session-client.js';
import { type WireName, wireOf, type WireTarget } from './session-wires.js';

interface Ended {
  readonly code: number;
  readonly reason: string;
}

export class NumberedClient {
  readonly heard: number[] = [];
  readonly faults: string[] = [];
  readonly ends: Ended[] = [];
  said = 0;
  openData?: unknown;
  pongs = 0;
  private readonly client: SessionClient;
  private watchers: (() => void)[] = [];
  private readonly timer: NodeJS.Timeout;
  private isSettled = false;

  constructor(
    private readonly url: WireTarget['url'],
    /** Changed for later wires. */
    readonly headers: Record<string, string>,
    /** For a gateway with `onAuthenticate`; changed for later wires. */
    public credential?: string,
  ) {
    this.client = new SessionClient(
      (text) => this.hear(text),
      (code, reason) => this.ended({ code, reason }),
      () => this.changed(),
    );
    this.timer = setInterval(() => this.client.acknowledge(), 50);
  }

  get pending(): number {
    return this.client.pending;
  }

  get resumed(): number {
    return this.client.resumed;
  }

  get begun(): number {
    return this.client.begun;
  }

  get unknown(): readonly string[] {
    return this.client.unknown;
  }

  get session(): string | undefined {
    return this.client.session;
  }

  connect(wire: WireName): void {
    this.isSettled = false;
    const { url, headers, credential } = this;
    const open = wireOf(wire, { url, headers: { ...headers }, credential });
    this.client.connect((hello, events) =>
      open(hello, { ...events, message: (text) => this.pass(text, events.message) }),
    );
  }

  /** Says the next numbers. */
  say(count: number): void {
    for (let i = 0; i < count; i++) this.client.send(String(++this.said));
  }

  cut(): void {
    this.client.cut();
  }

  ping(): void {
    this.client.ping();
  }

  leave(): void {
    this.client.leave();
  }

  close(): void {
    this.client.close();
  }

  stop(): void {
    clearInterval(this.timer);
    this.client.cut();
  }

  /** Resolves when the wire is open. */
  opens(): Promise<void> {
    return this.until(() => this.client.isOpen);
  }

  /** Resolves when the last wire is open, or lost. */
  settles(): Promise<void> {
    return this.until(() => this.client.isOpen || this.isSettled);
  }

  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise<void>((done) => this.watchers.push(done));
  }

  private pass(text: string, message: (text: string) => void): void {
    if (text.startsWith('{"event":"rt:open"')) this.openData = (JSON.parse(text) as { data: unknown }).data;
    if (text.startsWith('{"event":"rt:pong"')) this.pongs++;
    message(text);
    this.changed();
  }

  private hear(text: string): void {
    const number = Number(text);
    const last = this.heard.at(-1) ?? 0;
    if (number !== last + 1) this.faults.push(`heard ${text} after ${last}`);
    this.heard.push(number);
  }

  private ended(end: Ended): void {
    this.isSettled = true;
    this.ends.push(end);
    this.changed();
  }

  private changed(): void {
    for (const done of this.watchers.splice(0)) done();
  }
}

/** Each of the two says so many numbers to the other. */
export function talk(client: NumberedClient, gateway: Numbers, count: number): void {
  gateway.push(count);
  client.say(count);
}

/** Resolves when each of the two has heard every number of the other. */
export async function hearAll(client: NumberedClient, gateway: Numbers): Promise<void> {
  await client.until(() => client.heard.length === gateway.pushed);
  await gateway.hears(client.said);
}
