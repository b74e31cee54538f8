/** Road OUT, step 6: an address, and what can be done there. Immutable: every step gives a new one. */
import { CloseCode } from 'nestjs-realtime-protocol';
import { type Action, type Channel, connectionIdOf } from './command.js';
import { eventFrame, Frame, type Payload, type PushOptions } from './frame.js';
import { checkClose, checkName, checkSize } from './limits/checks.js';
import type { Node } from './node/node.js';
import type { Member } from './question.js';

/**
 * The members of a room, the connections of a user, one connection, or everyone.
 *
 * @example await server.to('lobby').except(connection.id).emit('joined', { name });
 */
export class Target {
  /** @internal */
  constructor(
    private readonly node: Node,
    private readonly channel: Channel,
    private readonly excepted: ReadonlySet<string> = new Set(),
  ) {}

  /** The same address without one connection; more than one `except` adds up. */
  except(connectionId: string): Target {
    return new Target(this.node, this.channel, new Set([...this.excepted, connectionId]));
  }

  /**
   * Sends to all members, wherever they are. Pushing to nobody is not an error.
   *
   * @param data a string goes as text, bytes go as binary
   * @param options what to do at members that are too slow
   * @returns when it was handed to every member's connection on this node and to the broker
   * @throws TypeError for what is neither; RealtimeError `too_big` above `REALTIME_MAX_BUFFERED_BYTES`
   */
  async push(data: Payload, options?: PushOptions): Promise<void> {
    await this.pushFrame(Frame.of(data, options?.slow));
  }

  /**
   * Sends a `{ event, data }` envelope as text to all members.
   *
   * @throws TypeError when `data` cannot be encoded as JSON; RealtimeError `bad_name`, `too_big` as `push`
   */
  async emit(event: string, data?: unknown, options?: PushOptions): Promise<void> {
    await this.pushFrame(eventFrame(event, data, options?.slow, this.node));
  }

  /** Puts all members into a room. @throws RealtimeError `bad_name` */
  async join(room: string): Promise<void> {
    checkName('room', room, this.node);
    await this.publish({ kind: 'join', room });
  }

  /** Takes all members out of a room. */
  async leave(room: string): Promise<void> {
    await this.publish({ kind: 'leave', room });
  }

  /**
   * Closes all members' connections.
   *
   * @param code the close code; 4500 (default) tells clients to stay away, 4000–4499 to come back
   * @param reason at most 123 bytes of UTF-8
   * @throws RangeError for a code that may not be sent; TypeError for a bad reason
   */
  async disconnect(code: number = CloseCode.DISCONNECTED, reason = ''): Promise<void> {
    checkClose(code, reason);
    await this.publish({ kind: 'disconnect', code, reason });
  }

  /** Who is there. @throws RealtimeError `too_many_members` when they are more than `REALTIME_MAX_MEMBERS` */
  async members(): Promise<Member[]> {
    return this.node.ask({ kind: 'members', channel: this.channel, except: this.excepted });
  }

  /** How many are there. */
  async count(): Promise<number> {
    return this.node.ask({ kind: 'count', channel: this.channel, except: this.excepted });
  }

  private async pushFrame(frame: Frame): Promise<void> {
    checkSize(frame, this.node);
    frame.isShared = connectionIdOf(this.channel) === undefined;
    await this.publish({ kind: 'push', frame });
  }

  private publish(action: Action): Promise<void> {
    return this.node.publish({ channel: this.channel, except: this.excepted, action });
  }
}
