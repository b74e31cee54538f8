/** The history of a broker of several nodes: pushes are kept as the frames in which nodes exchange them. Road OUT, step 7. */
import type { Channel } from '../command.js';
import type { Frame } from '../frame.js';
import {
  type Appended,
  type Entry,
  type History,
  type HistoryRules,
  type HistoryWindow,
  KeptPush,
  type PushHistory,
  type PushToKeep,
} from '../history.js';
import type { ClusterLog } from './cluster-log.js';
import type { Interest } from './interest.js';
import type { BatchedHistory } from './link.js';
import type { Post } from './post.js';
import type { Wire } from './wire.js';

export class ClusterHistory implements PushHistory {
  constructor(
    private readonly kept: BatchedHistory,
    private readonly post: Pick<Post, 'push' | 'kept'>,
    private readonly wire: Wire,
    private readonly interest: Pick<Interest, 'isOn'>,
    private readonly lines: Pick<ClusterLog, 'dropped'>,
  ) {}

  async append({ channel, except, frame }: PushToKeep, rules: HistoryRules): Promise<Appended> {
    const { bytes } = this.post.push(channel, except, frame, false);
    this.post.kept();
    return this.kept.append(channel, { size: bytes.length, bytes: () => bytes }, rules);
  }

  async read(channel: Channel, after: number | undefined, limit: number): Promise<HistoryWindow<KeptPush>> {
    const window = await this.kept.read(channel, after, limit);
    return { ...window, entries: window.entries.map((entry) => this.decoded(channel, entry)) };
  }

  top(channels: readonly Channel[], renew?: boolean): ReturnType<History['top']> {
    return this.kept.top(channels, renew);
  }

  arrived(channel: Channel): Promise<void> {
    return this.kept.arrived(channel);
  }

  isOn(channel: Channel): boolean {
    return this.interest.isOn(channel);
  }

  /** What cannot be read keeps its place: those before and after it follow one another. */
  private decoded(channel: Channel, { position, message }: Entry): Entry<KeptPush> {
    const received = this.wire.read(this.wire.names.of(channel), message.bytes(), false);
    if (!received || received.isForeign || received.frame.message.kind !== 'push') {
      this.lines.dropped(channel, this.wire.drops);
      return { position, message: new KeptPush(undefined, [], message.size) };
    }
    const { except, message: push } = received.frame;
    return { position, message: keptPush(push.frame, except, message.size) };
  }
}

/** @returns a push that another node, or this one, has appended */
export function keptPush(frame: Frame, except: readonly Channel[], size: number): KeptPush {
  frame.isShared = true;
  // It waits in the tail of its room
  frame.keep();
  return new KeptPush(frame, except, size);
}
