/**
 * Two connections to one server, one that publishes and one that subscribes. They live and die together: when either
 * is lost, or the probe from one to the other, both are cut and never used again.
 */
import { detached } from '../../async-context.js';
import { Calls } from './calls.js';
import type { RedisClient } from './client.js';
import { LinkError, type LinkTimes } from '../../cluster/link.js';
import { Patience } from '../../cluster/patience.js';
import { Probe } from '../../cluster/probe.js';
import type { Script, ScriptCall } from './script.js';
import { checkServer, isReplica } from './server-check.js';

export interface PairOwner {
  message(channel: string, bytes: Buffer): void;
  /** Called once, unless the pair was closed. Its calls that are pending reject after that. */
  lost(pair: Pair, reason: string): void;
  /** The server no longer has a slot that something is subscribed in. */
  moved(pair: Pair): void;
}

export interface PairOptions {
  /** Names the server among others. */
  readonly key: string;
  readonly connect: () => RedisClient;
  readonly isSharded: boolean;
  readonly probeChannel: string;
  readonly times: LinkTimes;
  /** Takes the credentials out of a text. */
  readonly redact: (text: string) => string;
  /** Loaded on every connection before it is used. */
  readonly scripts: readonly Script[];
}

export class Pair {
  private readonly publisher: RedisClient;
  private readonly subscriber: RedisClient;
  private readonly probe: Probe;
  private readonly calls: Calls;
  /** The hashes of the scripts that the server knows. */
  private readonly loaded = new Set<string>();
  private lastCommand: Promise<unknown> = Promise.resolve();
  private lastError?: string;
  private isCorked = false;
  private nextArrived?: Promise<void>;
  isOver = false;
  probeChannel: string;
  private rejectLost!: (error: LinkError) => void;
  private readonly whenLost = new Promise<never>((_resolve, reject) => (this.rejectLost = reject));

  constructor(
    private readonly options: PairOptions,
    private readonly owner: PairOwner,
  ) {
    const { times, connect } = options;
    this.probeChannel = options.probeChannel;
    this.whenLost.catch(() => {});
    this.publisher = this.watched(connect());
    this.subscriber = this.watched(connect());
    this.calls = new Calls(times.timeoutMs, options.redact, () => this.isOver || this.probe.now());
    this.probe = new Probe(
      times,
      (bytes) => this.sendProbe(bytes),
      () => this.lose(`what it published to itself did not come back within ${times.probeTimeoutMs / 1000} s`),
    );
  }

  get key(): string {
    return this.options.key;
  }

  get lagMs(): number | undefined {
    return this.probe.lagMs;
  }

  /** @throws LinkError when it cannot be used; OptionsError when the server is too old */
  async open(): Promise<void> {
    const patience = new Patience(this.options.times.probeTimeoutMs, () => this.lose('it did not answer in time'));
    patience.start();
    try {
      await Promise.race([this.prepare(), this.whenLost]);
    } catch (error) {
      const reason = this.lastError;
      this.close();
      throw error instanceof LinkError && reason ? new LinkError('unavailable', reason) : error;
    } finally {
      patience.stop();
    }
  }

  private async prepare(): Promise<void> {
    const { isSharded } = this.options;
    const refused = (error: unknown) => Promise.reject(this.calls.failure(error));
    await Promise.all([this.publisher.connect(), this.subscriber.connect()]).catch(refused);
    await checkServer(this.publisher, isSharded);
    await this.load().catch(refused);
    this.subscriber.on(isSharded ? 'smessageBuffer' : 'messageBuffer', (channel: Buffer, bytes: Buffer) =>
      this.received(channel.toString(), bytes),
    );
    this.subscriber.on('moved', () => this.isOver || this.owner.moved(this));
    await this.subscribe([this.probeChannel]);
    await this.probe.start();
  }

  private async load(): Promise<void> {
    const { scripts } = this.options;
    await Promise.all(scripts.map(({ text }) => this.publisher.callBuffer('SCRIPT', 'LOAD', text)));
    for (const { sha } of scripts) this.loaded.add(sha);
  }

  async publish(channel: string, bytes: Buffer): Promise<number> {
    return this.call('a publish', () => this.send(channel, bytes));
  }

  /** @returns the answer, with bytes as Buffers */
  async run({ script, keys, args }: ScriptCall): Promise<unknown> {
    const { sha, text } = script;
    const [command, name] = this.loaded.has(sha) ? ['EVALSHA', sha] : ['EVAL', text];
    try {
      const evaluate = () => this.publisher.callBuffer(command!, name!, keys.length, ...keys, ...args);
      const answer = await this.call('a script', evaluate);
      this.loaded.add(sha);
      return answer;
    } catch (error) {
      this.loaded.delete(sha);
      throw error;
    }
  }

  private async call<T>(what: string, send: () => Promise<T>): Promise<T> {
    if (this.isOver) throw new LinkError('unavailable', 'The connection to Redis is lost');
    return this.calls.run(what, send);
  }

  /** @param channels at most 512; on a Cluster all of one partition */
  subscribe(channels: readonly string[]): Promise<void> {
    return this.command(() => this.subscribeAt(channels));
  }

  unsubscribe(channels: readonly string[]): Promise<void> {
    return this.command(() => this.subscriber[this.options.isSharded ? 'sunsubscribe' : 'unsubscribe'](...channels));
  }

  /** Probes on another channel from now on: the server does not have the first one any more. */
  async probeOn(channel: string): Promise<void> {
    await this.subscribe([channel]);
    this.probeChannel = channel;
    this.probe.again();
  }

  /**
   * Resolves when everything that the server published before this call has arrived here: answers to subscriptions come
   * in the order of messages, and one more subscription to a channel changes nothing. Calls until it is sent share it.
   */
  arrived(): Promise<void> {
    const subscribe = () => {
      this.nextArrived = undefined;
      return this.subscribeAt([this.probeChannel]);
    };
    return this.call('a subscription', () => (this.nextArrived ??= this.command(subscribe)));
  }

  /** Cuts both connections when what was published has been answered, or its time is over. */
  retire(): void {
    this.probe.stop();
    detached(() => setTimeout(() => this.close(), this.options.times.timeoutMs)).unref();
  }

  /** Cuts both connections. Pending calls reject; `lost` is not called. */
  close(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.probe.stop();
    for (const client of [this.publisher, this.subscriber]) {
      client.disconnect();
      client.stream?.destroy();
    }
    const error = new LinkError('unknown', 'The connection to Redis was lost before it answered');
    this.rejectLost(error);
    this.calls.end(error);
  }

  private lose(reason: string): void {
    if (this.isOver) return;
    this.owner.lost(this, this.lastError ?? reason);
    this.close();
  }

  private watched(client: RedisClient): RedisClient {
    client.on('error', (error: Error) => {
      this.lastError ??= this.options.redact(error.message);
    });
    client.on('close', () => this.lose('the connection was closed'));
    client.on('end', () => this.lose('the connection was closed'));
    return client;
  }

  private subscribeAt(channels: readonly string[]): Promise<unknown> {
    return this.subscriber[this.options.isSharded ? 'ssubscribe' : 'subscribe'](...channels);
  }

  /** One command at a time on the connection that subscribes. */
  private command(run: () => Promise<unknown>): Promise<void> {
    const done = this.lastCommand.then(() => this.answered(run));
    this.lastCommand = done.catch(() => {});
    return done;
  }

  private async answered(run: () => Promise<unknown>): Promise<void> {
    const { probeTimeoutMs } = this.options.times;
    const patience = new Patience(probeTimeoutMs, () =>
      this.lose(`a subscription was not answered within ${probeTimeoutMs / 1000} s`),
    );
    patience.start();
    const refused = (error: unknown) => Promise.reject(this.calls.failure(error));
    try {
      await Promise.race([this.whenLost, this.isOver ? this.whenLost : run().catch(refused)]);
    } finally {
      patience.stop();
    }
  }

  private received(channel: string, bytes: Buffer): void {
    if (this.isOver) return;
    if (channel === this.probeChannel) this.probe.received(bytes);
    else this.owner.message(channel, bytes);
  }

  private sendProbe(bytes: Buffer): void {
    // Silence is found by the probe itself; an error is known at once
    this.publish(this.probeChannel, bytes).catch((error: LinkError) => {
      if (error.code === 'refused') this.lose(error.message);
    });
    void isReplica(this.publisher).then((is) => is && this.lose('the server has become a replica'));
  }

  /** Everything that is published in one turn leaves in one write. */
  private send(channel: string, bytes: Buffer): Promise<number> {
    const { stream } = this.publisher;
    if (!this.isCorked && stream) {
      this.isCorked = true;
      stream.cork();
      setImmediate(() => {
        this.isCorked = false;
        stream.uncork();
      });
    }
    return this.options.isSharded ? this.publisher.spublish(channel, bytes) : this.publisher.publish(channel, bytes);
  }
}
