/**
 * Road IN, step 4: the one ordered queue of a connection. `onOpen` settles, then messages are handled one at a time and
 * in order, then `onClose` runs exactly once, whichever side ended the connection and whatever a hook threw. The queue
 * is bounded: while it is full, the socket is not read. A synchronous hook costs no promise and no closure per message.
 */
import type { AsyncResource } from 'node:async_hooks';
import { CloseCode, EXCEPTION_EVENT } from 'nestjs-realtime-protocol';
import { detached } from '../async-context.js';
import { type Awaitable, isPromise } from '../awaitable.js';
import type { CloseInfo, CloseInitiator } from '../close-info.js';
import type { Connection } from '../connection.js';
import { exceptionData, MessageError } from '../errors.js';
import type { Gateway } from '../gateway.js';
import type { Message } from '../message.js';
import type { Node } from '../node/node.js';
import type { Socket } from '../transport.js';
import { field } from '../log.js';
import { type Hook, HookRun } from './hook-run.js';
import { DRAIN_TURN, Inbox, type Waiting } from './inbox.js';

/** What the queue needs of the connection whose hooks it runs. */
export interface HookedConnection extends Connection {
  readonly socket: Pick<Socket, 'pause'>;
  /** Reads from the socket again, unless the application has paused the connection. */
  readOn(): void;
  /** Ends the connection from this side. */
  end(code: number, reason: string, initiator: CloseInitiator): void;
  /** Called when `onClose` has settled, after which no hook runs. */
  ended(): void;
}

export class HookQueue {
  /** True while the socket is not read because the hooks are behind. */
  isPaused = false;
  private inbox?: Inbox;
  /** True while a hook is running or about to run: messages then wait. */
  private isBusy = true;
  private closeInfo?: CloseInfo;
  /** The asynchronous hook that is running. */
  private current?: HookRun;

  constructor(
    readonly gateway: Gateway,
    private readonly connection: HookedConnection,
    private readonly node: Pick<Node, 'settings' | 'counters' | 'limits' | 'faultLog' | 'hookTimes'>,
    /** The async context of the hooks after `onOpen`. Default: that of the caller. */
    private readonly scope?: AsyncResource,
  ) {}

  /** Runs `onOpen`, then handles the messages that were received meanwhile. Called once. */
  start(onOpen: () => Awaitable<void>): void {
    try {
      const opening = onOpen();
      if (isPromise(opening)) return this.follow('onOpen', opening, this.openFailed, this.begin);
    } catch (error) {
      this.openFailed(error);
    }
    this.begin();
  }

  private openFailed(error: unknown): void {
    this.hookFailed('onOpen', error);
    this.drop();
    this.connection.end(CloseCode.INTERNAL_ERROR, 'onOpen failed', 'error');
  }

  /** Messages received during `onOpen` must not run in the handshake's async context. */
  private begin(): void {
    if (this.inbox || this.closeInfo) detached(() => this.proceed());
    else this.isBusy = false;
  }

  /** Hands a message to `onMessage`: at once, or when everything before it has been handled. */
  push(message: Message): void {
    if (this.isBusy) this.wait(message);
    else this.run(message);
  }

  /** Runs `onDrain` when everything before it has been handled. */
  drained(): void {
    if (!this.gateway.onDrain) return;
    if (this.isBusy) this.inboxOf().push(DRAIN_TURN);
    else this.run(DRAIN_TURN);
  }

  /**
   * The wire is gone: messages received before are still handled, then `onClose` runs. A hook that has run for longer
   * than `REALTIME_HOOK_TIMEOUT` is not waited for. Called once.
   */
  close(info: CloseInfo): void {
    this.closeInfo = info;
    if (!this.isBusy) this.finish(info);
    else if (this.current?.isLate) this.giveUp(info);
  }

  /** A hook is running for too long. On an open connection it is reported, or closes the connection. */
  late(run: HookRun): void {
    const { settings, limits } = this.node;
    if (!limits.reached('hookTime', this.lateField(run))) return;
    run.isLate = true;
    if (this.closeInfo) this.giveUp(this.closeInfo);
    else if (settings.hookTimeoutAction === 'close')
      this.connection.end(CloseCode.INTERNAL_ERROR, `${run.hook} took too long`, 'error');
  }

  private lateField({ hook }: HookRun): string {
    const waiting = this.inbox ? ` waiting=${this.inbox.length}` : '';
    return `id=${this.connection.id} gateway=${field(this.gateway.name)} hook=${hook} seconds=${this.node.settings.hookTimeout}${waiting}`;
  }

  /** No longer waits for the hook that is running; messages that wait behind it are dropped. */
  private giveUp(info: CloseInfo): void {
    const { hook } = this.current!;
    this.node.hookTimes.delete(this.current!);
    this.current = undefined;
    this.inbox?.clear();
    if (hook === 'onClose') this.connection.ended();
    else this.finish(info);
  }

  /** Drops the messages that wait and reads the socket again, so that the client's close frame is received. */
  drop(): void {
    this.inbox?.clear();
    if (this.isPaused) this.resume();
  }

  private run(item: Waiting): void {
    this.isBusy = true;
    if (!this.handle(item)) this.proceed();
  }

  /** Runs the hook for one item. @returns true when the hook is still running */
  private handle(item: Waiting): boolean {
    try {
      const result = this.scope ? this.scope.runInAsyncScope(() => this.call(item)) : this.call(item);
      if (!isPromise(result)) return false;
      const hook = item === DRAIN_TURN ? 'onDrain' : 'onMessage';
      this.follow(hook, result, (error) => this.failed(item, error), this.proceed);
      return true;
    } catch (error) {
      this.failed(item, error);
      return false;
    }
  }

  /** Waits until an asynchronous hook has settled, and then goes on, unless the hook was given up meanwhile. */
  private follow(hook: Hook, result: PromiseLike<void>, failed: (error: unknown) => void, next: () => void): void {
    const run = new HookRun(hook, this);
    this.current = run;
    this.node.hookTimes.add(run);
    const settled = () => {
      if (this.current !== run) return;
      this.node.hookTimes.delete(run);
      this.current = undefined;
      next.call(this);
    };
    Promise.resolve(result).then(settled, (error: unknown) => {
      failed.call(this, error);
      settled();
    });
  }

  private call(item: Waiting): Awaitable<void> {
    return item === DRAIN_TURN
      ? this.gateway.onDrain?.(this.connection)
      : this.gateway.onMessage?.(this.connection, item);
  }

  /** A hook has settled: the next message is handled, or `onClose` runs. */
  private proceed(): void {
    for (let item = this.inbox?.shift(); item; item = this.inbox?.shift()) {
      if (this.isPaused && this.inbox!.isLow) this.resume();
      if (this.handle(item)) return;
    }
    this.isBusy = false;
    if (this.closeInfo) this.finish(this.closeInfo);
  }

  private finish(info: CloseInfo): void {
    this.isBusy = true;
    const run = () => this.gateway.onClose?.(this.connection, info);
    try {
      const closing = this.scope ? this.scope.runInAsyncScope(run) : run();
      if (isPromise(closing)) return this.follow('onClose', closing, this.closeFailed, this.ended);
    } catch (error) {
      this.closeFailed(error);
    }
    this.ended();
  }

  private closeFailed(error: unknown): void {
    this.hookFailed('onClose', error);
  }

  private ended(): void {
    this.connection.ended();
  }

  private wait(message: Message): void {
    const inbox = this.inboxOf();
    inbox.push(message);
    this.gateway.onWaiting?.(this.connection, message);
    if (this.isPaused || !inbox.isFull) return;
    if (!this.node.limits.reached('queuedMessages', `id=${this.connection.id} waiting=${inbox.length}`)) return;
    this.isPaused = true;
    this.node.counters.pauses++;
    this.connection.socket.pause();
  }

  private inboxOf(): Inbox {
    const { maxQueuedMessages, maxQueuedBytes } = this.node.settings;
    return (this.inbox ??= new Inbox(maxQueuedMessages, maxQueuedBytes));
  }

  private resume(): void {
    this.isPaused = false;
    this.connection.readOn();
  }

  /** The connection stays, and the client gets an error frame. A mistake of the client is counted but not logged. */
  private failed(item: Waiting, error: unknown): void {
    if (item === DRAIN_TURN) {
      this.hookFailed('onDrain', error);
      return;
    }
    if (error instanceof MessageError) this.node.counters.messageErrors++;
    else this.hookFailed('onMessage', error);
    this.connection.emit(EXCEPTION_EVENT, exceptionData(error));
  }

  private hookFailed(hook: string, error: unknown): void {
    this.node.counters.hookErrors++;
    this.node.faultLog.report(this.connection, hook, error);
  }
}
