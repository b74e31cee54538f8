/** The history of rooms in Redis, over a link. What Redis returns is checked: others may write there. Road OUT, step 7. */
import type { Channel } from '../../command.js';
import { type Clock, systemClock } from '../../cluster/clock.js';
import { readPosition } from '../../cluster/position.js';
import {
  type Appended,
  type Entry,
  type HistoryMessage,
  type HistoryRules,
  type HistoryWindow,
  KEY_MS,
  MAX_READ_BYTES,
  StoredBytes,
  windowOf,
} from '../../history.js';
import { parsePosition, type Position } from '../../position.js';
import { newTag } from '../../history/tag.js';
import { owned } from '../../owned.js';
import { AppendBatches } from './append-batches.js';
import { READ, TOP } from './history-scripts.js';
import { type BatchedHistory, LinkError } from '../../cluster/link.js';
import type { ScriptedLink } from './script.js';
import { batches } from './partition.js';

export class RedisHistory implements BatchedHistory {
  private readonly batches: AppendBatches;

  /** @param link made with HISTORY_SCRIPTS. It delivers what is appended like everything else that is published. */
  constructor(
    private readonly link: ScriptedLink,
    clock: Clock = systemClock,
  ) {
    this.batches = new AppendBatches(link, clock);
  }

  async append(channel: Channel, message: HistoryMessage, { size, age, key }: HistoryRules): Promise<Appended> {
    const list = this.nameOf('l', channel);
    const keyTime = key === undefined ? '0' : String(KEY_MS);
    const args = [
      this.nameOf('', channel),
      newTag(),
      String(size),
      String(Math.ceil(age * 1000)),
      keyTime,
      message.bytes(),
    ];
    const head = await new Promise<string>((resolve, reject) =>
      this.batches.add(channel, {
        keys: [list, this.nameOf('p', channel), key === undefined ? list : this.keyOf(channel, key)],
        args,
        size: message.size,
        resolve,
        reject,
      }),
    );
    return appendedOf(head);
  }

  get isWaiting(): boolean {
    return this.batches.isWaiting;
  }

  /** Sends the appends of this turn. MUST be called before a publish on the channel that is to arrive after them. */
  flush(channel: Channel): void {
    this.batches.flush(channel);
  }

  async read(channel: Channel, after: number | undefined, limit: number): Promise<HistoryWindow> {
    const keys = [this.nameOf('l', channel), this.nameOf('p', channel)];
    const args = [after === undefined ? '' : String(after), String(limit), String(MAX_READ_BYTES), newTag()];
    const answer = await this.link.run(channel, { script: READ, keys, args });
    const [text, ...entries] = answer as Buffer[];
    const top = parsePosition(String(text));
    if (!top) throw new LinkError('refused', `Redis returned ${JSON.stringify(String(text))} as a position`);
    return windowOf(top, consecutive(entries));
  }

  arrived(channel: Channel): Promise<void> {
    return this.link.arrived(channel);
  }

  async top(channels: readonly Channel[], renew = false): Promise<readonly (Position | undefined)[]> {
    const parts = new Map<string, Channel[]>();
    for (const channel of channels) {
      const prefix = this.link.prefixOf(channel);
      const part = parts.get(prefix);
      if (part) part.push(channel);
      else parts.set(prefix, [channel]);
    }
    const calls = [...parts.values()].flatMap((part) => batches(part));
    const found = await Promise.all(calls.map((call) => this.topOf(call, renew)));
    const tops = new Map(found.flat());
    return channels.map((channel) => tops.get(channel));
  }

  private async topOf(channels: readonly Channel[], renew: boolean): Promise<[Channel, Position | undefined][]> {
    const keys = channels.map((channel) => this.nameOf('p', channel));
    const answer = await this.link.run(channels[0]!, { script: TOP, keys, args: [renew ? '1' : '0'] });
    return (answer as (Buffer | null)[]).map((text, index) => [channels[index]!, parsePosition(String(text))]);
  }

  /** @param kind l: the list of a channel, p: its position; nothing: the channel itself */
  private nameOf(kind: string, channel: Channel): string {
    const prefix = this.link.prefixOf(channel);
    return kind === '' ? prefix + channel : `${prefix}h:${kind}:${channel}`;
  }

  /** The length keeps `a` + `b:c` and `a:b` + `c` apart. */
  private keyOf(channel: Channel, key: string): string {
    return `${this.link.prefixOf(channel)}h:k:${key.length}:${key}:${channel}`;
  }
}

const HEAD = /^(=?)(\d{1,15}\.[\w-]{6})\.([\w-]{6})$/;

function appendedOf(head: string): Appended {
  const [, mark, text, tag] = HEAD.exec(head) ?? [];
  const position = parsePosition(text ?? '');
  if (!position) throw new LinkError('unknown', `Redis returned ${JSON.stringify(head)} for an append`);
  return { position, previous: { n: position.n - 1, tag: tag! }, repeated: mark === '=' };
}

/** @returns the entries after the last one that is not an entry */
function consecutive(texts: readonly Buffer[]): Entry[] {
  const entries = texts.map((bytes) => {
    const prefix = readPosition(bytes);
    if (typeof prefix === 'string') return undefined;
    return { position: prefix.position, message: new StoredBytes(owned(bytes.subarray(prefix.length))) };
  });
  return entries.slice(entries.lastIndexOf(undefined) + 1) as Entry[];
}
